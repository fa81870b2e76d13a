"""Whether several models are trained stacked: what can be, and whether it pays by a rule on sizes.

The two ways round differently, and long training amplifies that, so the choice must not hang on how busy the
machine is: no clock is read. `scripts/bench_stacking.py` measures what the rule is made of. On a CPU, a stack
spends its time on calling operations as long as the work of a step is small, and three copies cost as much as
the overhead that they save; from eight on, they take 0.3 to 0.9 of the time up to five million operations a
forward pass, and twice the time at a hundred. Seeds whose steps are recorded save even that overhead, and pay
from two on. On a GPU, starting an operation is the larger part of a step for much longer.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lrfind.errors import ConfigError, UserError
from lrfind.own_code import first_line
from lrfind.training.optimizer import LearningRate
from lrfind.training.snapshot import preserved
from lrfind.training.stacking.seeds import StackedSeeds
from lrfind.training.stacking.stack import Stack
from lrfind.training.stacking.strategy import Strategy
from lrfind.training.stacking.support import why_not_stacked
from lrfind.training.stacking.tracing import recordable
from lrfind.training.step import train_step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import Tensor

    from lrfind.statistics import Floats
    from lrfind.training.start import Start
    from lrfind.training.task import Task
_FEWEST = 8
"""Copies from which on a stack pays whose steps are computed."""

_MOST_WORK = {"cpu": 5e6}
"""Operations of a forward pass up to which stacking pays, by the type of the device."""

_MOST_WORK_ELSEWHERE = 1e9
"""The same on an accelerator, where it was not measured: what it computes in a fraction of the time that it
takes to start the operations of a step."""

_TOO_FEW = 1000
"""Steps of all models together below which those that show whether a stack comes out the same, and the tenth
of a second of a recording, cost more than they may gain."""

_STEPS = 3
"""Of seeds: steps on which the losses are compared."""


@dataclass(frozen=True, slots=True)
class Form:
    """How several models are trained.

    Attributes:
        stacked: In one stacked model, or one after another.
        record: Whether a step of the stack is recorded and played back; see `Stack`.
    """

    stacked: bool
    reason: str
    record: bool = False


def form_of_rates(start: Start, lrs: Floats, *, steps: int, work: int, strategy: Strategy) -> Form:
    """Chooses how to train a model at several rates from one start, which is left to be put back.

    On `steps` steps the losses are compared; `work` is what all rates take together.
    """
    if strategy is Strategy.SEQUENTIAL:
        return Form(False, "one after another was asked for")
    asked = strategy is Strategy.STACKED
    if not asked and (len(lrs) < _FEWEST or work < _TOO_FEW):
        return Form(False, "so few rates and steps are not worth stacking")
    why_not = _why_not(start.task)
    if why_not is None:
        why_not = _trial_of_rates(start, float(lrs.min()), steps, sized=not asked)
    return _form(strategy, why_not, "the rates cannot be stacked: {}. Run them one after another.")


def form_of_seeds(tasks: Iterable[Task], lr: float, *, count: int, steps: int, strategy: Strategy) -> Form:
    """Chooses how to train several seeds. Their batches are used up; the models are left as they were.

    Each task is at its start, with batches of its own, tuples of tensors; where the first shows that there is
    nothing to choose, no other one is asked for. At `lr` nothing diverges in a few steps; `steps` are those
    planned a seed.

    Raises:
        ConfigError: They are to be stacked and cannot be.
        UserError: Model, loss, optimizer or data cannot be used as given.
    """
    if strategy is Strategy.SEQUENTIAL:
        return Form(False, "one after another was asked for")
    asked = strategy is Strategy.STACKED
    if not asked and steps * count < _TOO_FEW:
        return Form(False, "so few steps are not worth stacking")
    seeds: list[tuple[Task, list[Any]]] = []
    alone: list[list[float]] = []
    why_not = None
    record = False
    for task in tasks:
        if not seeds:
            why_not = _why_not(task)
            record = why_not is None and recordable(task.objective)
        if why_not is not None:
            break
        few = list(islice(task.batches, _STEPS * task.options.accumulation_steps))
        with preserved(task.model, task.optimizer):
            steps_alone = _StepsAlone(task, few, lr, _STEPS)
            why_not = steps_alone.why_not_stacked()
            alone.append(steps_alone.losses)
            if why_not is None and not asked and not seeds:
                enough = record or count >= _FEWEST
                why_not = _too_large(task, few[0]) if enough else "so few seeds are not worth stacking"
        seeds.append((task, few))
    if why_not is None:
        why_not = _trial_of_seeds(seeds, lr, alone, record=record)
    return _form(strategy, why_not, "the seeds cannot be trained side by side: {}.", record=record)


def _why_not(task: Task) -> str | None:
    return why_not_stacked(task.model, task.optimizer, task.objective, scaler=task.scaler)


def _too_large(task: Task, batch: Any) -> str | None:
    """Why the work of a step is too much for a stack to pay, in words; None where it is not.

    That of the forward pass alone is counted, in multiplications and additions of matrices; the backward pass
    of every model is about twice as much.
    """
    from torch.utils.flop_counter import FlopCounterMode

    most = _MOST_WORK.get(task.device.type, _MOST_WORK_ELSEWHERE)
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            task.objective(batch)
    except (RuntimeError, NotImplementedError, TypeError) as error:
        return f"its operations cannot be counted ({type(error).__name__})"
    work = counter.get_total_flops()
    if work <= most:
        return None
    return f"a forward pass of {work / 1e6:.3g} million operations gains nothing from stacking"


def _form(strategy: Strategy, why_not: str | None, refusal: str, *, record: bool = False) -> Form:
    """What is asked for and what can be, as a decision."""
    if strategy is Strategy.STACKED:
        if why_not is not None:
            raise ConfigError(refusal.format(why_not))
        return Form(True, "side by side was asked for", record)
    if why_not is not None:
        return Form(False, why_not)
    return Form(True, "their steps are small enough for that to be faster", record)


class _StepsAlone:
    """A few steps of one model alone, on the same batches again and again, from where it is."""

    def __init__(self, task: Task, batches: Sequence[Any], lr: float, steps: int) -> None:
        self._task = task
        self._batches = cycle(batches)
        self._buffers = {name: buffer.clone() for name, buffer in task.model.named_buffers()}
        LearningRate(task.optimizer)(lr)
        self.losses = [self._step() for _ in range(steps)]

    def why_not_stacked(self) -> str | None:
        """What these steps say against a stack, in words; None where nothing does."""
        after = dict(self._task.model.named_buffers())
        if self._buffers.keys() == after.keys() and all(
            value.shape == after[name].shape and torch.equal(value, after[name])
            for name, value in self._buffers.items()
        ):
            return None
        return "the model has buffers that change in training"

    def _step(self) -> float:
        task = self._task
        return train_step(task.objective, task.optimizer, self._batches, task.options)[0].item()


def _trial_of_rates(start: Start, lr: float, steps: int, *, sized: bool) -> str | None:
    """Why the rates cannot be stacked; None where `steps` steps of two copies come out as those of one.

    What is tried is thrown away, so `steps` must be few. `sized`: they have to be small enough, too.
    """
    task = start.task
    start.restore()
    few = list(islice(start.batches(), steps * task.options.accumulation_steps))
    alone = _StepsAlone(task, few, lr, steps)
    why_not = alone.why_not_stacked()
    # Looked at in any case: a forward pass more, and a state outside the model that alternates shows itself.
    too_large = _too_large(task, few[0])
    if sized:
        why_not = why_not or too_large
    if why_not is not None:
        return why_not
    start.restore()

    def trial() -> str | None:
        batches = cycle(few)
        pair = Stack(task.objective, task.optimizer, np.full(2, lr), options=task.options)
        return _differing(lambda: pair.step(batches), [[loss] * 2 for loss in alone.losses])

    return _attempted(trial)


def _trial_of_seeds(
    seeds: Sequence[tuple[Task, list[Any]]], lr: float, alone: Sequence[Sequence[float]], *, record: bool
) -> str | None:
    """Why the seeds, each with a few batches, cannot be stacked; None where they come out as each alone."""
    if not all(isinstance(batch, tuple) for _, few in seeds for batch in few):
        return "their batches are not tuples of tensors"

    def trial() -> str | None:
        copies = [replace(task, batches=cycle(few)) for task, few in seeds]
        stacked = StackedSeeds(copies, record=record)
        stacked.set_lr(lr)
        return _differing(stacked.step, list(zip(*alone, strict=True)))

    return _attempted(trial)


def _differing(step: Callable[[], Tensor], alone: Sequence[Sequence[float]]) -> str | None:
    """Whether steps of a stack have other losses than those alone, shape (steps, copies), in words."""
    for expected in alone:
        found = step()
        tolerance = 1e-8 if found.dtype == torch.float64 else 1e-3
        if not np.allclose(found.tolist(), expected, rtol=tolerance, atol=tolerance, equal_nan=True):
            return "the losses come out differently when stacked"
    return None


def _attempted(trial: Callable[[], str | None]) -> str | None:
    """What a trial came to, or why it failed: what vmap cannot do, it says in an exception."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # vmap's own, of operations that it does one by one
            return trial()
    except (UserError, RuntimeError, NotImplementedError, TypeError) as error:
        cause = error.__cause__ if isinstance(error, UserError) and error.__cause__ else error
        return first_line(cause)
