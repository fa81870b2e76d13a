"""The sweeps of a task, one after another or wherever a launcher has them made, and runs at one rate."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lrfind.execution.launcher import chosen_launcher
from lrfind.range_test.curve import Curve
from lrfind.range_test.horizon import horizon_steps
from lrfind.range_test.ladder import ladder
from lrfind.range_test.sweep import Step, SweepOptions, said_of_control, sweep
from lrfind.statistics import starting_level
from lrfind.suggestion import Status
from lrfind.tasks.config_runs import ConfigTasks
from lrfind.tasks.seed_jobs import codec_of, launch_seeds, not_kept
from lrfind.training.blind_answer import UNKNOWN, BlindAnswer
from lrfind.training.groups import groups_of
from lrfind.training.optimizer import count_trained
from lrfind.training.targets import Targets
from lrfind.training.task import HoldsOut

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from lrfind.range_test.config import RangeSettings
    from lrfind.range_test.sweep import OnStep
    from lrfind.report.observers import Observer
    from lrfind.suggestion import Group
    from lrfind.tasks.seed_jobs import JobResult, SeedJob
    from lrfind.training.task import OpenTask, Task

LEAST = 0.5
"""Share of its parameters of which a model trains less that was trained before, and keeps the others."""

Measure = Callable[["Task", "RangeSettings", "OnStep"], "Curve"]
"""Makes the curve of one sweep of a task."""


class Sweeps:
    """Makes the sweeps of a test, one after another, each with the next seed, and trials at constant rates.

    Attributes:
        settings: Those of the first.
        observer: Told of every step.
        curves: What they measured.
        steps: Training steps taken.
        interrupted: Whether the user stopped one.
        about: Title, device and notes of the task.
        groups: Its groups of parameters.
        batches_a_step: Batches that a step of them accumulates.
        parameters: How many of the model are trained, and how many there are.
        blind: The best answer for the batches of each that does not look at the inputs.
        horizon: Steps of the training that the answer is for and those of an epoch, where one was asked for.
        skipped: Pictures that could not be read.
    """

    about: tuple[str, str, list[str]]

    def __init__(
        self,
        open_task: OpenTask,
        settings: RangeSettings,
        observer: Observer,
        measure: Measure | None,
        steps_a_rate: int,
    ) -> None:
        self.curves: list[Curve] = []
        self.steps = 0
        self.interrupted = False
        self.groups: tuple[Group, ...] = ()
        self.batches_a_step = 1
        self.parameters = (0, 0)
        self.blind: list[BlindAnswer] = []
        self.horizon: tuple[int, float | None] | None = None
        self.skipped: dict[str, None] = {}
        self._open_task = open_task
        self.settings = settings
        self.observer = observer
        self._measure = measure
        self._steps_a_rate = steps_a_rate
        self._made = 0

    def make(self, settings: RangeSettings, count: int) -> None:
        """Makes so many sweeps along one ladder, or as many as there are until the user stops it.

        Raises:
            UserError: Something cannot be used as given.
            KeyboardInterrupt: Before anything was measured.
        """
        length = self._steps_a_rate * settings.num_steps
        elsewhere: dict[int, JobResult[Curve]] = {}
        launches = chosen_launcher() is not None and self._measure is None
        first = self._made
        with self.observer.steps(count * length) as shown:
            for i in range(first, first + count):
                told = partial(shown_later, shown, (i - first) * length) if i > first else shown
                self._made += 1
                try:
                    if i > 0 and launches and isinstance(self._open_task, ConfigTasks):
                        if i not in elsewhere:
                            elsewhere = _launched(self._open_task, settings, range(i, first + count), told)
                        curve, blind = elsewhere[i].found, UNKNOWN
                        self.skipped |= dict.fromkeys(elsewhere[i].skipped)
                    else:
                        curve, blind = self._swept(i, settings, told)
                except KeyboardInterrupt:
                    if not self.curves:
                        raise
                    self.interrupted = True
                    break
                self.interrupted = curve.status is Status.INTERRUPTED
                self.steps += len(curve)
                if len(curve) or not self.curves:
                    self.curves.append(curve)
                    self.blind.append(blind)
                if self.interrupted:
                    break

    @property
    def begins_low(self) -> bool:
        """Whether the model begins well below the loss of a blind answer, as hardly an untrained one does."""
        losses, at_start = self.curves[-1].losses, self.curves[-1].start_losses
        if len(losses) == 0:
            return False
        return self.blind[-1].is_passed(
            starting_level(losses) if at_start is None else float(at_start.mean())
        )

    @property
    def trained_before(self) -> bool:
        """Whether the model was trained before, by its loss or because most of it stays as it is."""
        trained, every = self.parameters
        return self.begins_low or 0 < trained < LEAST * every

    @property
    def can_run(self) -> bool:
        """Whether it can train at one rate: not where a sweep is measured in a way of its own."""
        return self._measure is None

    def last_task(self) -> AbstractContextManager[Task]:
        """The task of the last sweep, as it was before that."""
        return self._open_task(self._made - 1)

    def last_task_with_held_out(self) -> AbstractContextManager[Task] | None:
        """The same with samples held out; None where none can be."""
        tasks = self._open_task.with_held_out() if isinstance(self._open_task, HoldsOut) else None
        return None if tasks is None else tasks(self._made - 1)

    def run(self, task: Task, lr: float, steps: int, told: OnStep, *, paired: bool = True) -> Curve:
        """Trains a task at one rate, for so many steps or until it diverges.

        The loss of a model that was trained before differs by more than a factor of 4 from batch to batch:
        there it diverges where it is not finite.

        Args:
            task: To be trained.
            lr: The rate.
            steps: The most.
            told: Told of every one.
            paired: Beside the model as it was at the start, if the sweeps are.

        Raises:
            KeyboardInterrupt: The user stopped it.
        """
        options = sweep_options(self.settings)
        options = dataclasses.replace(options, paired=paired and options.paired)
        if self.begins_low:
            options = dataclasses.replace(options, stop_factor=None)
        curve = sweep(task, np.full(steps, lr), options=options, on_step=told)
        self.skipped |= dict.fromkeys(task.skipped)
        self.steps += len(curve)
        if curve.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        return curve

    def _swept(self, i: int, settings: RangeSettings, told: OnStep) -> tuple[Curve, BlindAnswer]:
        """The sweep of a seed, here, and the best blind answer for its batches."""
        with self._open_task(i) as task:
            if i == 0:
                self.about = (task.title, str(task.device), task.notes)
                self.groups = groups_of(task.model, task.optimizer)
                self.parameters = count_trained(task.model, task.optimizer)
                if self.settings.horizon is not None:
                    self.horizon = horizon_steps(self.settings.horizon, task.epoch_steps), task.epoch_steps
                paired = self._measure is None and settings.paired
                if paired and (said := said_of_control(task)) is not None:
                    self.observer.note(said)
            blind = UNKNOWN
            if self._measure is not None:  # others learn beside what is swept
                curve = self._measure(task, settings, told)
            else:
                self.batches_a_step = task.options.accumulation_steps
                targets = Targets(task.objective)
                met = dataclasses.replace(task, batches=targets.passing(task.batches))
                curve = sweep_task(met, settings, told)
                if curve.status is not Status.INTERRUPTED:  # else one rank alone knows that it is over
                    blind = targets.blind_answer(task.peers)
                    if i == 0 and (said := targets.order_note()):
                        task.notes.append(said)
            self.skipped |= dict.fromkeys(task.skipped)
            return curve, blind


def _launched(
    open_task: ConfigTasks, settings: RangeSettings, seeds: Sequence[int], shown: OnStep
) -> dict[int, JobResult[Curve]]:
    """The sweeps of these seeds, wherever the launcher of this run has them done."""
    swept: dict[int, JobResult[Curve]] = {}

    def on_result(job: SeedJob, result: JobResult[Curve]) -> None:
        swept[job[0]] = result
        curve = result.found
        if len(curve):
            values = (float(each[-1]) for each in (curve.lrs, curve.losses, curve.smoothed))
            shown(Step(len(swept) * settings.num_steps - 1, *values))

    jobs = [(seed, None) for seed in seeds]
    codec = codec_of(Curve, status=Status)
    sweep_seed = partial(_sweep_seed, settings)
    launch_seeds(open_task, sweep_seed, jobs, codec, on_result, kept=lambda: not_kept(len(swept)))
    return swept


def _sweep_seed(settings: RangeSettings, task: Task, job: SeedJob, on_step: OnStep) -> Curve:
    return sweep_task(task, settings, on_step)


def sweep_task(task: Task, settings: RangeSettings, on_step: OnStep) -> Curve:
    """The curve of a task; `sweep` with the settings of a range test."""
    return sweep(
        task,
        ladder(settings.spacing, settings.start_lr, settings.end_lr, settings.num_steps),
        options=sweep_options(settings),
        on_step=on_step,
    )


def sweep_options(settings: RangeSettings) -> SweepOptions:
    """What a sweep measures and when it stops, by the settings of a range test."""
    return SweepOptions.of(
        num_steps=settings.num_steps,
        beta=settings.beta,
        stop_factor=settings.stop_factor,
        paired=settings.paired,
        skip_start=settings.skip_start,
        skip_end=settings.skip_end,
        validation_every=settings.validation.every,
    )


def shown_later(shown: OnStep, offset: int, step: Step) -> None:
    """Tells of a step as one that comes so many steps later."""
    shown(dataclasses.replace(step, index=step.index + offset))
