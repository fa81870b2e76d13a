"""The sweep in which training goes on from rate to rate, as the chapter does it: the loop.

What it drives is one model, or several side by side (`lrfind.training.stacking.seeds`).

Source: ai-edu, chapter 12.3.2. What a rate shows depends on all the training before it; `restarted` takes
that away.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lrfind.refine.loss_log import LossLog, LossRecorder
from lrfind.suggestion import Status
from lrfind.training.optimizer import LearningRate
from lrfind.training.peers import mean_of
from lrfind.training.step import evaluate, train_step

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from lrfind.training.peers import Peers
    from lrfind.training.task import Task


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What one iteration is, and on what its loss is read.

    Attributes:
        steps: Training steps an iteration.
        on: Fixed batches on which the loss is read after each iteration, in eval mode; None: the loss of an
            iteration is the mean training loss of its steps, each before its update.
    """

    steps: int = 1
    on: Iterable[Any] | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """One iteration, as `on_iteration` is told of it.

    Attributes:
        index: Counted from 0 over the round.
        rate: Which rate, counted from 0.
        loss: The last loss that is known; on a GPU that of a few iterations before.
    """

    index: int
    rate: int
    lr: float
    loss: float


OnIteration = Callable[[Point, Callable[[], None]], None]
"""Called after each iteration with where it is and a function that brings the tape up to date."""


class Runner(Protocol):
    """What is trained along the rates: one seed, or several."""

    inside: list[int]
    """The seeds that still train, counted from 0."""
    device: torch.device
    """Where the losses are computed."""

    def set_lr(self, lr: float) -> None:
        """Goes on at this rate."""

    def step(self) -> Tensor:
        """One update; returns the losses before it, shape (seeds inside,), or () of one seed alone."""

    def read(self, batches: Iterable[Any]) -> Tensor:
        """The losses on fixed batches in eval mode, of the same shape."""

    def keep(self, seeds: Sequence[int]) -> None:
        """Goes on with these seeds of those inside."""


def continued(
    task: Task,
    rungs: Sequence[tuple[float, int]],
    *,
    reading: Reading,
    tape: LossLog,
    on_iteration: OnIteration | None = None,
) -> Status:
    """Trains along the rates without a reset; what it measures is on the tape. The model is left as trained.

    A sweep goes on after what is on the tape, with the task as it was then. `rungs` are rates, and for how
    many iterations each is held.

    Returns:
        Why it ended. The first loss that is not finite ends it, and so does a KeyboardInterrupt, which is not
        raised again.
    """
    return along(
        _Alone(task), rungs, reading=reading, tapes=[tape], on_iteration=on_iteration, peers=task.peers
    )[0]


def along(
    runner: Runner,
    rungs: Sequence[tuple[float, int]],
    *,
    reading: Reading,
    tapes: Sequence[LossLog],
    on_iteration: OnIteration | None = None,
    peers: Peers | None = None,
) -> list[Status]:
    """Trains every seed along the rates without a reset.

    Where the tapes hold iterations, the runner is as it was after them. There is a tape for each seed, also
    for those that are not inside any more. `on_iteration` is told of every iteration of all seeds; its loss
    is that of the first one inside.

    Returns:
        Why each seed ended. The first loss that is not finite ends its seed, and the others go on; a
        KeyboardInterrupt ends those that are inside, and is not raised again.
    """
    statuses = [Status.NONFINITE] * len(tapes)
    if not runner.inside:
        return statuses
    lengths = [iterations for _, iterations in rungs]
    done = tapes[runner.inside[0]].iterations
    writer = LossRecorder(runner, tapes, lengths, peers)
    ended = Status.COMPLETED
    try:
        if not writer.take():
            return statuses
        if done == 0 and reading.on is not None:
            _level(runner.read(reading.on), runner, tapes, peers)
            if not writer.goes_on_with([s for s in runner.inside if math.isfinite(tapes[s].level)]):
                return statuses
        before = 0
        for rate, (lr, iterations) in enumerate(rungs):
            first = max(done - before, 0)
            if first < iterations:
                runner.set_lr(lr)
            for i in range(first, iterations):
                writer.push(_iteration(runner, reading, tapes if before + i == 0 else None, peers))
                if not writer.take():
                    return statuses
                if on_iteration is not None:
                    on_iteration(Point(before + i, rate, lr, writer.last), writer.catch_up)
            before += iterations
        writer.catch_up()
    except KeyboardInterrupt:
        if peers is None:  # what is under way is measured by all or by none
            writer.catch_up()
        ended = Status.INTERRUPTED
    for seed in runner.inside:
        if ended is Status.INTERRUPTED or seed not in writer.ended:
            statuses[seed] = ended
    return statuses


class _Alone:
    """A single model."""

    def __init__(self, task: Task) -> None:
        self.inside = [0]
        self.device = task.device
        self.set_lr = LearningRate(task.optimizer)
        self._task = task
        if not task.objective.model.training:
            task.objective.model.train()

    def step(self) -> Tensor:
        task = self._task
        return train_step(task.objective, task.optimizer, task.batches, task.options)[0]

    def read(self, batches: Iterable[Any]) -> Tensor:
        return evaluate(self._task.objective, batches)[0]

    def keep(self, seeds: Sequence[int]) -> None:
        self.inside = [seed for seed in self.inside if seed in seeds]


def _iteration(
    runner: Runner, reading: Reading, first: Sequence[LossLog] | None, peers: Peers | None
) -> Tensor:
    """One iteration's training; returns its losses. Those of the very first step are the tapes' level."""
    if reading.on is not None:
        for _ in range(reading.steps):
            runner.step()
        return runner.read(reading.on)
    total = runner.step()
    if first is not None:
        _level(total, runner, first, peers)
    if reading.steps == 1:
        return total
    for _ in range(reading.steps - 1):
        total = total + runner.step()
    return total / reading.steps


def _level(losses: Tensor, runner: Runner, tapes: Sequence[LossLog], peers: Peers | None) -> None:
    for seed, loss in zip(runner.inside, mean_of(peers, losses.reshape(-1).tolist()), strict=True):
        tapes[seed].level = loss
