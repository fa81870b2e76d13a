"""The sweep without the confound: every rate from the same start, over as many steps, seed after seed."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from lrfind.errors import ConfigError
from lrfind.refine.results import SeedResult
from lrfind.tasks.seed_jobs import JobResult, same_threads
from lrfind.tasks.threads import available
from lrfind.training.runs import Halving, train_runs
from lrfind.training.stacking.strategy import Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.execution.executors import Say
    from lrfind.refine.continued import Reading
    from lrfind.refine.seeds import Seeds
    from lrfind.tasks.seed_jobs import SeedJob
    from lrfind.training.run_set import OnStep, RunSet
    from lrfind.training.task import Task


class SeedOfRound:
    """Measures a seed of a round, here or in the process of a launcher, where the data are read once.

    Args:
        seeds: Opens what is trained; of a config where it is to be pickled.
    """

    def __init__(
        self, seeds: Seeds, lrs: Sequence[float], iterations: int, *, halving: bool, asked: Strategy
    ) -> None:
        self._again = seeds.again
        self._seeds: Seeds | None = None
        self._lrs = lrs
        self._iterations = iterations
        self._halving = halving
        self._asked = asked
        self._threads = available()

    def __call__(self, job: SeedJob, say: Say) -> JobResult[RunSet]:
        """A seed, and the form it is to be measured in."""
        same_threads(self._threads)
        if self._seeds is None:
            assert self._again is not None
            self._seeds = self._again()
        runs = self.train(self._seeds, *job, lambda count, step: say((count, step)))
        return JobResult(runs, self._seeds.skipped, self._seeds.notes)

    def train(self, seeds: Seeds, seed: int, strategy: Strategy, on_step: OnStep) -> RunSet:
        """The runs of a seed."""
        with seeds.open(seed) as task:
            measure = partial(
                restarted,
                task,
                self._lrs,
                iterations=self._iterations,
                reading=seeds.reading,
                halving=self._halving,
                on_step=on_step,
            )
            try:
                return measure(strategy=strategy)
            except ConfigError:
                # What could be stacked for one seed may come out differently for another.
                if self._asked is not Strategy.AUTO or strategy is not Strategy.STACKED:
                    raise
                return measure(strategy=Strategy.SEQUENTIAL)


def restarted(
    task: Task,
    lrs: Sequence[float],
    *,
    iterations: int,
    reading: Reading,
    halving: bool = False,
    strategy: Strategy = Strategy.AUTO,
    on_step: OnStep | None = None,
) -> RunSet:
    """Trains at each rate from the same weights, on the same batches in the same order.

    The task is at its start, and is left there. With fixed batches the loss of a rate is read on them once,
    at its end; without, there is one an iteration. `halving` drops the worse half of the rates at a quarter
    of the iterations, and again at half of them.
    """
    num_steps = iterations * reading.steps
    return train_runs(
        task,
        lrs,
        num_steps=num_steps,
        held_out=None if reading.on is None else list(reading.on),
        read_at=[0],
        strategy=strategy,
        halving=halving_of(num_steps) if halving else None,
        on_step=on_step,
    )


def seed_result(runs: RunSet, reading: Reading) -> SeedResult:
    """What the runs of a seed showed, as a round reads it."""
    dropped = ~runs.diverged & (runs.steps_taken < runs.losses.shape[1])
    losses = tuple(_losses_of(runs, i, reading) for i in range(len(runs.lrs)))
    return SeedResult(runs.start, losses, tuple(dropped.tolist()) if dropped.any() else ())


def halving_of(num_steps: int) -> Halving:
    """Half of the rates goes on after a quarter of the steps, and a quarter after half of them."""
    return Halving(tuple(sorted({max(num_steps // 4, 1), max(num_steps // 2, 1)})))


def planned_steps(num_rates: int, *, num_steps: int, halving: bool) -> int:
    """The most training steps that a round of one seed takes."""
    return (halving_of(num_steps) if halving else Halving(())).total_steps(num_rates, num_steps=num_steps)


def _losses_of(runs: RunSet, rate: int, reading: Reading) -> tuple[float, ...]:
    """One loss an iteration, or the one at the end; infinite at the end where a rate diverged."""
    taken = int(runs.steps_taken[rate])
    row = runs.losses[rate, :taken]
    diverged = bool(runs.diverged[rate])
    if reading.on is not None and (diverged or taken == runs.losses.shape[1]):
        return (float(runs.finals[rate]),)
    if reading.on is not None:
        # A rate that halving dropped: what it had come to by then, which is as good as it is known.
        return (float(row[-max(taken // 4, 1) :].mean()),)
    losses = [float(row[i : i + reading.steps].mean()) for i in range(0, taken, reading.steps)]
    return (*losses, math.inf) if diverged and math.isfinite(losses[-1]) else tuple(losses)
