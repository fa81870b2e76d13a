"""A rate for each group of parameters: each is swept alone while the others keep theirs.

First all groups are swept together, in the ratio of their rates, as ever; the rates that this suggests are
those that the others keep. Training goes on in them, and their losses fall whatever the swept group does. So
every sweep of a group has a control: the same start on the same batches with the group at a rate of 0 and
the others at theirs. What is read is how the two differ, as in any paired test.
"""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lrfind.errors import OptimizerError, UserError
from lrfind.range_test.config import Metric
from lrfind.range_test.controlled_sweep import ControlledSweep
from lrfind.range_test.held_out_run import with_unseen_overfitting
from lrfind.range_test.run import RangeTest, run_range_test
from lrfind.suggestion import Status, rate_text
from lrfind.tasks.config_runs import ConfigTasks
from lrfind.training.optimizer import set_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch.optim import Optimizer

    from lrfind.range_test.config import RangeConfig, RangeSettings
    from lrfind.report.observers import Observer
    from lrfind.suggestion import Group, Suggestion
    from lrfind.tasks.data.dataset import Data
    from lrfind.training.task import OpenTask, Task


@dataclass(frozen=True, slots=True, eq=False)
class GroupTest:
    """The sweep of one group alone.

    Attributes:
        group: With its rate and bracket: its own, or what it had while the others were swept.
        test: What was measured, and read.
    """

    group: Group
    test: RangeTest

    @property
    def answers(self) -> bool:
        """Whether the group shows a rate of its own."""
        return self.test.reading.suggestion is not None


@dataclass(frozen=True, slots=True, eq=False)
class EachGroup:
    """A range test of all groups together, and of each alone.

    Attributes:
        together: All groups, in the ratio of their rates.
        alone: Each group; none where the first showed no rate.
        interrupted: Whether the user stopped it.
        control_steps: Training steps that the controls took.
    """

    together: RangeTest
    alone: tuple[GroupTest, ...]
    interrupted: bool
    control_steps: int

    @property
    def status(self) -> Status:
        """Why it ended."""
        return Status.INTERRUPTED if self.interrupted else self.together.curve.status

    @property
    def steps(self) -> int:
        """Training steps of all sweeps, those of the controls included."""
        return self.together.steps + sum(each.test.steps for each in self.alone) + self.control_steps

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups with their rates, in the optimizer's order; where there is no answer, without."""
        if self.suggestion is None:
            return tuple(group.following(None) for group in self.together.groups)
        return tuple(each.group for each in self.alone)

    @property
    def suggestion(self) -> Suggestion | None:
        """That of the group with the highest rate; None where there is none, or the user stopped it."""
        found = self.together.reading.suggestion
        if self.interrupted or found is None:
            return None
        fastest = max(self.alone, key=lambda each: each.group.lr or 0.0)
        own = fastest.test.reading.suggestion
        group = fastest.group
        assert group.lr is not None
        assert group.low is not None
        assert group.high is not None
        said = found.reason if own is None else own.reason
        return dataclasses.replace(
            found if own is None else own,
            lr=group.lr,
            low=group.low,
            high=group.high,
            reason=f"Of {group.name}, which has the highest rate: {said}",
        )

    @property
    def rules(self) -> dict[str, float | None]:
        """Every rule's own answer for the group with the highest rate, or for all together."""
        if self.suggestion is None:
            return self.together.reading.rules
        return max(self.alone, key=lambda each: each.group.lr or 0.0).test.reading.rules

    @property
    def verdict(self) -> str:
        """What the sweeps show, a sentence or two a group."""
        if self.interrupted:
            done = len(self.alone)
            return f"Interrupted: {done} of {len(self.together.groups)} groups had been swept alone."
        found = self.together.reading
        if found.suggestion is None:
            return f"All groups together show no rate, so none was swept alone. {found.verdict}"
        said = []
        for each in self.alone:
            name, lr = each.group.name, rate_text(each.group.lr or 0.0)
            alone = name if each.answers else f"{name} shows no rate of its own and keeps {lr}"
            said.append(f"{alone}: {each.test.reading.verdict}")
        words = f"Each group alone, against a control in which its rate is 0. {' '.join(said)}"
        # What all groups together leave open the sweeps of one do not close.
        reading, curve = dataclasses.replace(found, seen=words), self.together.curve
        return with_unseen_overfitting(reading, curve, trained=found.trained_before)


