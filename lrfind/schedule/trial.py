"""The runs of `lrfind schedule --try`: seed by seed, every policy from the same start on the same batches."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from lrfind.errors import BatchError
from lrfind.execution.launcher import chosen_launcher, launcher_name
from lrfind.schedule.config import TRY_READINGS, TRY_SEEDS
from lrfind.schedule.policy_runs import TrialStep, train_policies, trial_words
from lrfind.schedule.results import Tried, reading_steps
from lrfind.schedule.trial_report import announced
from lrfind.tasks import devices
from lrfind.tasks.build import data_of
from lrfind.tasks.config_runs import ConfigTasks
from lrfind.tasks.data.held_out import held_out_samples, met_again
from lrfind.tasks.seed_jobs import RUN_SET_CODEC, launch_seeds, not_kept
from lrfind.training.optimizer import momentum_of
from lrfind.training.run_set import RunSet, RunsInterrupted
from lrfind.training.runs import seconds_a_step
from lrfind.training.step import evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import torch

    from lrfind.report.observers import Observer
    from lrfind.schedule.config import ScheduleConfig
    from lrfind.schedules.schedule import ScheduleTable
    from lrfind.tasks.data.dataset import Data
    from lrfind.tasks.seed_jobs import Do, JobResult, SeedJob
    from lrfind.training.task import OpenTask, Task


class Trial:
    """Trains a task under several policies.

    Args:
        open_task: Opens the task of a seed, with fixed batches set apart from training.
        observer: Told of every step, and how many there are before the first.
        device: Where it trains.
        held_out: Samples that are read and never trained on.
        num_steps: Updates of each training.
        seeds: How many seeds there are; None: as many as tell a difference from chance.
        readings: How often the held-out samples are read; None: 20 times, or after every step of fewer.
        accuracy: Whether there may be right answers to count.
        first_seed: What the first seed is called.

    Attributes:
        device: Where it trains.
        held_out: Samples that are read and never trained on.
        data: What it trains on, where a config says it.
        title: What is trained on what and how; empty before the first task.
        notes: What a reader of the numbers should know.
        skipped: Pictures that could not be read.
    """

    def __init__(
        self,
        open_task: OpenTask,
        observer: Observer,
        *,
        device: torch.device,
        held_out: int,
        num_steps: int,
        seeds: int | None = None,
        readings: int | None = None,
        accuracy: bool = True,
        first_seed: int = 0,
    ) -> None:
        self.device = device
        self.held_out = held_out
        self.data: Data | None = None
        self.title = ""
        self.notes: list[str] = []
        self.skipped: list[str] = []
        self._open_task = open_task
        self._observer = observer
        self._seeds = TRY_SEEDS if seeds is None else seeds
        self._read_at = reading_steps(
            num_steps, min(TRY_READINGS, num_steps) if readings is None else readings
        )
        self._accuracy = accuracy
        self._first_seed = first_seed

    @classmethod
    def of(cls, config: ScheduleConfig, observer: Observer) -> Trial:
        """The trial of a config.

        Raises:
            UserError: Something in the config cannot be used as given.
        """
        settings = config.schedule
        device = devices.resolve(config.device)  # what is wrong with it is said before data is read
        data = data_of(config)
        held_out = held_out_samples(
            data, settings.held_out, batch_size=config.samples_a_batch, key="schedule.held_out"
        )
        accuracy = not config.criterion.get("from_model")
        trial = cls(
            ConfigTasks(config, accuracy=accuracy, validation_samples=held_out, data=data),
            observer,
            device=device,
            held_out=held_out,
            num_steps=settings.num_steps,
            seeds=settings.seeds,
            readings=settings.readings,
            accuracy=accuracy,
            first_seed=config.seed,
        )
        trial.data = data
        if told := met_again(data):
            trial.notes.append(told)
        return trial

    def run(self, courses: Sequence[ScheduleTable]) -> Tried:
        """Trains under the policies until the user stops it; what was measured until then is kept.

        What it was trained under is in `courses` of the result: without a momentum that the optimizer lacks.
        """
        num_steps = self._read_at[-1]
        total = len(courses) * self._seeds * num_steps
        done: list[RunSet] = []
        self._accuracy = self._accuracy and self._measures_accuracy()
        if chosen_launcher() is not None:
            return self._launched(courses, total)
        try:
            with ExitStack() as watched:
                shown: Callable[[TrialStep], None] | None = None
                for seed in range(self._seeds):
                    with self._open(seed) as task:
                        if shown is None:
                            courses = self._begin(task, courses)
                            shown = watched.enter_context(
                                self._observer.steps(total, trial_words(total, self._seeds))
                            )
                        done.append(self._one_seed(task, courses, seed, shown))
                    self.skipped += [path for path in task.skipped if path not in self.skipped]
                    self.notes += [note for note in task.notes if note not in self.notes]
                    if not done[-1].whole:
                        break
        except KeyboardInterrupt:
            if not self.title:
                raise
            # Between two seeds: the seeds that are missing say so.
        return Tried(tuple(courses), self._read_at, tuple(done), self._seeds)

    def _launched(self, courses: Sequence[ScheduleTable], total: int) -> Tried:
        """The same, with every seed wherever the launcher of this run has it done."""
        done: dict[int, RunSet] = {}
        with self._open(0) as task:
            courses = self._begin(task, courses)
        try:
            words = trial_words(total, self._seeds, lambda: f"{len(done)} of {self._seeds} seeds done")
            with self._observer.steps(total, words) as shown:

                def on_result(job: SeedJob, result: JobResult[RunSet]) -> None:
                    done[job[0]] = result.found
                    self.skipped += [path for path in result.skipped if path not in self.skipped]
                    self.notes += [note for note in result.notes if note not in self.notes]
                    steps = sum(int(runs.steps_taken.sum()) for runs in done.values())
                    shown(TrialStep(steps - 1, job[0], courses[-1].schedule.policy.value))

                jobs = [(seed, None) for seed in range(self._seeds)]
                train = self._train(courses)
                launch_seeds(
                    self._open_task, train, jobs, RUN_SET_CODEC, on_result, kept=lambda: not_kept(len(done))
                )
        except KeyboardInterrupt:
            pass  # the seeds that are missing say so
        return Tried(tuple(courses), self._read_at, tuple(done[seed] for seed in sorted(done)), self._seeds)

    @contextmanager
    def _open(self, seed: int) -> Iterator[Task]:
        """The task of a seed at its start, which measures accuracy where there are right answers to count."""
        with self._open_task(seed) as task:
            yield task if self._accuracy else task.without_accuracy()

    def _measures_accuracy(self) -> bool:
        """Whether there are right answers to count."""
        with self._open_task(0) as task:
            assert task.validation is not None
            try:
                evaluate(task.objective, task.validation[:1])
            except BatchError:
                return False  # what else is wrong with the batch is said without it, too
        return True

    def _begin(self, task: Task, courses: Sequence[ScheduleTable]) -> Sequence[ScheduleTable]:
        """Says how much there is to train, and keeps what the first task tells; what its optimizer can do."""
        self.title = task.title
        moving = [course.schedule.policy.value for course in courses if course.momenta is not None]
        if moving and not momentum_of(task.optimizer):
            self.notes.append(
                f"{moving[0]} was tried without its momentum, for the optimizer has none; one that has is "
                "optimizer=momentum."
            )
            courses = [course.without_momentum() for course in courses]
        self._announce(task, courses)
        return courses

    def _one_seed(
        self, task: Task, courses: Sequence[ScheduleTable], seed: int, shown: Callable[[TrialStep], None]
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
            shown(TrialStep(before + taken - 1, seed, courses[at].schedule.policy.value))

        try:
            return self._train(courses)(task, (seed, None), on_step)
        except RunsInterrupted as stopped:
            return stopped.runs

    def _train(self, courses: Sequence[ScheduleTable]) -> Do[RunSet]:
        """What trains a seed."""
        return partial(
            train_policies,
            courses=tuple(courses),
            read_at=self._read_at,
            first_seed=self._first_seed,
            accuracy=self._accuracy,
        )

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
                launcher=launcher_name(),
            )
        )
