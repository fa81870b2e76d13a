"""The runs of `lrfind schedule --try`: seed by seed, every policy from the same start on the same batches."""

from __future__ import annotations

import dataclasses
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from lrfind.errors import BatchError
from lrfind.schedule.config import TRY_READINGS, TRY_SEEDS
from lrfind.schedule.results import Tried, reading_steps
from lrfind.schedule.trial_report import announced
from lrfind.tasks import devices
from lrfind.tasks.build import build, data_of
from lrfind.tasks.data.held_out import held_out_samples, is_counted
from lrfind.training.optimizer import momentum_of, set_momentum
from lrfind.training.run_set import RunSet, RunsInterrupted
from lrfind.training.runs import seconds_a_step, train_runs
from lrfind.training.step import evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from lrfind.report.observers import Observer
    from lrfind.schedule.config import ScheduleConfig
    from lrfind.schedule.schedule import ScheduleTable
    from lrfind.training.runs import BeforeStep
    from lrfind.training.task import Task


@dataclasses.dataclass(slots=True)
class _Shown:
    """What the progress bar is told: updates before this one, over all policies and seeds, and where."""

    index: int
    seed: int
    policy: str


class Trial:
    """Trains the task under several policies.

    Args:
        config: Validated.
        observer: Told of every step, and how many there are before the first.

    Attributes:
        device: Where it trains.
        data: What it trains on.
        held_out: Samples that are read and never trained on.
        title: What is trained on what and how; empty before the first task.
        notes: What a reader of the numbers should know.
        skipped: Pictures that could not be read.

    Raises:
        UserError: Something in the config cannot be used as given.
    """

    def __init__(self, config: ScheduleConfig, observer: Observer) -> None:
        settings = config.schedule
        self.device = devices.resolve(config.device)  # what is wrong with it is said before data is read
        self.data = data_of(config)
        self.held_out = held_out_samples(
            self.data, settings.held_out, batch_size=config.batch_size, key="schedule.held_out"
        )
        self.title = ""
        self.notes: list[str] = []
        self.skipped: list[str] = []
        self._config = config
        self._observer = observer
        self._seeds = TRY_SEEDS if settings.seeds is None else settings.seeds
        readings = min(TRY_READINGS, settings.num_steps) if settings.readings is None else settings.readings
        self._read_at = reading_steps(settings.num_steps, readings)
        self._accuracy = not config.criterion.get("from_model")
        if not is_counted(self.data):
            self.notes.append(
                "The held-out samples were drawn first; a later pass over the data may bring them again."
            )

    def of(self, courses: Sequence[ScheduleTable]) -> Tried:
        """Trains under the policies until the user stops it; what was measured until then is kept."""
        num_steps = self._read_at[-1]
        done: list[RunSet] = []
        task = self._first(courses)
        try:
            self._announce(task, courses)
            total = len(courses) * self._seeds * num_steps
            with self._observer.steps(total, self._words(total)) as shown:
                for seed in range(self._seeds):
                    task = self._task(seed) if seed else task
                    with closing(task):
                        done.append(self._one_seed(task, courses, seed, shown))
                    self.skipped += [path for path in task.skipped if path not in self.skipped]
                    if not done[-1].whole:
                        break
        except KeyboardInterrupt:
            pass  # between two seeds: the seeds that are missing say so
        finally:
            task.close()
        return Tried(tuple(courses), self._read_at, tuple(done), self._seeds)

    def _first(self, courses: Sequence[ScheduleTable]) -> Task:
        """The task of the first seed, once it is known whether there are right answers to count."""
        task = self._task(0)
        if self._accuracy:
            assert task.validation is not None
            try:
                evaluate(task.objective, task.validation[:1])
            except BatchError:
                task.close()
                self._accuracy = False  # what else is wrong with the batch is said without it, too
                task = self._task(0)
        self.title = task.title
        self.notes += task.notes
        moving = [course.schedule.policy.value for course in courses if course.momenta is not None]
        if moving and not momentum_of(task.optimizer):
            self.notes.append(
                f"{moving[0]} was tried without its momentum, for the optimizer has none. The printed code "
                "would set it nevertheless: add cycle_momentum=False to it, or try with optimizer=momentum."
            )
        return task

    def _one_seed(
        self, task: Task, courses: Sequence[ScheduleTable], seed: int, shown: Callable[[_Shown], None]
    ) -> RunSet:
        num_steps = self._read_at[-1]
        before = seed * len(courses) * num_steps
        taken = 0

        def on_step(rates: int, step: int) -> None:
            # One after another, so that the steps say which policy it is but for those that diverged.
            nonlocal taken
            del step
            taken += rates
            at = min(taken // num_steps, len(courses) - 1)
            shown(_Shown(before + taken - 1, seed, courses[at].schedule.policy.value))

        try:
            return train_runs(
                task,
                _rates(courses),
                num_steps=num_steps,
                held_out=task.validation,
                read_at=self._read_at,
                seed=self._config.seed + seed,
                before_step=momentum_moved(task, courses),
                on_step=on_step,
            )
        except RunsInterrupted as stopped:
            return stopped.runs

    def _task(self, seed: int) -> Task:
        """The task of a seed, counted from 0, at its start."""
        config = dataclasses.replace(self._config, seed=self._config.seed + seed)
        return build(config, data=self.data, validation_samples=self.held_out, accuracy=self._accuracy)

    def _announce(self, task: Task, courses: Sequence[ScheduleTable]) -> None:
        """Says how much there is to train, before it begins."""
        num_steps = self._read_at[-1]
        seconds = len(courses) * seconds_a_step(task, min(course.schedule.lr for course in courses))
        self._observer.note(
            announced(
                [course.schedule.policy.value for course in courses],
                seeds=self._seeds,
                num_steps=num_steps,
                seconds=seconds * num_steps * self._seeds,
                held_out=self.held_out,
            )
        )

    def _words(self, total: int) -> Callable[[_Shown], str]:
        def words(shown: _Shown) -> str:
            where = f"seed {shown.seed + 1} of {self._seeds}, {shown.policy}"
            return f"{where}, step {shown.index + 1:,} of {total:,}"

        return words


def momentum_moved(task: Task, courses: Sequence[ScheduleTable]) -> BeforeStep | None:
    """What moves the momentum along with the rate; None where no policy does, or the optimizer has none."""
    if all(course.momenta is None for course in courses) or not momentum_of(task.optimizer):
        return None

    def before_step(policy: int, step: int) -> None:
        momenta = courses[policy].momenta
        if momenta is not None:
            set_momentum(task.optimizer, float(momenta[step]))

    return before_step


def _rates(courses: Sequence[ScheduleTable]) -> NDArray[np.float64]:
    """The rates of the updates, shape (policies, steps): without where each policy arrives after the last."""
    return np.array([course.rates[:-1] for course in courses])
