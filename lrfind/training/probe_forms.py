"""The two forms of a probe, one rate after another and all side by side, and the board they report to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from lrfind.errors import DataError
from lrfind.training.readback import Readback
from lrfind.training.smoothing import ExponentialAverage
from lrfind.training.snapshot import Snapshot
from lrfind.training.stacking.stack import Stack
from lrfind.training.step import LearningRate, evaluate, train_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lrfind.training.halving import Halving
    from lrfind.training.task import Task

OnStep = Callable[[int, int], None]
"""`on_step(rates, step)`: so many more rates have taken `step` steps, all that are in the stack or one alone.
The sum of `rates` over the calls is the number of steps taken."""


@dataclass(frozen=True, slots=True, eq=False)
class Probes:
    """What each rate reached from the same start.

    Attributes:
        lrs: The rates, in the order given, shape (rates,).
        losses: Training loss of each step's batch before its update, shape (rates, steps). NaN after the step
            at which a rate was dropped; the loss that showed the divergence is kept, finite or not.
        finals: The loss at the end, shape (rates,): read on `read`, else the last training loss, before the
            last update. Infinite for a rate that was dropped, and where it is not finite.
        steps_taken: Steps whose loss is known, shape (rates,).
        diverged: Whether a rate was dropped because its loss was not finite or too large, shape (rates,).
        stacked: Whether the rates ran side by side.
        reason: Why side by side, or why not, in words.
    """

    lrs: NDArray[np.float64]
    losses: NDArray[np.float64]
    finals: NDArray[np.float64]
    steps_taken: NDArray[np.int64]
    diverged: NDArray[np.bool_]
    stacked: bool
    reason: str


class ProbeInterrupted(KeyboardInterrupt):
    """An interrupt, with what had been measured.

    Attributes:
        probes: The losses so far; `finals` is NaN where a rate had not come to its end.
    """

    def __init__(self, probes: Probes) -> None:
        super().__init__()
        self.probes = probes


class Start:
    """The state that all rates begin at: that of model, optimizer and random streams when it is made.

    Attributes:
        task: What is trained.
        restore: Puts everything back, whatever interrupts it.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self._snapshot = Snapshot(task.model, task.optimizer, scaler=task.scaler)
        self.restore = self._snapshot.restore_to_the_end

    def restart(self) -> None:
        """Everything as it was given, in training mode."""
        self._snapshot.restore()
        model = self.task.model
        if not model.training:  # and not otherwise: what is in eval mode inside it stays there
            model.train()

    def level(self, count: int) -> float:
        """The mean loss of the untrained model over the first batches: one alone may be a lucky one."""
        self.restart()
        losses = [self.task.objective(batch)[0].item() for batch in islice(self.stream(), count)]
        return float(np.mean(losses))

    def stream(self) -> Iterator[Any]:
        """The batches from the first one on."""
        yield from self.task.afresh()
        raise DataError("the batches of a probe ended before its last step: give as many as it takes.")


class DivergenceMonitor:
    """Says when a rate has diverged: not finite, or its smoothed loss far above where all rates began.

    After `GRACE` steps, or a fifth of them, it fires when smoothed > start + (stop_factor - 1) * scale, where
    `start` is the mean loss of the untrained model and scale = |start|, or the fall since then if that is
    more (a loss that goes below zero). A start of exactly 0 gives no scale: from there it fires for a
    loss that is not finite alone. A range test compares with the lowest loss; here the rate stays what it is,
    and one that spikes below its start may still win.
    """

    __slots__ = ("_average", "_factor", "_grace", "_lowest", "_start", "_steps")

    def __init__(self, start: float, grace: int, *, beta: float, stop_factor: float | None) -> None:
        self._average = ExponentialAverage(beta)
        self._factor = stop_factor
        self._grace = grace
        self._start = self._lowest = start
        self._steps = 0

    def fires(self, loss: float) -> bool:
        """Takes the next loss."""
        if not math.isfinite(loss):
            return True
        self._steps += 1
        smoothed = self._average.update(loss)
        self._lowest = min(self._lowest, smoothed)
        if self._factor is None or self._start == 0 or self._steps <= self._grace:
            return False
        return smoothed > self._start + (self._factor - 1) * max(abs(self._start), self._start - self._lowest)


class RunLog:
    """The losses known so far, and which rates still run."""

    def __init__(
        self,
        lrs: NDArray[np.float64],
        num_steps: int,
        watches: Sequence[DivergenceMonitor],
        on_step: OnStep | None,
    ) -> None:
        self.lrs = lrs
        self.alive = list(range(len(lrs)))
        self.scores = np.full(len(lrs), np.inf)
        self._losses = np.full((len(lrs), num_steps), np.nan)
        self._taken = np.zeros(len(lrs), dtype=np.int64)
        self._diverged = np.zeros(len(lrs), dtype=np.bool_)
        self._ended = np.zeros(len(lrs), dtype=np.bool_)
        self._watches = watches
        self._on_step = on_step

    def take(self, rates: Sequence[int], losses: Sequence[float]) -> bool:
        """Takes the loss of the next step of some rates; True where one of them diverged with it.

        A rate that is out already is passed over: its losses were still on their way from the device.
        """
        count, step, dropped = 0, 0, False
        for rate, loss in zip(rates, losses, strict=True):
            if self._diverged[rate]:
                continue
            step = int(self._taken[rate])
            self._losses[rate, step] = loss
            self._taken[rate] = step = step + 1
            self.scores[rate] = loss
            count += 1
            if self._watches[rate].fires(loss):
                self._diverged[rate] = dropped = True
                self.alive.remove(rate)
        if count and self._on_step is not None:
            self._on_step(count, step)
        return dropped

    def halve(self, count: int) -> None:
        """Keeps so many of the rates that still run, those of the least scores; of equals the smaller."""
        ranked = sorted(self.alive, key=lambda rate: (_finite(float(self.scores[rate])), self.lrs[rate]))
        self.alive = sorted(ranked[:count])

    def end(self, rates: Sequence[int]) -> None:
        """Notes that these rates have their final score."""
        self._ended[list(rates)] = True

    def probes(self, *, stacked: bool, reason: str, interrupted: bool = False) -> Probes:
        """All of it; rates that are out have no final loss, nor have those that were not at their end."""
        finals = np.full(len(self.lrs), np.inf)
        finals[self.alive] = [_finite(float(self.scores[rate])) for rate in self.alive]
        if interrupted:
            finals[~self._ended & ~self._diverged] = np.nan
        return Probes(
            self.lrs, self._losses, finals, self._taken, self._diverged, stacked=stacked, reason=reason
        )


