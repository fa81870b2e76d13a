"""Several rates from one start at once: as many copies of one model as rates in one stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfind.training.readback import Readback
from lrfind.training.stacking.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.training.readings import Readings
    from lrfind.training.run_set import RunLog
    from lrfind.training.start import Start


class StackedRates:
    """Runs that train side by side; the stack shrinks when some are dropped."""

    def __init__(self, start: Start, log: RunLog, readings: Readings) -> None:
        start.restore()
        task = start.task
        self._device = task.device
        self._log = log
        self._readings = readings
        self._batches = start.batches()
        self._stack = Stack(task.objective, task.optimizer, log.runs.lrs, options=task.options)
        self._inside = list(log.alive)

    def advance(self, begin: int, stops: Sequence[int], *, last: bool) -> None:
        """Takes every run that still trains from `begin` to the last stop, and reads all at each."""
        self._shrink()
        for at, stop in zip([begin, *stops], stops, strict=False):
            self._train(range(at, stop))
            self._readings.read_stack(self._stack, self._inside, stop)
        if last:
            self._log.end(self._inside)

    def _train(self, steps: range) -> None:
        readback = Readback(self._device, len(steps), len(self._inside))
        for step in steps:
            if not self._inside:
                return
            readback.push(*self._stack.step(self._batches).unbind())
            if self._take(readback):
                self._take(readback, all_of_them=True)
                self._shrink()
                readback = Readback(self._device, steps.stop - step, len(self._inside))
        self._take(readback, all_of_them=True)
        self._shrink()

    def _take(self, readback: Readback, *, all_of_them: bool = False) -> bool:
        """True where a run diverged."""
        dropped = False
        for values in readback.ready(all_of_them=all_of_them):
            dropped = self._log.take(self._inside, values) or dropped
        return dropped

    def _shrink(self) -> None:
        positions = [k for k, run in enumerate(self._inside) if run in self._log.alive]
        if len(positions) < len(self._inside):
            self._inside = list(self._log.alive)
            if positions:
                self._stack.keep(positions)
