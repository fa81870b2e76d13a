"""One training run of a task at a rate: a plain loop, and the held-out loss on the way."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.truth.tasks import config_of, task_named, with_seed
from lrfind.schedules.rising import Cosine
from lrfind.tasks.build import build, data_of
from lrfind.training.optimizer import LearningRate
from lrfind.training.step import evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        status: `completed`, or `nonfinite` where the training loss or the final loss is not finite, or
            `hopeless` where the run was ended before.
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

    def train(self, lr: float, seed: int, *, budget: int, kind: str = "constant") -> Trained:
        """Trains at a constant rate, or along `one_cycle` or a `cosine` with that peak."""
        return self.track(lr, seed, checkpoints=[budget], kind=kind)[-1]

    def track(
        self, lr: float, seed: int, *, checkpoints: Sequence[int], kind: str = "constant", hopeless: float = 1
    ) -> list[Trained]:
        """The same, with the held-out loss after each of so many steps; the last is the budget.

        Args:
            lr: The rate, or the peak of the schedule.
            seed: Of weights, order, dropout, and of what is held out.
            checkpoints: Steps after which the held-out loss is read, rising.
            kind: `constant`, `one_cycle` or `cosine`.
            hopeless: Share of the budget from which on a run ends at a checkpoint where its held-out loss is
                above that before training; 1: none does.

        Returns:
            How the run stood at each of the checkpoints; those after its early end are not finite.
        """
        task = self.built(seed, validation_samples=task_named(self.name).held_out)
        budget = checkpoints[-1]
        try:
            held_out = joined(task.validation or [])
            initial = evaluate(task.objective, held_out)[0].item()
            trained: list[Trained] = []
            seconds, done, status = 0.0, 0, "completed"
            rate = _schedule(task, lr, budget, kind)
            for checkpoint in checkpoints:
                final = float("nan")
                if status == "completed":
                    started = time.perf_counter()
                    finite = _loop(task, rate, done, checkpoint)
                    seconds, done = seconds + time.perf_counter() - started, checkpoint
                    final = evaluate(task.objective, held_out)[0].item() if finite else final
                    status = "completed" if math.isfinite(final) else "nonfinite"
                trained.append(Trained(initial, final, status, seconds))
                if status == "completed" and hopeless * budget <= checkpoint < budget and final > initial:
                    status = "hopeless"
        finally:
            task.close()
        return trained


def _schedule(task: Built, lr: float, budget: int, kind: str) -> Callable[[int], None]:
    """What sets the rate before the update of a step, counted from 0."""
    rates = LearningRate(task.optimizer)
    if kind == "constant":
        rates(lr)
        return lambda step: None
    if kind == "cosine":
        cosine = Cosine(lr=lr, num_steps=budget, **Cosine.defaults(lr, budget, {}))
        return lambda step: rates(cosine.rate(step))
    assert kind == "one_cycle", kind
    rates(lr)
    cycle = one_cycle_of(task.optimizer, lr, budget)
    return lambda step: cycle.step() if step else None


def _loop(task: Built, rate: Callable[[int], None], start: int, end: int) -> bool:
    """The updates from one to another; False where the loss was not finite at one of the looks at it."""
    objective, optimizer, batches = task.objective, task.optimizer, task.batches
    for step in range(start, end):
        rate(step)
        optimizer.zero_grad()
        loss, _ = objective(next(batches))
        loss.backward()
        optimizer.step()
        if ((step + 1) % CHECK_EVERY == 0 or step + 1 == end) and not torch.isfinite(loss):
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
