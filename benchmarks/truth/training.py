"""One training run of a task at a rate: a plain loop, and the held-out loss before and after it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.truth.tasks import TASKS, config_of, with_seed
from lrfind.tasks.build import build, data_of
from lrfind.training.optimizer import LearningRate
from lrfind.training.step import evaluate

if TYPE_CHECKING:
    from lrfind.range_test.config import RangeConfig
    from lrfind.tasks.data.dataset import Data
    from lrfind.training.task import Task as Built

CHECK_EVERY = 20
"""Steps from one look at the loss to the next; a run whose loss is not finite ends there."""


@dataclass(frozen=True, slots=True)
class Trained:
    """How a run ended.

    Attributes:
        initial: Held-out loss before the first step.
        final: Held-out loss after the last step; NaN or infinite where it diverged.
        status: `completed`, or `nonfinite` where the training loss or the final loss is not finite.
        seconds: Of the training alone.
    """

    initial: float
    final: float
    status: str
    seconds: float


class Trainer:
    """Trains a task again and again; its config and its data are read once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.config: RangeConfig = config_of(name)
        self.data: Data = data_of(self.config)

    def built(self, seed: int, *, validation_samples: int = 0) -> Built:
        """The task with that seed, as the command would build it."""
        return build(with_seed(self.config, seed), data=self.data, validation_samples=validation_samples)

    def train(self, lr: float, seed: int, *, budget: int, one_cycle: bool = False) -> Trained:
        """Trains at a constant rate, or along one cycle with that peak."""
        task = self.built(seed, validation_samples=TASKS[self.name].held_out)
        try:
            held_out = joined(task.validation or [])
            initial = evaluate(task.objective, held_out)[0].item()
            started = time.perf_counter()
            finite = _loop(task, lr, budget, one_cycle=one_cycle)
            seconds = time.perf_counter() - started
            final = evaluate(task.objective, held_out)[0].item() if finite else float("nan")
        finally:
            task.close()
        ended = "completed" if finite and abs(final) < float("inf") else "nonfinite"
        return Trained(initial, final, ended, seconds)


def _loop(task: Built, lr: float, budget: int, *, one_cycle: bool) -> bool:
    """The training loop; False where the loss was not finite at one of the looks at it."""
    objective, optimizer, batches = task.objective, task.optimizer, task.batches
    LearningRate(optimizer)(lr)
    schedule = one_cycle_of(optimizer, lr, budget) if one_cycle else None
    for step in range(1, budget + 1):
        optimizer.zero_grad()
        loss, _ = objective(next(batches))
        loss.backward()
        optimizer.step()
        if schedule is not None and step < budget:
            schedule.step()
        if (step % CHECK_EVERY == 0 or step == budget) and not torch.isfinite(loss):
            return False
    return True


def one_cycle_of(
    optimizer: torch.optim.Optimizer, peak: float, budget: int
) -> torch.optim.lr_scheduler.OneCycleLR:
    """The one-cycle schedule of torch with its own defaults; a momentum is cycled where there is one.

    Source: Smith and Topin, arXiv 1708.07120; the default of torch starts at a 25th of the peak, reaches it
    after 30% of the steps and anneals by a cosine.
    """
    about = optimizer.param_groups[0]
    cycled = bool(about.get("momentum")) or "betas" in about
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=budget, cycle_momentum=cycled)


def joined(batches: list[Any]) -> list[Any]:
    """The batches as one, where they are tuples of tensors: evaluating it is faster and means the same."""
    if batches and all(isinstance(batch, (tuple, list)) for batch in batches):
        return [tuple(torch.cat(list(parts)) for parts in zip(*batches, strict=True))]
    return batches
