"""The sweep in which training goes on from rate to rate, as the chapter does it: the loop.

Source: ai-edu, chapter 12.3.2. What a rate shows depends on all the training before it; `restarted` takes
that away.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lrfind.core.curve import Status
from lrfind.core.readback import Readback
from lrfind.core.rounds import Track
from lrfind.core.training import LearningRate, StepOptions, evaluate, train_step

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from torch import Tensor
    from torch.optim import Optimizer

    from lrfind.core.objective import Objective


@dataclass(frozen=True, slots=True, eq=False)
class Trainee:
    """What a sweep trains, at its start.

    Attributes:
        objective: The loss on a batch; it holds the model.
        optimizer: Moves the parameters; several groups keep the ratio of their rates.
        batches: Endless; each batch on the device.
        device: Where the losses are computed.
        options: How a step is made.
    """

    objective: Objective
    optimizer: Optimizer
    batches: Iterator[Any]
    device: torch.device
    options: StepOptions = field(default_factory=StepOptions)


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


@dataclass(slots=True)
class Tape:
    """What a sweep has measured so far; a sweep that is given one goes on after it.

    Attributes:
        level: The loss before the first update; NaN until it is known.
        losses: For each rate reached, in order, the losses of its iterations.
    """

    level: float = math.nan
    losses: list[list[float]] = field(default_factory=list)

    @property
    def iterations(self) -> int:
        """Iterations measured."""
        return sum(map(len, self.losses))

    def track(self) -> Track:
        """A copy that no longer changes."""
        return Track(self.level, tuple(tuple(losses) for losses in self.losses if losses))


@dataclass(frozen=True, slots=True)
class Point:
    """One iteration, as `on_iteration` is told of it.

    Attributes:
        index: Counted from 0 over the round.
        rate: Which rate, counted from 0.
        lr: The rate.
        loss: The last loss that is known; on a GPU that of a few iterations before.
    """

    index: int
    rate: int
    lr: float
    loss: float


OnIteration = Callable[[Point, Callable[[], None]], None]
"""Called after each iteration with where it is and a function that brings the tape up to date."""


def continued(
    trainee: Trainee,
    rungs: Sequence[tuple[float, int]],
    *,
    reading: Reading,
    tape: Tape,
    on_iteration: OnIteration | None = None,
) -> Status:
    """Trains along the rates without a reset; what it measures is on the tape. The model is left as trained.

    Args:
        trainee: What is trained. Where the tape holds iterations, as it was after them.
        rungs: Rates, and for how many iterations each is held.
        reading: What an iteration is and on what its loss is read.
        tape: Takes the losses; a sweep goes on after what is on it.
        on_iteration: Told of every iteration.

    Returns:
        Why it ended. The first loss that is not finite ends it, and so does a KeyboardInterrupt, which is not
        raised again.

    Raises:
        UserError: Model, loss, optimizer or data cannot be used as given.
    """
    objective = trainee.objective
    set_lr = LearningRate(trainee.optimizer)
    done = tape.iterations
    lengths = [iterations for _, iterations in rungs]
    readback = Readback(trainee.device, sum(lengths) - done, 1)
    writer = _Writer(tape, lengths, readback)
    if not objective.model.training:
        objective.model.train()
    try:
        if done == 0 and reading.on is not None:
            tape.level = float(evaluate(objective, reading.on))
            if not math.isfinite(tape.level):
                return Status.NONFINITE
        before = 0
        for rate, (lr, iterations) in enumerate(rungs):
            first = max(done - before, 0)
            if first < iterations:
                set_lr(lr)
            for i in range(first, iterations):
                readback.push(_iteration(trainee, reading, tape if before + i == 0 else None))
                if writer.take():
                    return Status.NONFINITE
                if on_iteration is not None:
                    on_iteration(Point(before + i, rate, lr, writer.last), writer.catch_up)
            before += iterations
        writer.catch_up()
    except KeyboardInterrupt:
        writer.catch_up()
        return Status.INTERRUPTED
    return Status.NONFINITE if writer.ended else Status.COMPLETED


def _iteration(trainee: Trainee, reading: Reading, first: Tape | None) -> Tensor:
    """One iteration's training; returns its loss. The very first step's loss is the level of the tape."""
    objective, optimizer, batches = trainee.objective, trainee.optimizer, trainee.batches
    options = trainee.options
    if reading.on is not None:
        for _ in range(reading.steps):
            train_step(objective, optimizer, batches, options)
        return evaluate(objective, reading.on)
    total, _ = train_step(objective, optimizer, batches, options)
    if first is not None:
        first.level = float(total)
    if reading.steps == 1:
        return total
    for _ in range(reading.steps - 1):
        total = total + train_step(objective, optimizer, batches, options)[0]
    return total / reading.steps


class _Writer:
    """Puts losses on the tape in the order of the iterations, once they have arrived from the device."""

    def __init__(self, tape: Tape, lengths: Sequence[int], readback: Readback) -> None:
        self.ended = False
        self.last = tape.losses[-1][-1] if tape.iterations else tape.level
        self._tape = tape
        self._lengths = lengths
        self._readback = readback

    def take(self, *, all_of_them: bool = False) -> bool:
        """Writes what has arrived; True where a loss that is not finite ends the sweep."""
        losses = self._tape.losses
        for (loss,) in self._readback.ready(all_of_them=all_of_them):
            if self.ended:
                break
            if not losses or len(losses[-1]) == self._lengths[len(losses) - 1]:
                losses.append([])
            losses[-1].append(loss)
            self.last = loss
            self.ended = not math.isfinite(loss)
        return self.ended

    def catch_up(self) -> None:
        """Waits for all that is under way and writes it."""
        self.take(all_of_them=True)
