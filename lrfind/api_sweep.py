"""The rounds of a coarse-to-fine sweep on a caller's own objects."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lrfind.refine.continued import Reading, continued
from lrfind.refine.loss_log import LossLog
from lrfind.refine.restarted import planned_steps, restarted
from lrfind.refine.results import RoundPlan, RoundResult
from lrfind.refine.segments import rungs
from lrfind.suggestion import Status
from lrfind.training.snapshot import Snapshot, generators_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import nn

    from lrfind.refine.continued import Point
    from lrfind.refine.results import SeedResult
    from lrfind.training.task import Task


@dataclass(frozen=True, slots=True)
class RefineStep:
    """How far a sweep is, as `on_step` is told.

    Attributes:
        round: Counted from 1.
        seed: Counted from 0.
        done: Iterations of the round that are done, all seeds together; with `restart`, training steps.
        planned: How many there are at most.
        lr: The rate; None with `restart`, where several may be trained at once.
        loss: The last loss that is known; None with `restart`.
    """

    round: int
    seed: int
    done: int
    planned: int
    lr: float | None
    loss: float | None


OnRefineStep = Callable[[RefineStep], None]


class OwnSweep:
    """Measures the rounds, each from the start."""

    start: Snapshot

    def __init__(
        self,
        task: Task,
        loader: Iterable[Any],
        reading: Reading,
        *,
        restart: bool,
        halving: bool,
        seeds: int,
        initialise: Callable[[nn.Module], None] | None,
        on_step: OnRefineStep | None,
    ) -> None:
        self.steps = 0
        self._task = task
        self._loader = loader
        self._reading = reading
        self._restart = restart
        self._halving = halving
        self._seeds = seeds
        self._initialise = initialise
        self._on_step = on_step
        self._round = 0

    def measure(self, plan: RoundPlan) -> RoundResult:
        """One round, every seed of it."""
        self._round += 1
        tracks, status = [], Status.COMPLETED
        for seed in range(self._seeds):
            self._begin(seed)
            track, ended = self._restarted(plan, seed) if self._restart else self._continued(plan, seed)
            tracks.append(track)
            status = status if ended is Status.COMPLETED else ended
        return RoundResult(plan, tuple(tracks), status, restarted=self._restart)

    def _begin(self, seed: int) -> None:
        """Everything as it was given, but for what a seed changes."""
        self.start.restore()
        if self._seeds == 1 and self._initialise is None:
            return
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        for generator in generators_of(self._loader):
            generator.manual_seed(seed)
        if self._initialise is not None:
            self._initialise(self._task.model)

    def _continued(self, plan: RoundPlan, seed: int) -> tuple[SeedResult, Status]:
        tape = LossLog()

        def on_iteration(point: Point, catch_up: Callable[[], None]) -> None:
            done = seed * plan.iterations + point.index + 1
            self._tell(seed, done, plan.iterations, point.lr, point.loss)

        ended = continued(
            replace(self._task, batches=self._task.afresh()),
            [(lr, count) for _, lr, count in rungs(plan.segments)],
            reading=self._reading,
            tape=tape,
            on_iteration=on_iteration,
        )
        self.steps += tape.iterations * self._reading.steps
        if ended is Status.INTERRUPTED:
            raise KeyboardInterrupt
        return tape.track(), ended

    def _restarted(self, plan: RoundPlan, seed: int) -> tuple[SeedResult, Status]:
        lrs = [lr for _, lr, _ in rungs(plan.segments)]
        iterations = max(segment.iterations for segment in plan.segments)
        num_steps = iterations * self._reading.steps
        planned = planned_steps(len(lrs), num_steps=num_steps, halving=self._halving)
        task = self._task
        begun = Snapshot(task.model, task.optimizer, scaler=task.scaler, loader=self._loader)
        done = seed * planned

        def afresh() -> Iterator[Any]:
            begun.restore_loader()
            return task.afresh()

        def on_step(rates: int, step: int) -> None:
            nonlocal done
            done += rates
            self._tell(seed, done, planned, None, None)

        found = restarted(
            replace(task, afresh=afresh),
            lrs,
            iterations=iterations,
            reading=self._reading,
            halving=self._halving,
            on_step=on_step,
        )
        self.steps += found.steps
        return found.track, Status.COMPLETED

    def _tell(self, seed: int, done: int, planned: int, lr: float | None, loss: float | None) -> None:
        if self._on_step is not None:
            self._on_step(RefineStep(self._round, seed, done, planned * self._seeds, lr, loss))
