"""Runs from one start that wait at a stop until they are taken on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lrfind.errors import ConfigError
from lrfind.training.divergence import GRACE, DivergenceMonitor
from lrfind.training.optimizer import LearningRate
from lrfind.training.peers import mean_of
from lrfind.training.readback import Readback
from lrfind.training.readings import OnReading, Readings
from lrfind.training.run_set import RunLog, RunSet
from lrfind.training.snapshot import Snapshot
from lrfind.training.stacking.autotune import form_of_rates
from lrfind.training.stacking.rates import StackedRates
from lrfind.training.stacking.strategy import Strategy
from lrfind.training.step import train_step

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from lrfind.statistics import Floats
    from lrfind.training.run_set import OnStep
    from lrfind.training.start import Start
    from lrfind.training.task import Task

BeforeStep = Callable[[int, int], None]
"""`before_step(run, step)`: called when the rate of a step is set and before it is made."""


def level_of(start: Start, num_steps: int, stop_factor: float | None) -> float:
    """The loss that a run of so many steps is taken to have diverged from; NaN where none is asked for."""
    return math.nan if stop_factor is None else start.level(_grace(num_steps))


def _grace(num_steps: int) -> int:
    return max(1, min(GRACE, num_steps // 5))


class PausedRuns:
    """Runs from one start that are taken on from stop to stop, and wait in between.

    One after another, each that waits is a copy of model and optimizer; side by side it is the stack.

    Arguments that are not listed are those of `train_runs`.

    Args:
        start: Where they begin; it stays open for as long as they train.
        num_steps: Updates of a run that goes to its end.
        work: Steps that all will take together, as far as is known: whether a stack pays hangs on it.
        level: What `level_of` says.
        read_at: Updates after which they are read, rising, the last one `num_steps`: these are the stops.

    Attributes:
        found: What is known so far.
        log: Who notes it, and which runs still train.
        at: Updates made so far.

    Raises:
        ConfigError: No rate, one that cannot be used, no step, or a stack that cannot be made.
    """

    def __init__(
        self,
        task: Task,
        start: Start,
        lrs: ArrayLike,
        *,
        num_steps: int,
        work: int,
        level: float,
        held_out: Sequence[Any] | None,
        read_at: Sequence[int],
        seed: int = 0,
        strategy: Strategy = Strategy.AUTO,
        beta: float = 0.98,
        stop_factor: float | None = 4.0,
        before_step: BeforeStep | None = None,
        on_step: OnStep | None = None,
        on_reading: OnReading | None = None,
    ) -> None:
        rates, policies = checked_rates(lrs, num_steps)
        if policies is not None or before_step is not None:
            if strategy is Strategy.STACKED:
                raise ConfigError(
                    "rates that follow a schedule cannot be stacked. Run them one after another."
                )
            strategy = Strategy.SEQUENTIAL
        strategy = with_peers(task, strategy)
        form = form_of_rates(start, rates, steps=min(num_steps, 2), work=work, strategy=strategy)
        self.found = RunSet.untrained(
            rates,
            read_at=() if held_out is None else read_at,
            num_steps=num_steps,
            seed=seed,
            stacked=form.stacked,
            reason=form.reason,
        )
        grace = _grace(num_steps)
        monitors = [DivergenceMonitor(level, grace=grace, beta=beta, factor=stop_factor) for _ in rates]
        self.log = RunLog(self.found, monitors, on_step)
        self.at = 0
        self._stops = read_at
        self._start = start
        self._readings = Readings(task, held_out, self.found, on_reading)
        self._policies = policies
        self._before_step = before_step
        self._way: _Sequential | StackedRates | None = None

    def advance(self, to: int) -> None:
        """Takes those that still train to a stop, reading them at each on the way."""
        if self._way is None:
            if self._stops[0] == 0 and self.found.read_at:
                self._start.restore()
                self._readings.read_start()
            self._way = (
                StackedRates(self._start, self.log, self._readings)
                if self.found.stacked
                else _Sequential(self._start, self.log, self._readings, self._policies, self._before_step)
            )
        stops = [step for step in self._stops if self.at < step <= to]
        self._way.advance(self.at, stops, last=to == self._stops[-1])
        self.at = to


def checked_rates(lrs: ArrayLike, num_steps: int) -> tuple[Floats, Floats | None]:
    """The rates, shape (runs,), and where they are policies these, shape (runs, steps)."""
    rates = np.atleast_1d(np.asarray(lrs, dtype=np.float64))
    if num_steps < 1:
        raise ConfigError(f"num_steps must be at least 1, got {num_steps}.")
    if rates.ndim not in (1, 2) or rates.size == 0 or not np.all(np.isfinite(rates)):
        raise ConfigError(f"the learning rates must be finite numbers, one a run or one a step, got {rates}.")
    if rates.ndim == 1:
        if not np.all(rates > 0):
            raise ConfigError(f"learning rates that are constant must be positive, got {rates}.")
        return rates, None
    if not (np.all(rates >= 0) and rates.shape[1] >= num_steps):
        raise ConfigError(
            f"a schedule must give a rate of at least 0 for each of the {num_steps} steps, got shape "
            f"{rates.shape} with a least rate of {rates.min():g}."
        )
    return rates.max(axis=1), rates


def with_peers(task: Task, strategy: Strategy) -> Strategy:
    """The strategy that remains where others train on the same at the same time."""
    if task.peers is None:
        return strategy
    if strategy is Strategy.STACKED:
        raise ConfigError("runs on several ranks cannot be stacked. Run them one after another.")
    return Strategy.SEQUENTIAL


class _Sequential:
    """One run after another; between two rungs each waits as a copy of model and optimizer."""

    def __init__(
        self,
        start: Start,
        log: RunLog,
        readings: Readings,
        policies: Floats | None,
        before_step: BeforeStep | None,
    ) -> None:
        start.restore()  # the shares of the groups are read off their own rates
        self._start = start
        self._log = log
        self._readings = readings
        self._policies = policies
        self._before_step = before_step
        self._set_lr = LearningRate(start.task.optimizer)
        self._waiting: dict[int, Snapshot] = {}

    def advance(self, begin: int, stops: Sequence[int], *, last: bool) -> None:
        """Takes every run that still trains from `begin` to the last stop, and reads it at each."""
        start, log = self._start, self._log
        task = start.task
        waiting, self._waiting = self._waiting, {}
        for run in list(log.alive):
            start.restore()
            batches = start.batches()
            if begin:
                for _ in range(begin * task.options.accumulation_steps):
                    next(batches)
                waiting.pop(run).restore()
            if self._policies is None:
                self._set_lr(float(log.runs.lrs[run]))
            for at, stop in zip([begin, *stops], stops, strict=False):
                if self._diverged(run, batches, range(at, stop)):
                    break
                if stop == stops[-1] and not last:
                    task.optimizer.zero_grad()
                    self._waiting[run] = Snapshot(task.model, task.optimizer, scaler=task.scaler)
                self._readings.read(run, stop)
            else:
                if last:
                    log.end((run,))

    def _diverged(self, run: int, batches: Iterator[Any], steps: range) -> bool:
        """Trains a run for these steps; True where it diverged on the way."""
        task, log = self._start.task, self._log
        readback = Readback(task.device, len(steps), 1, fixed_lag=task.peers is not None)
        for step in steps:
            if self._policies is not None:
                self._set_lr(float(self._policies[run, step]))
            if self._before_step is not None:
                self._before_step(run, step)
            loss, _ = train_step(task.objective, task.optimizer, batches, task.options)
            readback.push(loss)
            if any(log.take((run,), mean_of(task.peers, values)) for values in readback.ready()):
                return True
        rest = readback.ready(all_of_them=True)
        return any(log.take((run,), mean_of(task.peers, values)) for values in rest)
