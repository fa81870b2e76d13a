"""Whether several models are trained stacked: what can be, and whether it pays by a trial of a few steps."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lrfind.errors import ConfigError, UserError
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

    from numpy.typing import NDArray
    from torch import Tensor

    from lrfind.training.start import Start
    from lrfind.training.task import Task

    Trial = tuple[str | None, float]
    """Why a stack cannot be made, or None; and what its step costs."""

_MOST = 0.95
"""The time of a step of a model in the stack, over that of one alone, from which on stacking does not pay."""

_TRIAL = 0.01
"""Of rates: the share of the whole work that one step of a trial stack may be."""

_TOO_FEW = 1000
"""Steps of all rates together for which a trial, some fifteen steps at least, costs more than it may gain."""

_HOPELESS = 1.3
"""The ratio of `_MOST`, from which on no second step of a wide stack is timed; the first one is slow because
its memory is new."""

_HOPELESS_PAIR = 3.0
"""The same for two rates, from which on no wider stack is tried: the model's arithmetic itself suffers."""

_STEPS = 3
"""Of seeds: steps on which the losses are compared, and as many again that are timed."""

_TOO_SHORT = 1.0
"""Of seeds: seconds of the whole work one after another below which a trial is not worth it: recording a step
alone takes a tenth of that."""


@dataclass(frozen=True, slots=True)
class Form:
    """How several models are trained.

    Attributes:
        stacked: In one stacked model, or one after another.
        reason: Why, in words.
        record: Whether a step of the stack is recorded and played back; see `Stack`.
    """

    stacked: bool
    reason: str
    record: bool = False


def form_of_rates(
    start: Start, lrs: NDArray[np.float64], *, steps: int, work: int, strategy: Strategy
) -> Form:
    """Chooses how to train a model at several rates from one start, which is left to be put back.

    Args:
        start: Where all rates begin.
        lrs: The rates.
        steps: Steps to compare the losses on.
        work: Steps of all rates together.
        strategy: What is asked for.

    Raises:
        ConfigError: They are to be stacked and cannot be.
        UserError: Model, loss, optimizer or data cannot be used as given.
    """
    if strategy is Strategy.SEQUENTIAL:
        return Form(False, "one after another was asked for")
    width = 0
    if strategy is Strategy.AUTO:
        width = int(min(len(lrs), max(2, _TRIAL * work)))
        # On a CPU a wide stack leaves the cache and may be slower than a narrow one, so it is tried whole.
        too_few = work < _TOO_FEW or (start.task.device.type == "cpu" and width < len(lrs))
        if len(lrs) == 1 or too_few:
            return Form(False, "so few rates and steps are not worth a trial")
    ratio = math.inf
    why_not = _why_not(start.task)
    if why_not is None:
        why_not, ratio = _trial_of_rates(start, np.sort(lrs), steps, width)
    return _form(
        strategy,
        why_not,
        "the rates cannot be stacked: {}. Run them one after another.",
        pays=ratio < _MOST,
        measured=f"a rate's step took {ratio:.2f} times as long stacked as alone, in a trial",
    )


def form_of_seeds(tasks: Iterable[Task], lr: float, *, count: int, steps: int, strategy: Strategy) -> Form:
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
        return Form(False, "one after another was asked for")
    seeds: list[tuple[Task, list[Any]]] = []
    alone: list[list[float]] = []
    seconds = math.inf
    why_not = None
    for task in tasks:
        why_not = why_not if seeds else _why_not(task)
        if why_not is not None:
            break
        few = list(islice(task.batches, _STEPS * task.options.accumulation_steps))
        with preserved(task.model, task.optimizer):
            steps_alone = _StepsAlone(task, few, lr, _STEPS)
            if not seeds:
                seconds = steps_alone.fastest()
            why_not = steps_alone.why_not_stacked()
        seeds.append((task, few))
        alone.append(steps_alone.losses)
        if strategy is Strategy.AUTO and seconds * steps * count < _TOO_SHORT:
            return Form(False, "so few steps are not worth a trial")
    together, record = math.inf, False
    if why_not is None:
        record = recordable(seeds[0][0].objective)
        why_not, together = _trial_of_seeds(seeds, lr, alone, record=record)
    times = together / seconds
    return _form(
        strategy,
        why_not,
        "the seeds cannot be trained side by side: {}.",
        pays=times < _MOST * count,
        measured=f"a step of all took {times:.2f} times as long as one of a single seed, in a trial",
        record=record,
    )


def _why_not(task: Task) -> str | None:
    return why_not_stacked(task.model, task.optimizer, task.objective, scaler=task.scaler)


def _form(
    strategy: Strategy, why_not: str | None, refusal: str, *, pays: bool, measured: str, record: bool = False
) -> Form:
    """What is asked for and what a trial showed, as a decision."""
    if strategy is Strategy.STACKED:
        if why_not is not None:
            raise ConfigError(refusal.format(why_not))
        return Form(True, "side by side was asked for", record)
    return Form(False, why_not) if why_not is not None else Form(pays, measured, record)


