"""The runs of one seed: each rate from the same start on the same batches, taken on from stop to stop."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lrfind.schedules.momentum import momentum_moved
from lrfind.schedules.schedule import ScheduleTable, schedule
from lrfind.training.paused_runs import PausedRuns, level_of
from lrfind.training.peers import mean_of
from lrfind.training.run_set import RunSet
from lrfind.training.stacking.strategy import Strategy
from lrfind.training.step import evaluate
from lrfind.verify.plan import CONSTANT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lrfind.range_test.config import RangeSettings
    from lrfind.training.start import Start
    from lrfind.training.task import Task
    from lrfind.verify.plan import Plan

_PATIENCE = 25.0
"""How many times farther than in a range test a loss may rise before its run is given up: on inputs of very
different scales the best rate may begin with a loss ten times that of the start."""


class SeedRuns:
    """The runs of a seed.

    Args:
        task: What is trained, with held-out batches.
        start: Where every run begins; it stays open for as long as they train.
        plan: How long they are, and what the rate does.
        stops: Updates after which a run is read; it can wait at each.
        seed: That of the task, for the record.
        divergence: By which settings of a range test a rate is taken to have diverged: `beta`, `stop_factor`.
        on_step: Called with the rate at every step.

    Attributes:
        start_loss: Held-out loss before training.
        taken: Training steps of all runs together.
    """

    def __init__(
        self,
        task: Task,
        start: Start,
        *,
        plan: Plan,
        stops: Sequence[int],
        seed: int,
        divergence: RangeSettings,
        on_step: Callable[[float], None],
    ) -> None:
        self._task = task
        self._start = start
        self._plan = plan
        self._stops = stops
        self._seed = seed
        self._beta = divergence.beta
        self._factor = None if divergence.stop_factor is None else divergence.stop_factor * _PATIENCE
        self._on_step = on_step
        self._runs: dict[float, PausedRuns] = {}
        start.restore()
        assert task.validation is not None
        (self.start_loss,) = mean_of(task.peers, (float(evaluate(task.objective, task.validation)[0]),))
        self._level = level_of(start, plan.num_steps, self._factor)

    @property
    def taken(self) -> int:
        """Training steps of all runs together."""
        return sum(int(runs.found.steps_taken.sum()) for runs in self._runs.values())

    def train(self, lr: float, to: int) -> float:
        """Takes a run on to a stop, and returns its held-out loss there: infinite where it diverged.

        Raises:
            UserError: Model, loss, optimizer or data cannot be used as given.
        """
        if lr not in self._runs:
            self._runs[lr] = self._begin(lr)
        runs = self._runs[lr]
        runs.advance(to)
        loss = float(runs.found.readings[0, self._stops.index(to)])
        if not math.isfinite(loss):  # of a run that diverged there is no reading
            runs.found.diverged[0] = runs.found.finished[0] = True
            return math.inf
        return loss

    def _begin(self, lr: float) -> PausedRuns:
        plan, before_step = self._plan, None
        rates: list[float] | np.ndarray[tuple[int, int], np.dtype[np.float64]] = [lr]
        if plan.schedule != CONSTANT:
            table = ScheduleTable.of(schedule(plan.schedule, lr=lr, num_steps=plan.num_steps))
            rates, before_step = np.array([table.rates[:-1]]), momentum_moved(self._task, [table])
        return PausedRuns(
            self._task,
            self._start,
            rates,
            num_steps=plan.num_steps,
            work=plan.num_steps,
            level=self._level,
            held_out=self._task.validation,
            read_at=self._stops,
            seed=self._seed,
            # One after another: so few are not worth stacking, and a CI job must repeat itself.
            strategy=Strategy.SEQUENTIAL,
            beta=self._beta,
            stop_factor=self._factor,
            before_step=before_step,
            on_step=lambda runs, step: self._on_step(lr),
        )

    def found(self, lr: float) -> RunSet:
        """What is known of a rate; nothing where it was never begun."""
        stops = (0, *self._stops)
        found = RunSet.untrained([lr], read_at=stops, num_steps=self._plan.num_steps, seed=self._seed)
        found.readings[0, 0] = self.start_loss
        if lr in self._runs:
            run = self._runs[lr].found
            found.readings[0, 1:] = run.readings[0]
            for name in ("losses", "steps_taken", "diverged", "finished"):
                getattr(found, name)[0] = getattr(run, name)[0]
        return found