def each_group_of(config: RangeConfig, *, observer: Observer, data: Data | None = None) -> EachGroup:
    """The range test of a config with `range.groups=each`.

    Args:
        config: Validated.
        observer: Told of every step.
        data: The data, where it has been read already.

    Raises:
        UserError: Something cannot be used as given.
    """
    settings = config.range
    accuracy = settings.metric is Metric.ACCURACY
    tasks = ConfigTasks(config, accuracy=accuracy, validation_samples=settings.validation.samples, data=data)
    return run_each_group(tasks, tasks, settings, observer, first_seed=config.seed)


def run_each_group(
    open_task: OpenTask,
    open_again: OpenTask,
    settings: RangeSettings,
    observer: Observer,
    *,
    first_seed: int = 0,
) -> EachGroup:
    """Sweeps all groups together, and then each alone.

    Args:
        open_task: Opens the task of each sweep of all groups.
        open_again: Opens that of each sweep of one; its batches can begin again (`Task.afresh`).
        settings: How to sweep and to read.
        observer: Told of every step.
        first_seed: What the first sweep's seed is called.

    Returns:
        What was measured; interrupted, what was measured until then.

    Raises:
        UserError: Something cannot be used as given; the optimizer may have one group only.
        KeyboardInterrupt: Before anything was measured.
    """
    together = run_range_test(_with_groups(open_task), settings, observer, first_seed=first_seed)
    interrupted = together.curve.status is Status.INTERRUPTED
    if interrupted or together.reading.suggestion is None:
        return EachGroup(together, (), interrupted, 0)
    kept = [group.lr or 0.0 for group in together.groups]
    told = ", ".join(f"{group.name} {rate_text(lr)}" for group, lr in zip(together.groups, kept, strict=True))
    alone: list[GroupTest] = []
    steps = 0
    for i, group in enumerate(together.groups):
        observer.note(f"{group.name} alone, while the others keep their rates ({told}), and a control.")
        measure = ControlledSweep(partial(_setter, i, kept))
        try:
            test = run_range_test(
                open_again,
                settings,
                observer,
                first_seed=first_seed,
                measure=measure,
                steps_a_rate=2,
                most_steps=settings.most_steps,
            )
        except KeyboardInterrupt:
            interrupted = True
            break
        finally:
            steps += measure.control_steps
        alone.append(GroupTest(_with_own(group, test.reading.suggestion), test))
        if test.curve.status is Status.INTERRUPTED:
            interrupted = True
            break
    fastest = max((each.group.lr or 0.0 for each in alone), default=1.0)
    shares = [float(f"{(each.group.lr or 0.0) / fastest:.6g}") for each in alone]
    found = tuple(
        dataclasses.replace(each, group=dataclasses.replace(each.group, ratio=share))
        for each, share in zip(alone, shares, strict=True)
    )
    return EachGroup(together, found, interrupted, steps)


def _setter(moved: int, rates: Sequence[float], optimizer: Optimizer) -> Callable[[float], None]:
    """Sets the rate of one group, and of the others those that they keep."""

    def set_lr(lr: float) -> None:
        for i, (group, kept) in enumerate(zip(optimizer.param_groups, rates, strict=True)):
            set_rate(group, lr if i == moved else kept)

    return set_lr


def _with_groups(open_task: OpenTask) -> OpenTask:
    """Opens the same tasks, and refuses those whose groups cannot be swept one by one.

    Raises:
        UserError: There is only one, or others sweep at the same time.
    """

    @contextmanager
    def opened(seed: int, *, skip: int = 0) -> Iterator[Task]:
        with open_task(seed, skip=skip) as task:
            if len(task.optimizer.param_groups) < 2:
                raise OptimizerError(
                    f"groups='each' needs several groups of parameters, and {type(task.optimizer).__name__} "
                    "has one here: leave it out, or make the optimizer with a group for each rate."
                )
            if task.peers is not None:
                raise UserError("groups='each' works in one process only so far: leave it out on ranks.")
            yield task

    return opened


def _with_own(group: Group, found: Suggestion | None) -> Group:
    """The group with the rates that its own sweep suggests, where it suggests any."""
    if found is None:
        return group
    return dataclasses.replace(group, lr=found.lr, low=found.low, high=found.high)