def _finite(score: float) -> float:
    return score if math.isfinite(score) else math.inf


class Sequential:
    """One rate after another; between two rungs each waits as a copy of model and optimizer."""

    def __init__(self, start: Start, board: RunLog, read: Sequence[Any] | None = None) -> None:
        start.restart()  # the shares of the groups are read off their own rates
        self._start = start
        self._task = start.task
        self._board = board
        self._read = read
        self._set_lr = LearningRate(start.task.optimizer)
        self._waiting: dict[int, Snapshot] = {}

    def advance(self, begin: int, end: int, *, last: bool) -> None:
        """Takes every rate that still runs from `begin` to `end` steps, and reads its loss there."""
        task, board = self._task, self._board
        waiting, self._waiting = self._waiting, {}
        for rate in list(board.alive):
            self._start.restart()
            stream = self._start.stream()
            if begin:
                for _ in range(begin * task.options.accumulation_steps):
                    next(stream)
                waiting.pop(rate).restore()
            self._set_lr(float(board.lrs[rate]))
            if self._train(rate, stream, end - begin):
                continue
            if not last:
                task.optimizer.zero_grad()
                self._waiting[rate] = Snapshot(task.model, task.optimizer, scaler=task.scaler)
            if self._read is not None:
                board.scores[rate] = float(evaluate(task.objective, self._read))
            if last:
                board.end((rate,))

    def _train(self, rate: int, stream: Iterator[Any], num_steps: int) -> bool:
        """True where the rate diverged on the way."""
        task, board = self._task, self._board
        readback = Readback(task.device, num_steps, 1)
        for _ in range(num_steps):
            loss, _ = train_step(task.objective, task.optimizer, stream, task.options)
            readback.push(loss)
            if any(board.take((rate,), values) for values in readback.ready()):
                return True
        return any(board.take((rate,), values) for values in readback.ready(all_of_them=True))


class Stacked:
    """All rates at once; the stack shrinks when rates are dropped."""

    def __init__(self, start: Start, board: RunLog, read: Sequence[Any] | None = None) -> None:
        start.restart()
        task = start.task
        self._task = task
        self._board = board
        self._read = read
        self._stream = start.stream()
        self._stack = Stack(task.objective, task.optimizer, board.lrs, options=task.options)
        self._inside = list(board.alive)

    def advance(self, begin: int, end: int, *, last: bool) -> None:
        """Takes every rate that still runs from `begin` to `end` steps, and reads their losses there."""
        self._shrink()
        readback = Readback(self._task.device, end - begin, len(self._inside))
        for step in range(begin, end):
            if not self._inside:
                return
            readback.push(*self._stack.step(self._stream).unbind())
            if self._take(readback):
                self._take(readback, all_of_them=True)
                self._shrink()
                readback = Readback(self._task.device, end - step, len(self._inside))
        self._take(readback, all_of_them=True)
        self._shrink()
        if self._read is not None and self._inside:
            self._board.scores[self._inside] = self._stack.read(self._read).tolist()
        if last:
            self._board.end(self._inside)

    def put_into_model(self, rate: int) -> None:
        """Gives the model what a rate that still runs has come to."""
        self._stack.put_into_model(self._inside.index(rate))

    def _take(self, readback: Readback, *, all_of_them: bool = False) -> bool:
        """True where a rate diverged."""
        dropped = False
        for values in readback.ready(all_of_them=all_of_them):
            dropped = self._board.take(self._inside, values) or dropped
        return dropped

    def _shrink(self) -> None:
        positions = [k for k, rate in enumerate(self._inside) if rate in self._board.alive]
        if len(positions) < len(self._inside):
            self._inside = list(self._board.alive)
            if positions:
                self._stack.keep(positions)


def advance_all(form: Sequential | Stacked, board: RunLog, halving: Halving | None, num_steps: int) -> None:
    """Advances the rates from rung to rung."""
    rungs = [rung for rung in halving.rungs if rung < num_steps] if halving else []
    counts = halving.alive(len(board.lrs)) if halving else [len(board.lrs)]
    begin = 0
    for end, count in zip([*rungs, num_steps], [*counts[1:], 0], strict=False):
        last = end == num_steps
        form.advance(begin, end, last=last)
        if not last:
            board.halve(count)
        begin = end
