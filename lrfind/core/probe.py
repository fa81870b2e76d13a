"""Several learning rates, each from the same start: the same weights, batches and random numbers.

What a range test or the textbook's sweep reads at a rate also depends on all the training before it. Here
nothing but the rate differs, so the losses may be compared one by one.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lrfind.core.range_test import GRACE, SweepOptions
from lrfind.core.readback import Readback
from lrfind.core.smoothing import ExponentialAverage
from lrfind.core.snapshot import Snapshot
from lrfind.core.stacked import Stack, own_parameters, why_not_stacked
from lrfind.core.training import LearningRate, evaluate, train_step
from lrfind.errors import ConfigError, DataError, UserError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from torch.optim import Optimizer

    from lrfind.core.objective import Objective

OnStep = Callable[[int, int], None]
"""`on_step(rates, step)`: so many more rates have taken `step` steps, all that are in the stack or one alone.
The sum of `rates` over the calls is the number of steps taken."""

Batches = Callable[[], Iterator[Any]]


_MOST = 0.95
"""The time of a step of a rate in the stack, over that of one alone, from which on stacking does not pay."""
_TRIAL = 0.01
"""The share of the whole work that one step of a trial stack may be."""
_TOO_FEW = 1000
"""Steps of all rates together for which a trial, some fifteen steps at least, costs more than it may gain."""
_HOPELESS = 1.3
"""The same ratio, from which on no second step is timed; the first one is slow because its memory is new."""
_HOPELESS_PAIR = 3.0
"""The same for two rates, from which on no wider stack is tried: the model's arithmetic itself suffers."""


class Strategy(str, Enum):
    """How the rates are run."""

    AUTO = "auto"
    """Stacked where that is possible and, by a trial of a few steps, faster."""
    SEQUENTIAL = "sequential"
    """One after another."""
    STACKED = "stacked"
    """Side by side, or not at all."""


@dataclass(frozen=True, slots=True)
class Halving:
    """Successive halving: at stated step counts the better part goes on.

    Source: Jamieson and Talwalkar, arXiv 1502.07943, figure 3.

    Attributes:
        rungs: Step counts after which rates are dropped, rising.
        keep: The share that goes on; of n rates it is the next whole number from `keep * n` up, at least 1.
    """

    rungs: tuple[int, ...]
    keep: float = 0.5

    def __post_init__(self) -> None:
        """Checks both.

        Raises:
            ConfigError: One cannot be used.
        """
        if not all(a < b for a, b in zip((0, *self.rungs), self.rungs, strict=False)):
            raise ConfigError(f"the rungs of a halving must rise from 1 up, got {self.rungs}.")
        if not 0 < self.keep < 1:
            raise ConfigError(f"the share that a halving keeps must lie between 0 and 1, got {self.keep}.")

    @classmethod
    def doubling(cls, num_steps: int, *, first: int) -> Halving:
        """Keeps half after `first`, 2 `first`, 4 `first`, ... steps, all below `num_steps`."""
        if first < 1:
            raise ConfigError(f"the first rung of a halving must be at least 1, got {first}.")
        return cls(tuple(first * 2**j for j in range(num_steps.bit_length()) if first * 2**j < num_steps))

    def alive(self, num_rates: int) -> list[int]:
        """The most rates that run up to each rung, and after the last; one more than there are rungs."""
        counts = [num_rates]
        for _ in self.rungs:
            # Rounded before it is rounded up: 0.1 * 30 is 3.0000000000000004.
            counts.append(max(1, math.ceil(round(self.keep * counts[-1], 9))) if counts[-1] else 0)
        return counts

    def total_steps(self, num_rates: int, *, num_steps: int) -> int:
        """The most training steps that this takes; fewer only where rates diverge.

        Args:
            num_rates: Rates at the start.
            num_steps: Steps of a rate that stays to the end.
        """
        ends = [min(rung, num_steps) for rung in self.rungs] + [num_steps]
        starts = [0, *ends[:-1]]
        counts = self.alive(num_rates)
        return sum(n * (b - a) for n, a, b in zip(counts, starts, ends, strict=True))


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


