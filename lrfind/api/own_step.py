"""A range test of a caller's own step: what it may not be asked together with, and what it is warned of."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from lrfind.errors import UserError
from lrfind.execution.distributed import num_ranks
from lrfind.range_test.config import Groups, Metric
from lrfind.range_test.controlled_sweep import ControlledSweep, SetRate
from lrfind.training.optimizer import LearningRate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import nn

    from lrfind.range_test.config import RangeSettings
    from lrfind.range_test.curve import Curve
    from lrfind.range_test.sweep import OnStep, SweepOptions
    from lrfind.training.task import Task

_OTHERS = {
    "criterion": None,
    "forward": None,
    "accumulation_steps": 1,
    "clip_grad_norm": None,
    "precision": "fp32",
    "validation": None,
}
"""Arguments that say how a step is made, and what they are where they say nothing."""


def check_beside_step(given: Mapping[str, Any], settings: RangeSettings, loader: Iterable[Any]) -> None:
    """Refuses what does not go with a step of the caller's.

    Args:
        given: The arguments of `range_test`.
        settings: What they were made into.
        loader: Where batches come from.

    Raises:
        UserError: Something does not.
    """
    problems = [
        f"{name} does not go with step, which makes the whole step itself: leave it out."
        for name, nothing in _OTHERS.items()
        if given[name] != nothing
    ]
    if settings.metric is Metric.ACCURACY:
        problems.append("metric='accuracy' does not go with step, which returns a loss alone.")
    if settings.groups is Groups.EACH:
        problems.append("groups='each' does not go with step.")
    if settings.paired and settings.single_batch:
        problems.append("single_batch=True goes with step only where paired=False.")
    if settings.paired and isinstance(loader, Iterator):
        problems.append(
            "the loader is an iterator, which cannot begin again, and the control of a paired test meets the "
            "same batches before the sweep does: give what makes iterators, or paired=False."
        )
    if num_ranks() > 1:
        problems.append("step works in one process only so far.")
    if problems:
        raise UserError(*problems)


class StepSweep(ControlledSweep):
    """Sweeps all groups of all optimizers, against a control at a rate of 0.

    Warns:
        UserWarning: The control, at a rate of 0, changed parameters all the same.
    """

    def __init__(self) -> None:
        super().__init__(LearningRate)
        self._warned = False

    def control(
        self, task: Task, options: SweepOptions, num_steps: int, set_lr: SetRate, on_step: OnStep
    ) -> Curve:
        """What is measured at a rate of 0."""
        before = _sums(task.model)
        curve = super().control(task, options, num_steps, set_lr, on_step)
        if not self._warned and _sums(task.model) != before:
            self._warned = True
            warnings.warn(
                "step changed parameters of the model though the rates of all optimizers given were 0: is an "
                "optimizer missing from the list, or does it write to weights itself? What that does is in "
                "the control as well, and so is no part of the curve.",
                stacklevel=2,
            )
        return curve


def _sums(model: nn.Module) -> list[float]:
    """A number for every parameter that changes with it."""
    found = [parameter.detach().double().square().sum() for parameter in model.parameters()]
    return torch.stack(found).tolist() if found else []
