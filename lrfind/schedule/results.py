"""What a task came to under several policies: the same start, the same batches, seed by seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lrfind.report.formatting import counted, listed, told_apart
from lrfind.statistics import paired_noise
from lrfind.suggestion import Status, rate_text
from lrfind.training.baseline import learnt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.schedules.schedule import ScheduleTable
    from lrfind.statistics import Floats
    from lrfind.training.run_set import RunSet


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one policy came to on held-out data, over the seeds that were finished.

    Attributes:
        policy: Its name.
        status: Completed, diverged (with a seed at least) or interrupted.
        loss: Mean loss at the end; None where it diverged or nothing was finished.
        loss_spread: Standard deviation of it over the seeds; None for fewer than two.
        accuracy: Mean share of right answers at the end; None also where it is not measured.
        accuracy_spread: Standard deviation of it over the seeds.
        diverged: With how many seeds it diverged.
        best: Whether it ended with the lowest mean loss.
    """

    policy: str
    status: Status
    loss: float | None
    loss_spread: float | None
    accuracy: float | None
    accuracy_spread: float | None
    diverged: int
    best: bool


@dataclass(frozen=True, eq=False)
class Tried:
    """All that was measured.

    Attributes:
        courses: The policies, worked out.
        read_at: Updates made before each reading, rising; training ends with the last.
        seeds: The runs of each seed, one a policy, in their order; those of the last may be unfinished.
        planned: Seeds that were planned.
    """

    courses: tuple[ScheduleTable, ...]
    read_at: tuple[int, ...]
    seeds: tuple[RunSet, ...]
    planned: int

    @cached_property
    def policies(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(course.schedule.policy.value for course in self.courses)

    @cached_property
    def finished(self) -> tuple[RunSet, ...]:
        """The seeds that came to their end."""
        return tuple(seed for seed in self.seeds if seed.whole)

    @property
    def interrupted(self) -> bool:
        """Whether a planned seed is missing."""
        return len(self.finished) < self.planned

    @cached_property
    def measures_accuracy(self) -> bool:
        """Whether the share of right answers was measured."""
        return any(bool(np.isfinite(seed.accuracies).any()) for seed in self.seeds)

    @property
    def steps_taken(self) -> int:
        """Updates of all runs together."""
        return sum(int(seed.steps_taken.sum()) for seed in self.seeds)

    @cached_property
    def finals(self) -> Floats:
        """Held-out loss at the end, shape (finished seeds, policies); infinite where a policy diverged."""
        return np.array([seed.finals for seed in self.finished]).reshape(-1, len(self.courses))

    @cached_property
    def diverged(self) -> bool:
        """Whether every policy diverged, with a seed at least."""
        return len(self.finals) > 0 and not np.isfinite(self.finals.mean(axis=0)).any()

    @cached_property
    def learnt(self) -> bool:
        """Whether the model came to more under any policy than it had without training."""
        accuracies = np.array([seed.accuracies[:, -1] for seed in self.finished])
        return bool(learnt([seed.baseline for seed in self.finished], self.finals, accuracies).any())

    @cached_property
    def best(self) -> int | None:
        """The policy that ended lowest on average, never diverging; None where there is none, or too early.

        There is none where all diverged, or where nothing was learnt under any.
        """
        if self.interrupted or self.diverged or not len(self.finals) or not self.learnt:
            return None
        return int(np.argmin(self.finals.mean(axis=0)))

    @cached_property
    def outcomes(self) -> tuple[Outcome, ...]:
        """One a policy."""
        return tuple(self._outcome(i) for i in range(len(self.courses)))

    def _outcome(self, index: int) -> Outcome:
        losses = self.finals[:, index]
        diverged = int((~np.isfinite(losses)).sum())
        status = Status.DIVERGED if diverged else Status.INTERRUPTED if self.interrupted else Status.COMPLETED
        right = np.array([seed.accuracies[index, -1] for seed in self.finished])
        loss, loss_spread = mean_and_spread(losses)
        accuracy, accuracy_spread = mean_and_spread(right) if not diverged else (None, None)
        return Outcome(
            policy=self.policies[index],
            status=status,
            loss=loss,
            loss_spread=loss_spread,
            accuracy=accuracy,
            accuracy_spread=accuracy_spread,
            diverged=diverged,
            best=index == self.best,
        )

    def behind(self, index: int) -> Floats | None:
        """How much above the best policy one ended, seed by seed, shape (seeds,); None where one diverged.

        Start and batches of a seed are the same for all policies, so what the seeds have in common, which is
        most of the spread of the losses, drops out.
        """
        if self.best is None or self.outcomes[index].diverged:
            return None
        return self.finals[:, index] - self.finals[:, self.best]

    def clearly_worse(self, index: int) -> bool:
        """Whether a policy ended above the best one by more than chance (see `paired_noise`).

        A single seed shows no spread, and nothing is clear then but a divergence.
        """
        apart = self.behind(index)
        if apart is None:
            return self.best is not None
        return len(apart) > 1 and float(apart.mean()) > paired_noise(apart)

    @cached_property
    def verdict(self) -> str:
        """Which policy ended lowest, and whether by more than the spread of the seeds."""
        count = len(self.finished)
        if self.interrupted:
            return (
                f"The trial was interrupted after {count} of {counted(self.planned, 'seed')}: too early to "
                "say which policy ends lowest."
            )
        if self.diverged:
            return "Every policy diverged in the trial: the peak is too high for this task, take a lower one."
        if self.best is None:
            return self._nothing_learnt()
        others = [i for i in range(len(self.courses)) if i != self.best and not self.outcomes[i].diverged]
        clear = [self.policies[i] for i in others if self.clearly_worse(i)]
        close = [self.policies[i] for i in others if not self.clearly_worse(i)]
        said = (
            f"After {counted(self.read_at[-1], 'step')} {self.policies[self.best]} ended lowest, at a "
            f"held-out loss of {rate_text(self.finals[:, self.best].mean())}"
        )
        if not others:
            said += ", for every other policy diverged."
        elif count == 1:
            said += ", but one seed cannot tell a difference from chance: give schedule.seeds=3 or more."
        else:
            said += _compared(clear, close)
        gone = [each for each in self.outcomes if each.diverged]
        if gone:
            told = [f"{each.policy} with {each.diverged} of {counted(count, 'seed')}" for each in gone]
            said += f" {listed(told)} diverged."
        return said

    def _nothing_learnt(self) -> str:
        """That the model came to no more than it had, in numbers, and what to do."""
        means = self.finals.mean(axis=0)
        before = float(np.mean([seed.baseline.least for seed in self.finished]))
        least, without = told_apart(float(means[np.isfinite(means)].min()), before)
        ignores = self.measures_accuracy or any(s.baseline.blind < s.baseline.loss for s in self.finished)
        blind = ", or for answers that ignore the inputs," if ignores else ""
        return (
            f"Nothing was learnt in {counted(self.read_at[-1], 'step')} under any policy: the held-out loss "
            f"ends at {least} at best, and before training{blind} it is {without}. The peak is too low or "
            "too high for this task, or the training too short."
        )


def mean_and_spread(values: Floats) -> tuple[float | None, float | None]:
    """Mean and standard deviation over seeds, shape (seeds,); None where there is none."""
    if len(values) == 0 or not np.isfinite(values).all():
        return None, None
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else None


def reading_steps(num_steps: int, readings: int) -> tuple[int, ...]:
    """Evenly spread steps after which to read, the last one after the last update."""
    return tuple(sorted({max(1, round(k * num_steps / readings)) for k in range(1, readings + 1)}))


def _compared(clear: Sequence[str], close: Sequence[str]) -> str:
    """How the other policies stand to the best."""
    if not close:
        return f": compared seed by seed, below {listed(clear)} by more than chance."
    verb = "is" if len(close) == 1 else "are"
    if not clear:
        return (
            f", but compared seed by seed {listed(close)} {verb} within the spread of the seeds: this trial "
            "does not tell them apart."
        )
    return (
        f": compared seed by seed, below {listed(clear)} by more than chance, but {listed(close)} {verb} "
        "within the spread of the seeds."
    )
