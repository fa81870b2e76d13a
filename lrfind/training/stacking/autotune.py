"""Which form of a probe to take: what can be stacked, and whether a trial says that it pays."""

from __future__ import annotations

import math
import time
import warnings
from enum import Enum
from functools import partial
from itertools import cycle, islice
from typing import TYPE_CHECKING

import numpy as np
import torch

from lrfind.errors import ConfigError, UserError
from lrfind.training.stacking.stack import Stack
from lrfind.training.stacking.support import why_not_stacked
from lrfind.training.step import LearningRate, train_step

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lrfind.training.probe_forms import Start

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


def chosen_form(
    start: Start, lrs: NDArray[np.float64], steps: int, work: int, strategy: Strategy
) -> tuple[str, bool]:
    """Why, and whether, to stack.

    Args:
        start: What is trained, and where all rates begin.
        lrs: The rates.
        steps: Steps to compare the losses on.
        work: Steps of all rates together.
        strategy: What was asked for.

    Raises:
        ConfigError: A stack was asked for and cannot be made.
    """
    if strategy is Strategy.SEQUENTIAL:
        return "one after another was asked for", False
    task, width = start.task, 0
    if strategy is Strategy.AUTO:
        width = int(min(len(lrs), max(2, _TRIAL * work)))
        # On a CPU a wide stack leaves the cache and may be slower than a narrow one, so it is tried whole.
        too_few = work < _TOO_FEW or (task.device.type == "cpu" and width < len(lrs))
        if len(lrs) == 1 or too_few:
            return "so few rates and steps are not worth a trial", False
    why_not = why_not_stacked(task.model, task.optimizer, task.objective, scaler=task.scaler)
    ratio = math.inf
    if why_not is None:
        why_not, ratio = _tried(start, lrs, steps, width)
    if strategy is Strategy.STACKED:
        if why_not is not None:
            raise ConfigError(f"the rates cannot be stacked: {why_not}. Run them one after another.")
        return "side by side was asked for", True
    if why_not is not None:
        return why_not, False
    said = f"a rate's step took {ratio:.2f} times as long stacked as alone, in a trial"
    return said, ratio < _MOST


def _tried(start: Start, lrs: NDArray[np.float64], steps: int, width: int) -> tuple[str | None, float]:
    """Takes a few steps in each form: why they cannot be stacked, and the time of a step stacked over alone.

    What is tried is thrown away, so it must be little: `steps` steps of two rates to see that the losses
    agree, then one or two of a stack of `width` rates; of none, nothing is timed.
    """
    objective, optimizer, options = start.task.objective, start.task.optimizer, start.task.options
    smallest = np.sort(lrs)
    start.restart()
    stream = start.stream()
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

    start.restart()
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
