"""One seed of a trial: the runs under every policy, from the same start on the same batches."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from lrfind.schedules.momentum import momentum_moved
from lrfind.training.readings import read_baseline
from lrfind.training.runs import train_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lrfind.schedules.schedule import ScheduleTable
    from lrfind.tasks.seed_jobs import SeedJob
    from lrfind.training.run_set import OnStep, RunSet
    from lrfind.training.task import Task


@dataclasses.dataclass(frozen=True, slots=True)
class TrialStep:
    """How far a trial is, as `on_step` is told.

    Attributes:
        index: Updates made before this one, over all policies and seeds.
        seed: Counted from 0.
        policy: The name of the policy.
    """

    index: int
    seed: int
    policy: str


def train_policies(
    task: Task,
    job: SeedJob,
    on_step: OnStep,
    *,
    courses: Sequence[ScheduleTable],
    read_at: Sequence[int],
    first_seed: int,
    accuracy: bool,
) -> RunSet:
    """Trains a seed under every policy; what the process of a launcher does, too.

    Args:
        task: That of the seed.
        job: The seed.
        on_step: Called at every step.
        courses: The policies, worked out.
        read_at: Updates after which the held-out samples are read.
        first_seed: What the first seed is called.
        accuracy: Whether there are right answers to count.
    """
    task = task if accuracy else task.without_accuracy()
    baseline = read_baseline(task)
    runs = train_runs(
        task,
        # Without where each policy arrives after the last update.
        np.array([course.rates[:-1] for course in courses]),
        num_steps=read_at[-1],
        held_out=task.validation,
        read_at=read_at,
        seed=first_seed + job[0],
        before_step=momentum_moved(task, courses),
        on_step=on_step,
    )
    return dataclasses.replace(runs, baseline=baseline)


def trial_words(total: int, seeds: int, said: Callable[[], str] | None = None) -> Callable[[TrialStep], str]:
    """What is said of a step: where it is, or else what a function says.

    Args:
        total: Steps of all runs.
        seeds: How many seeds there are.
        said: The function.
    """

    def words(shown: TrialStep) -> str:
        where = f"seed {shown.seed + 1} of {seeds}, {shown.policy}" if said is None else said()
        return f"{where}, step {shown.index + 1:,} of {total:,}"

    return words
