"""Whether several seeds are trained side by side: what can be, and whether a trial says that it pays."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lrfind.errors import ConfigError, UserError
from lrfind.training.snapshot import Snapshot
from lrfind.training.stacking.autotune import Strategy
from lrfind.training.stacking.seeds import Team
from lrfind.training.stacking.support import why_not_stacked
from lrfind.training.stacking.tracing import recordable
from lrfind.training.step import LearningRate, train_step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lrfind.training.task import Task

_MOST = 0.95
"""The time of a step of all seeds side by side, over that of all one after another, from which on it does not
pay."""

_STEPS = 3
"""Steps on which the losses are compared, and as many again that are timed."""

_TOO_SHORT = 1.0
"""Seconds of the whole work one after another below which a trial is not worth it: recording a step alone
takes a tenth of that."""


@dataclass(frozen=True, slots=True)
class Form:
    """How several seeds are trained.

    Attributes:
        side_by_side: In one stack, or one after another.
        record: Whether a step of the stack is recorded and played back; see `Stack`.
        reason: Why, in words.
    """

    side_by_side: bool
    record: bool
    reason: str


def chosen_form(tasks: Iterable[Task], lr: float, *, count: int, steps: int, strategy: Strategy) -> Form:
    """Chooses how to train several seeds. Their batches are used up; the models are left as they were.

    Args:
        tasks: One a seed, at its start, with batches of its own, each a tuple of tensors. Where the first
            shows that there is nothing to choose, no other one is asked for.
        lr: A rate to try, at which nothing diverges in a few steps.
        count: How many seeds there are.
        steps: Steps a seed that are planned.
        strategy: What is asked for.

    Raises:
        ConfigError: They are to be stacked and cannot be.
        UserError: Model, loss, optimizer or data cannot be used as given.
    """
    if strategy is Strategy.SEQUENTIAL:
        return Form(False, False, "one after another was asked for")
    team: list[Task] = []
    few: list[list[Any]] = []
    alone = _Alone()
    why_not = None
    for each in tasks:
        if not team:
            why_not = why_not_stacked(each.model, each.optimizer, each.objective, scaler=each.options.scaler)
        if why_not is not None:
            break
        team.append(each)
        few.append(list(islice(each.batches, _STEPS * each.options.accumulation_steps)))
        why_not = alone.try_(each, few[-1], lr)
        if strategy is Strategy.AUTO and alone.seconds * steps * count < _TOO_SHORT:
            return Form(False, False, "so few steps are not worth a trial")
    side, record = 0.0, False
    if why_not is None:
        record = recordable(team[0].objective)
        why_not, side = _side_by_side(team, few, lr, alone.losses, record=record)
    if strategy is Strategy.STACKED:
        if why_not is not None:
            raise ConfigError(f"the seeds cannot be trained side by side: {why_not}.")
        return Form(True, record, "side by side was asked for")
    if why_not is not None:
        return Form(False, False, why_not)
    times = side / alone.seconds
    said = f"a step of all took {times:.2f} times as long as one of a single seed, in a trial"
    return Form(times < _MOST * count, record, said)


class _Alone:
    """Takes a few steps of each seed alone: the losses, shape (seeds, steps), and the seconds of a step."""

    def __init__(self) -> None:
        self.losses: list[list[float]] = []
        self.seconds = float("inf")

    def try_(self, task: Task, few: Sequence[Any], lr: float) -> str | None:
        """Why the seeds cannot be stacked, as far as this one shows."""
        model, batches = task.model, cycle(few)
        snapshot = Snapshot(model, task.optimizer)
        before = {name: buffer.clone() for name, buffer in model.named_buffers()}

        def step() -> float:
            return train_step(task.objective, task.optimizer, batches, task.options)[0].item()

        try:
            LearningRate(task.optimizer)(lr)
            self.losses.append([step() for _ in range(_STEPS)])
            if not self.losses[1:]:
                self.seconds = min(_seconds(step) for _ in range(_STEPS))
            after = dict(model.named_buffers())
            if before.keys() != after.keys() or any(
                value.shape != after[name].shape or not torch.equal(value, after[name])
                for name, value in before.items()
            ):
                return "the model has buffers that change in training"
        finally:
            snapshot.restore_to_the_end()
        return None


def _side_by_side(
    tasks: Sequence[Task],
    few: Sequence[Sequence[Any]],
    lr: float,
    alone: Sequence[Sequence[float]],
    *,
    record: bool,
) -> tuple[str | None, float]:
    """The same steps in a stack: why they cannot be taken, and the seconds of one."""
    if not all(isinstance(batch, tuple) for batches in few for batch in batches):
        return "their batches are not tuples of tensors", 0.0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # vmap's own, of operations that it does one by one: time tells
            copies = [replace(task, batches=cycle(batches)) for task, batches in zip(tasks, few, strict=True)]
            team = Team(copies, record=record)
            team.set_lr(lr)
            seen = [team.step().tolist() for _ in range(_STEPS)]
            tolerance = 1e-8 if next(tasks[0].model.parameters()).dtype == torch.float64 else 1e-3
            if not np.allclose(np.transpose(seen), alone, rtol=tolerance, atol=tolerance, equal_nan=True):
                return "their losses come out differently when stacked", 0.0
            return None, min(_seconds(lambda: team.step().tolist()) for _ in range(_STEPS))
    except (UserError, RuntimeError, NotImplementedError, TypeError) as error:
        cause = error.__cause__ if isinstance(error, UserError) and error.__cause__ else error
        return (str(cause).strip() or repr(cause)).splitlines()[0].rstrip("."), 0.0


def _seconds(work: Callable[[], object]) -> float:
    """How long something takes that ends by reading a number, so that a GPU is waited for."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