def probe(
    objective: Objective,
    optimizer: Optimizer,
    batches: Batches,
    lrs: ArrayLike,
    *,
    num_steps: int,
    device: torch.device,
    read: Sequence[Any] | None = None,
    strategy: Strategy = Strategy.AUTO,
    halving: Halving | None = None,
    options: SweepOptions | None = None,
    on_step: OnStep | None = None,
) -> Probes:
    """Trains at each rate from the state that model, optimizer and random streams are in now.

    Model, optimizer and random streams are put back afterwards, whatever happens. A rate is dropped when its
    loss is not finite, or when its smoothed loss passes `stop_factor` times the loss at the start, which is
    read on the first batches before anything is trained (see `_Watch`).

    One after another, halving keeps a copy of model and optimizer for each rate that reaches a rung, as much
    memory as a stack, and draws the batches before a rung again, without training on them.

    Args:
        objective: The loss on a batch.
        optimizer: Moves the parameters; several groups keep the ratio of their rates.
        batches: Makes a new iterator over the same batches in the same order, on the device, whenever it is
            called; at least `num_steps` (times `accumulation_steps`) of them. Where their order is drawn at
            random, from a generator of their own that starts anew.
        lrs: The rates, shape (rates,), as `LearningRate` takes them; any order.
        num_steps: Updates a rate.
        device: Where the losses are computed.
        read: Fixed batches on which the loss is read at the end, and at each rung, as `evaluate` does: in
            eval mode, weighted by their sizes. It is not counted as a step.
        strategy: One after another, side by side, or whichever is faster.
        halving: When to drop the worse part, on the loss read, or the last training loss. None: never.
        options: Of these `beta`, `stop_factor`, `accumulation_steps`, `clip_grad_norm` and `scaler`.
        on_step: Told of every step once its loss is known.

    Raises:
        ConfigError: No rate, a rate that is not a positive number, no step, or a stack that cannot be made.
        UserError: Model, loss, optimizer or data cannot be used as given.
        KeyboardInterrupt: As it came, after everything was put back.
    """
    options = SweepOptions() if options is None else options
    rates = np.atleast_1d(np.asarray(lrs, dtype=np.float64))
    if rates.ndim != 1 or len(rates) == 0 or not np.all(np.isfinite(rates) & (rates > 0)):
        raise ConfigError(f"the learning rates of a probe must be positive numbers, got {rates}.")
    if num_steps < 1:
        raise ConfigError(f"num_steps must be at least 1, got {num_steps}.")
    start = Snapshot(objective.model, optimizer, scaler=options.scaler)
    task = _Task(objective, optimizer, batches, options, device, start, read)
    with own_parameters(objective.model):
        try:
            work = (halving or Halving(())).total_steps(len(rates), num_steps=num_steps)
            reason, stacked = _chosen(task, rates, min(num_steps, 2), work, strategy)
            grace = max(1, min(GRACE, num_steps // 5))
            level = math.nan if options.stop_factor is None else task.level(grace)
            board = _Board(rates, num_steps, [_Watch(level, grace, options) for _ in rates], on_step)
            form = _Stacked(task, board) if stacked else _Sequential(task, board)
            _run(form, board, halving, num_steps)
        finally:
            try:
                start.restore()
            except KeyboardInterrupt:
                start.restore()  # an interrupt must not leave half of it undone
                raise
    return board.probes(stacked=stacked, reason=reason)


def _run(form: _Sequential | _Stacked, board: _Board, halving: Halving | None, num_steps: int) -> None:
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


@dataclass(frozen=True, slots=True)
class _Task:
    """What all rates share."""

    objective: Objective
    optimizer: Optimizer
    batches: Batches
    options: SweepOptions
    device: torch.device
    start: Snapshot
    read: Sequence[Any] | None

    def restart(self) -> None:
        """Everything as it was given, in training mode."""
        self.start.restore()
        if not self.objective.model.training:  # and not otherwise: what is in eval mode inside it stays there
            self.objective.model.train()

    def level(self, count: int) -> float:
        """The mean loss of the untrained model over the first batches: one alone may be a lucky one."""
        self.restart()
        return float(np.mean([self.objective(batch)[0].item() for batch in islice(self.stream(), count)]))

    def stream(self) -> Iterator[Any]:
        """The batches from the first one on."""
        yield from self.batches()
        raise DataError("the batches of a probe ended before its last step: give as many as it takes.")


class _Watch:
    """Says when a rate has diverged: not finite, or its smoothed loss far above where all rates began.

    After `GRACE` steps, or a fifth of them, it fires when smoothed > start + (stop_factor - 1) * scale, where
    `start` is the mean loss of the untrained model and scale = |start|, or the fall since then if that is
    more (a loss that goes below zero). A range test compares with the lowest loss; here the rate stays what
    it is, and one that spikes below its start may still win.
    """

    __slots__ = ("_average", "_factor", "_grace", "_lowest", "_start", "_steps")

    def __init__(self, start: float, grace: int, options: SweepOptions) -> None:
        self._average = ExponentialAverage(options.beta)
        self._factor = options.stop_factor
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
        if self._factor is None or self._steps <= self._grace:
            return False
        return smoothed > self._start + (self._factor - 1) * max(abs(self._start), self._start - self._lowest)


class _Board:
    """The losses known so far, and which rates still run."""

    def __init__(
        self, lrs: NDArray[np.float64], num_steps: int, watches: Sequence[_Watch], on_step: OnStep | None
    ) -> None:
        self.lrs = lrs
        self.alive = list(range(len(lrs)))
        self.scores = np.full(len(lrs), np.inf)
        self._losses = np.full((len(lrs), num_steps), np.nan)
        self._taken = np.zeros(len(lrs), dtype=np.int64)
        self._diverged = np.zeros(len(lrs), dtype=np.bool_)
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

    def probes(self, *, stacked: bool, reason: str) -> Probes:
        """All of it; rates that are out have no final loss."""
        finals = np.full(len(self.lrs), np.inf)
        finals[self.alive] = [_finite(float(self.scores[rate])) for rate in self.alive]
        return Probes(
            self.lrs, self._losses, finals, self._taken, self._diverged, stacked=stacked, reason=reason
        )


def _finite(score: float) -> float:
    return score if math.isfinite(score) else math.inf


class _Sequential:
    """One rate after another; between two rungs each waits as a copy of model and optimizer."""

    def __init__(self, task: _Task, board: _Board) -> None:
        task.restart()  # the shares of the groups are read off their own rates
        self._task = task
        self._board = board
        self._set_lr = LearningRate(task.optimizer)
        self._waiting: dict[int, Snapshot] = {}

    def advance(self, begin: int, end: int, *, last: bool) -> None:
        """Takes every rate that still runs from `begin` to `end` steps, and reads its loss there."""
        task, board = self._task, self._board
        waiting, self._waiting = self._waiting, {}
        for rate in list(board.alive):
            task.restart()
            stream = task.stream()
            if begin:
                for _ in range(begin * task.options.accumulation_steps):
                    next(stream)
                waiting.pop(rate).restore()
            self._set_lr(float(board.lrs[rate]))
            if self._train(rate, stream, end - begin):
                continue
            if not last:
                task.optimizer.zero_grad()
                self._waiting[rate] = Snapshot(
                    task.objective.model, task.optimizer, scaler=task.options.scaler
                )
            if task.read is not None:
                board.scores[rate] = float(evaluate(task.objective, task.read))

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


class _Stacked:
    """All rates at once; the stack shrinks when rates are dropped."""

    def __init__(self, task: _Task, board: _Board) -> None:
        task.restart()
        self._task = task
        self._board = board
        self._stream = task.stream()
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
        if self._task.read is not None and self._inside:
            self._board.scores[self._inside] = self._stack.read(self._task.read).tolist()

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


def _chosen(
    task: _Task, lrs: NDArray[np.float64], steps: int, work: int, strategy: Strategy
) -> tuple[str, bool]:
    """Why, and whether, to stack.

    Args:
        task: What all rates share.
        lrs: The rates.
        steps: Steps to compare the losses on.
        work: Steps of all rates together.
        strategy: What was asked for.

    Raises:
        ConfigError: A stack was asked for and cannot be made.
    """
    if strategy is Strategy.SEQUENTIAL:
        return "one after another was asked for", False
    width = 0
    if strategy is Strategy.AUTO:
        width = int(min(len(lrs), max(2, _TRIAL * work)))
        # On a CPU a wide stack leaves the cache and may be slower than a narrow one, so it is tried whole.
        too_few = work < _TOO_FEW or (task.device.type == "cpu" and width < len(lrs))
        if len(lrs) == 1 or too_few:
            return "so few rates and steps are not worth a trial", False
    why_not = why_not_stacked(
        task.objective.model, task.optimizer, task.objective, scaler=task.options.scaler
    )
    ratio = math.inf
    if why_not is None:
        why_not, ratio = _tried(task, lrs, steps, width)
    if strategy is Strategy.STACKED:
        if why_not is not None:
            raise ConfigError(f"the rates cannot be stacked: {why_not}. Run them one after another.")
        return "side by side was asked for", True
    if why_not is not None:
        return why_not, False
    said = f"a rate's step took {ratio:.2f} times as long stacked as alone, in a trial"
    return said, ratio < _MOST


def _tried(task: _Task, lrs: NDArray[np.float64], steps: int, width: int) -> tuple[str | None, float]:
    """Takes a few steps in each form: why they cannot be stacked, and the time of a step stacked over alone.

    What is tried is thrown away, so it must be little: `steps` steps of two rates to see that the losses
    agree, then one or two of a stack of `width` rates; of none, nothing is timed.
    """
    objective, optimizer, options = task.objective, task.optimizer, task.options
    smallest = np.sort(lrs)
    task.restart()
    stream = task.stream()
    parts = options.accumulation_steps
    few = list(islice(stream, parts))
    began = time.perf_counter()
    few += islice(stream, (steps - 1) * parts)
    fetching = time.perf_counter() - began  # of the second, when whatever loads them is under way
    before = [buffer.clone() for buffer in objective.model.buffers()]

    LearningRate(optimizer)(float(smallest[0]))
    batches = cycle(few)
    alone = [train_step(objective, optimizer, batches, options)[0].item() for _ in range(steps)]

    def fastest_alone() -> float:
        step = partial(train_step, objective, optimizer, batches, options)
        return min(_seconds(lambda: step()[0].item()) for _ in range(3))

    time_alone = fastest_alone()
    after = list(objective.model.buffers())
    if len(before) != len(after) or any(
        a.shape != b.shape or not torch.equal(a, b) for a, b in zip(before, after, strict=True)
    ):
        return "the model has buffers that change in training", math.inf

    task.restart()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # vmap's own, of operations that it does one by one: time tells
            pair = Stack(objective, optimizer, smallest[:1].repeat(2), options=options)
            for batch, expected in zip(range(steps), alone, strict=True):
                began = time.perf_counter()
                seen = pair.step(iter(few[batch * parts : (batch + 1) * parts]))
                values = seen.tolist()
                time_pair = time.perf_counter() - began
                tolerance = 1e-8 if seen.dtype == torch.float64 else 1e-3
                if not np.allclose(values, expected, rtol=tolerance, atol=tolerance, equal_nan=True):
                    return "its losses come out differently when stacked", math.inf
            ratio = (time_pair / 2 + fetching / len(lrs)) / (time_alone + fetching)
            if width == 0 or ratio > _HOPELESS_PAIR:
                return None, ratio
            stack = Stack(objective, optimizer, smallest[:width], options=options)
            spent = _seconds(lambda: stack.step(batches).tolist())
            if spent / width <= _HOPELESS * time_alone:
                spent = min(spent, _seconds(lambda: stack.step(batches).tolist()))
                # A step alone is short enough to fall wholly into a moment in which the machine was busy.
                time_alone = min(time_alone, fastest_alone())
            ratio = (spent / width + fetching / len(lrs)) / (time_alone + fetching)
    except (UserError, RuntimeError, NotImplementedError) as error:
        cause = error.__cause__ if isinstance(error, UserError) and error.__cause__ else error
        return (str(cause).strip() or repr(cause)).splitlines()[0].rstrip("."), math.inf
    return None, ratio


def _seconds(work: Callable[[], object]) -> float:
    """How long something takes that ends by reading a number, so that a GPU is waited for."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
