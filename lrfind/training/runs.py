"""Learning curves: several rates from the same start, read on held-out data on the way.

`probe` tells what each rate came to; here each is followed, constant or along a schedule of its own.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lrfind.errors import ConfigError
from lrfind.training.probe_forms import DivergenceMonitor, RunLog, Stacked, Start
from lrfind.training.readback import Readback
from lrfind.training.smoothing import GRACE
from lrfind.training.stacking.autotune import Strategy, chosen_form
from lrfind.training.stacking.stack import Stack, own_parameters
from lrfind.training.step import LearningRate, judged, train_step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from lrfind.training.objective import Objective
    from lrfind.training.probe_forms import OnStep
    from lrfind.training.task import Task

OnReading = Callable[[int, int, float, float], None]
"""`on_reading(rate, reading, loss, accuracy)`: a rate was read; indices count from 0, and an accuracy that is
not measured is NaN."""

BeforeStep = Callable[[int, int], None]
"""`before_step(rate, step)`: called when the rate of a step is set and before it is made."""


@dataclass(frozen=True, slots=True, eq=False)
class Courses:
    """What each rate came to on held-out data, reading by reading.

    Attributes:
        read_at: Updates made before each reading, shape (readings,), rising.
        losses: Held-out loss, shape (rates, readings); NaN from where a rate was dropped.
        accuracies: Held-out share of right answers, same shape; NaN also where it is not measured.
        steps_taken: Updates whose training loss is known, shape (rates,).
        diverged: Whether a rate was dropped, as `probe` drops it, shape (rates,).
        stacked: Whether the rates ran side by side.
        reason: Why side by side, or why not, in words.
    """

    read_at: tuple[int, ...]
    losses: NDArray[np.float64]
    accuracies: NDArray[np.float64]
    steps_taken: NDArray[np.int64]
    diverged: NDArray[np.bool_]
    stacked: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Form:
    """Which way of running the rates was faster.

    Attributes:
        stacked: Side by side.
        reason: Why, in words.
        seconds: Time of one step of all rates together.
    """

    stacked: bool
    reason: str
    seconds: float


def follow(
    task: Task,
    lrs: ArrayLike,
    *,
    read_at: Sequence[int],
    held_out: Sequence[Any],
    strategy: Strategy = Strategy.AUTO,
    beta: float = 0.98,
    stop_factor: float | None = 4.0,
    on_step: OnStep | None = None,
    on_reading: OnReading | None = None,
    before_step: BeforeStep | None = None,
) -> Courses:
    """Trains at each rate from the state that all is in now, and reads loss and accuracy on the way.

    Model, optimizer and random streams are put back afterwards, whatever happens. A rate that diverges is
    dropped as in `probe`, and the others go on.

    Args:
        task: What is trained, as in `probe`; accuracy is read where its objective measures it.
        lrs: Constant rates, shape (rates,), or a schedule each, shape (rates, steps): the rate of step i is
            `lrs[:, i]` (see `schedules`). Schedules run one after another.
        read_at: Updates after which to read, rising; training ends with the last.
        held_out: Fixed batches that are read, in eval mode, weighted by their sizes.
        strategy: One after another, side by side, or whichever is faster.
        beta: As in `probe`.
        stop_factor: As in `probe`.
        on_step: As in `probe`.
        on_reading: Told of every reading as it is made.
        before_step: For what else a schedule moves, such as the momentum of one cycle. The runs then go one
            after another.

    Raises:
        ConfigError: No rate, one that cannot be used, no reading, or a stack that cannot be made.
        UserError: Model, loss, optimizer or data cannot be used as given.
        KeyboardInterrupt: As it came, after everything was put back.
    """
    rates, read_at = _checked(lrs, read_at)
    num_steps = read_at[-1]
    schedule: NDArray[np.float64] | None = None
    if rates.ndim == 2:
        schedule, rates = rates, rates.max(axis=1)
    if schedule is not None or before_step is not None:
        if strategy is Strategy.STACKED:
            raise ConfigError("rates that follow a schedule cannot be stacked. Run them one after another.")
        strategy = Strategy.SEQUENTIAL
    start = Start(_without_accuracy(task))
    readings = _Readings(task.objective, held_out, (len(rates), len(read_at)), on_reading)
    with own_parameters(task.model):
        try:
            work = num_steps * len(rates)
            reason, stacked = chosen_form(start, rates, min(num_steps, 2), work, strategy)
            grace = max(1, min(GRACE, num_steps // 5))
            level = math.nan if stop_factor is None else start.level(grace)
            watches = [DivergenceMonitor(level, grace, beta=beta, stop_factor=stop_factor) for _ in rates]
            board = RunLog(rates, num_steps, watches, on_step)
            if stacked:
                _side_by_side(start, board, read_at, readings)
            else:
                _one_after_another(start, board, schedule, read_at, readings, before_step)
        finally:
            start.restore()
    probes = board.probes(stacked=stacked, reason=reason)
    return Courses(
        read_at, readings.losses, readings.accuracies, probes.steps_taken, probes.diverged, stacked, reason
    )


def schedules(policies: Sequence[Callable[[int], float]], num_steps: int) -> NDArray[np.float64]:
    """The rates of several policies for `follow`, shape (policies, steps).

    Args:
        policies: Functions from a step, counted from 0, to its rate.
        num_steps: Steps of a training.
    """
    return np.array([[policy(step) for step in range(num_steps)] for policy in policies], dtype=np.float64)


def faster_form(task: Task, lrs: ArrayLike, *, num_steps: int, strategy: Strategy = Strategy.AUTO) -> Form:
    """Tries which way of running constant rates is faster, and how long a step of all of them takes.

    For a plan: what `follow` with `Strategy.AUTO` would find out, asked once for runs of the same make.
    Everything is put back. Arguments and errors are those of `follow`.
    """
    rates, _ = _checked(lrs, [num_steps])
    start = Start(_without_accuracy(task))
    with own_parameters(task.model):
        try:
            reason, stacked = chosen_form(start, rates, min(num_steps, 2), num_steps * len(rates), strategy)
            start.restart()
            seconds = _seconds_a_step(start, rates, stacked=stacked)
        finally:
            start.restore()
    return Form(stacked, reason, seconds)


class _Readings:
    """What was read so far."""

    def __init__(
        self,
        objective: Objective,
        held_out: Sequence[Any],
        shape: tuple[int, int],
        on_reading: OnReading | None,
    ) -> None:
        self.losses = np.full(shape, np.nan)
        self.accuracies = np.full(shape, np.nan)
        self._objective = objective
        self._held_out = held_out
        self._on_reading = on_reading

    def take(self, rate: int, reading: int) -> None:
        """Reads the model as it is."""
        loss, accuracy = judged(self._objective, self._held_out)
        self.losses[rate, reading] = float(loss)
        if accuracy is not None:
            self.accuracies[rate, reading] = float(accuracy)
        if self._on_reading is not None:
            self._on_reading(
                rate, reading, float(self.losses[rate, reading]), float(self.accuracies[rate, reading])
            )


def _without_accuracy(task: Task) -> Task:
    """The task for steps that have no use for the share of right answers."""
    return dataclasses.replace(task, objective=task.objective.loss_only())


def _side_by_side(start: Start, board: RunLog, read_at: Sequence[int], readings: _Readings) -> None:
    form = Stacked(start, board)
    for reading, (begin, end) in enumerate(zip([0, *read_at], read_at, strict=False)):
        form.advance(begin, end, last=end == read_at[-1])
        for rate in board.alive:
            form.put_into_model(rate)
            readings.take(rate, reading)


def _one_after_another(
    start: Start,
    board: RunLog,
    schedule: NDArray[np.float64] | None,
    read_at: Sequence[int],
    readings: _Readings,
    before_step: BeforeStep | None,
) -> None:
    start.restart()  # the shares of the groups are read off their own rates
    set_lr = LearningRate(start.task.optimizer)

    def prepare(rate: int, step: int) -> None:
        if schedule is not None:
            set_lr(float(schedule[rate, step]))
        if before_step is not None:
            before_step(rate, step)

    moves = schedule is not None or before_step is not None
    for rate in range(len(board.lrs)):
        start.restart()
        stream = start.stream()
        if schedule is None:
            set_lr(float(board.lrs[rate]))
        for reading, (begin, end) in enumerate(zip([0, *read_at], read_at, strict=False)):
            if _diverged(start.task, board, rate, stream, range(begin, end), prepare if moves else None):
                break
            readings.take(rate, reading)


def _diverged(
    task: Task,
    board: RunLog,
    rate: int,
    stream: Iterator[Any],
    steps: range,
    prepare: BeforeStep | None,
) -> bool:
    """Trains a rate for these steps; True where it diverged on the way."""
    readback = Readback(task.device, len(steps), 1)
    for step in steps:
        if prepare is not None:
            prepare(rate, step)
        loss, _ = train_step(task.objective, task.optimizer, stream, task.options)
        readback.push(loss)
        if any(board.take((rate,), values) for values in readback.ready()):
            return True
    return any(board.take((rate,), values) for values in readback.ready(all_of_them=True))


def _seconds_a_step(start: Start, lrs: NDArray[np.float64], *, stacked: bool) -> float:
    """The median of a few, after a first one that is not counted."""
    task, stream = start.task, start.stream()
    stack = Stack(task.objective, task.optimizer, lrs, options=task.options) if stacked else None
    if stack is None:
        LearningRate(task.optimizer)(float(lrs.min()))
    times = []
    for _ in range(6):
        began = time.perf_counter()
        if stack is not None:
            stack.step(stream).tolist()
        else:
            train_step(task.objective, task.optimizer, stream, task.options)[0].item()
        if task.device.type == "cuda":
            torch.cuda.synchronize(task.device)
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:]) * (1 if stacked else len(lrs))


def _checked(lrs: ArrayLike, read_at: Sequence[int]) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    rates = np.atleast_1d(np.asarray(lrs, dtype=np.float64))
    steps = tuple(int(step) for step in read_at)
    if not steps or any(a >= b for a, b in zip((0, *steps), steps, strict=False)):
        raise ConfigError(f"the steps after which to read must rise from 1 up, got {list(steps)}.")
    if rates.ndim not in (1, 2) or rates.size == 0 or not np.all(np.isfinite(rates)):
        raise ConfigError(f"the learning rates must be finite numbers, one a run or one a step, got {rates}.")
    if rates.ndim == 1 and not np.all(rates > 0):
        raise ConfigError(f"learning rates that are constant must be positive, got {rates}.")
    if rates.ndim == 2 and not (np.all(rates >= 0) and rates.shape[1] >= steps[-1]):
        raise ConfigError(
            f"a schedule must give a rate of at least 0 for each of the {steps[-1]} steps, got shape "
            f"{rates.shape} with a least rate of {rates.min():g}."
        )
    return rates, steps
