"""A range test of a caller's own step: its sweep, and what it is warned of."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch

from lrfind.range_test.controlled_sweep import ControlledSweep, SetRate
from lrfind.training.optimizer import LearningRate

if TYPE_CHECKING:
    from torch import nn

    from lrfind.range_test.curve import Curve
    from lrfind.range_test.sweep import OnStep, SweepOptions
    from lrfind.training.task import Task


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
