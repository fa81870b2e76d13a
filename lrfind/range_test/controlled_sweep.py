"""A sweep paired with a control of its own: the same start on the same batches at a rate of 0.

It takes the place of the model as it was at the start where that is not what the sweep is to be told from:
where something trains beside what is swept, and where a step is made by the caller, who alone knows how a
loss is computed.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from lrfind.range_test.ladder import ladder
from lrfind.range_test.sweep import sweep
from lrfind.range_test.sweeps import shown_later, sweep_options
from lrfind.suggestion import Status
from lrfind.training.optimizer import LearningRate
from lrfind.training.snapshot import Snapshot

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from lrfind.range_test.config import RangeSettings
    from lrfind.range_test.curve import Curve
    from lrfind.range_test.sweep import OnStep, SweepOptions
    from lrfind.statistics import Floats
    from lrfind.training.task import Task


SetRate = Callable[[float], None]


class ControlledSweep:
    """Makes the curve of a task whose batches can begin again (`Task.afresh`).

    Args:
        setter: Of an optimizer at its own rates, what sets the rate that is swept; 0 for the control.

    Attributes:
        control_steps: Training steps that the controls took so far.
    """

    def __init__(self, setter: Callable[[Optimizer], SetRate]) -> None:
        self.control_steps = 0
        self._setter = setter

    def __call__(self, task: Task, settings: RangeSettings, on_step: OnStep) -> Curve:
        """The curve of a task; the model is left as the sweep has trained it.

        Raises:
            UserError: Something cannot be used as given.
        """
        lrs = ladder(settings.spacing, settings.start_lr, settings.end_lr, settings.num_steps)
        start = Snapshot(task.model, task.optimizer, scaler=task.scaler)
        task = dataclasses.replace(task, validation=None)
        set_lr = self._setter(task.optimizer)
        options = dataclasses.replace(sweep_options(settings), paired=False)
        control = self.control(
            task, dataclasses.replace(options, stop_factor=None), len(lrs), set_lr, on_step
        )
        self.control_steps += len(control)
        start.restore()
        if control.status is Status.INTERRUPTED:
            return _cut(control, 0, lrs)
        curve = sweep(
            dataclasses.replace(task, batches=task.afresh()),
            lrs,
            options=options,
            on_step=partial(shown_later, on_step, len(lrs)),
            set_lr=set_lr,
        )
        steps = min(len(curve), len(control))
        if steps < len(curve):
            curve = _cut(dataclasses.replace(curve, status=control.status), steps, lrs)
        return dataclasses.replace(
            curve,
            start_losses=control.losses[:steps],
            start_accuracies=None if control.accuracies is None else control.accuracies[:steps],
        )

    def control(
        self, task: Task, options: SweepOptions, num_steps: int, set_lr: SetRate, on_step: OnStep
    ) -> Curve:
        """What is measured at a rate of 0."""
        task = dataclasses.replace(task, batches=task.afresh())
        return sweep(task, np.zeros(num_steps), options=options, on_step=on_step, set_lr=set_lr)


def _cut(curve: Curve, steps: int, lrs: Floats) -> Curve:
    """The first steps of a curve, along a ladder."""
    return dataclasses.replace(
        curve,
        lrs=lrs[:steps],
        losses=curve.losses[:steps],
        smoothed=curve.smoothed[:steps],
        accuracies=None if curve.accuracies is None else curve.accuracies[:steps],
    )


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
        if not self._warned and _differ(before, _sums(task.model), task.model):
            self._warned = True
            warnings.warn(
                "step changed parameters of the model though the rates of all optimizers given were 0: is an "
                "optimizer missing from the list, or does it write to weights itself? What that does is in "
                "the control as well, and so is no part of the curve.",
                stacklevel=2,
            )
        return curve


_ROUNDINGS = 1000
"""Last digits of a sum of squares that steps may change by rounding: SAM goes up and comes back at each."""


def _differ(before: Sequence[float], after: Sequence[float], model: nn.Module) -> bool:
    """Whether any parameter's sum changed by more than rounding does."""
    return any(
        abs(new - old) > _ROUNDINGS * torch.finfo(parameter.dtype).eps * max(old, new)
        for old, new, parameter in zip(before, after, model.parameters(), strict=True)
    )


def _sums(model: nn.Module) -> list[float]:
    """A number for every parameter that changes with it."""
    found = [parameter.detach().double().square().sum() for parameter in model.parameters()]
    return torch.stack(found).tolist() if found else []