class _StepsAlone:
    """A few steps of one model alone, on the same batches again and again, from where it is.

    Attributes:
        losses: Those of the first steps.
    """

    def __init__(self, task: Task, batches: Sequence[Any], lr: float, steps: int) -> None:
        self._task = task
        self._batches = cycle(batches)
        self._buffers = {name: buffer.clone() for name, buffer in task.model.named_buffers()}
        LearningRate(task.optimizer)(lr)
        self.losses = [self._step() for _ in range(steps)]

    def fastest(self) -> float:
        """Seconds of the fastest of three more steps."""
        return min(_seconds(self._step) for _ in range(3))

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


def _trial_of_rates(start: Start, lrs: NDArray[np.float64], steps: int, width: int) -> Trial:
    """Why the rates, rising, cannot be stacked, and the time of a step of one stacked over alone.

    What is tried is thrown away, so it must be little: `steps` steps of two rates to see that the losses
    agree, then one or two of a stack of `width` rates; of none, nothing is timed.
    """
    task = start.task
    start.restore()
    stream = start.batches()
    parts = task.options.accumulation_steps
    few = list(islice(stream, parts))
    began = time.perf_counter()
    few += islice(stream, (steps - 1) * parts)
    fetching = time.perf_counter() - began  # of the second, when whatever loads them is under way
    alone = _StepsAlone(task, few, float(lrs[0]), steps)
    time_alone = alone.fastest()
    why_not = alone.why_not_stacked()
    if why_not is not None:
        return why_not, math.inf
    start.restore()

    def trial() -> Trial:
        nonlocal time_alone
        batches = cycle(few)
        pair = Stack(task.objective, task.optimizer, lrs[:1].repeat(2), options=task.options)
        agree, time_pair = _compared(lambda: pair.step(batches), [[loss] * 2 for loss in alone.losses])
        if not agree:
            return "its losses come out differently when stacked", math.inf
        ratio = (time_pair / 2 + fetching / len(lrs)) / (time_alone + fetching)
        if width == 0 or ratio > _HOPELESS_PAIR:
            return None, ratio
        stack = Stack(task.objective, task.optimizer, lrs[:width], options=task.options)
        spent = _seconds(lambda: stack.step(batches).tolist())
        if spent / width <= _HOPELESS * time_alone:
            spent = min(spent, _seconds(lambda: stack.step(batches).tolist()))
            # A step alone is short enough to fall wholly into a moment in which the machine was busy.
            time_alone = min(time_alone, alone.fastest())
        return None, (spent / width + fetching / len(lrs)) / (time_alone + fetching)

    return _attempted(trial)


def _trial_of_seeds(
    seeds: Sequence[tuple[Task, list[Any]]], lr: float, alone: Sequence[Sequence[float]], *, record: bool
) -> Trial:
    """Why the seeds, each with a few batches, cannot be stacked, and the seconds of a step of all."""
    if not all(isinstance(batch, tuple) for _, few in seeds for batch in few):
        return "their batches are not tuples of tensors", math.inf

    def trial() -> Trial:
        copies = [replace(task, batches=cycle(few)) for task, few in seeds]
        stacked = StackedSeeds(copies, record=record)
        stacked.set_lr(lr)
        agree, _ = _compared(stacked.step, list(zip(*alone, strict=True)))
        if not agree:
            return "their losses come out differently when stacked", math.inf
        return None, min(_seconds(lambda: stacked.step().tolist()) for _ in range(_STEPS))

    return _attempted(trial)


def _compared(step: Callable[[], Tensor], alone: Sequence[Sequence[float]]) -> tuple[bool, float]:
    """Whether steps of a stack have the losses of those alone, shape (steps, copies); seconds of the last."""
    seconds = math.inf
    for expected in alone:
        began = time.perf_counter()
        found = step()
        losses = found.tolist()
        seconds = time.perf_counter() - began
        tolerance = 1e-8 if found.dtype == torch.float64 else 1e-3
        if not np.allclose(losses, expected, rtol=tolerance, atol=tolerance, equal_nan=True):
            return False, seconds
    return True, seconds


def _attempted(trial: Callable[[], Trial]) -> Trial:
    """What a trial came to, or why it failed: what vmap cannot do, it says in an exception."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # vmap's own, of operations that it does one by one: time tells
            return trial()
    except (UserError, RuntimeError, NotImplementedError, TypeError) as error:
        cause = error.__cause__ if isinstance(error, UserError) and error.__cause__ else error
        return (str(cause).strip() or repr(cause)).splitlines()[0].rstrip("."), math.inf


def _seconds(work: Callable[[], object]) -> float:
    """How long something takes that ends by reading a number, so that a GPU is waited for."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
