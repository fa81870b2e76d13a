"""The sweeps of a task, one after another or wherever a launcher has them made, and runs at one rate."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from lrfind.execution.launcher import chosen_launcher
from lrfind.range_test.curve import Curve
from lrfind.range_test.held_out_run import EVERY, HeldOutRun
from lrfind.range_test.held_out_run import STEPS as HELD_OUT_STEPS
from lrfind.range_test.horizon import horizon_steps
from lrfind.range_test.ladder import ladder
from lrfind.range_test.slower_sweep import FAINT
from lrfind.range_test.sweep import Step, SweepOptions, said_of_control, sweep
from lrfind.range_test.trials import LONGER, SLACK, Trials, last_loss, searched
from lrfind.range_test.trials import STEPS as TRIAL_STEPS
from lrfind.suggestion import Status, rate_text
from lrfind.tasks.config_runs import ConfigTasks
from lrfind.tasks.seed_jobs import codec_of, launch_seeds, not_kept
from lrfind.training.batch import num_samples
from lrfind.training.groups import groups_of
from lrfind.training.peers import mean_of
from lrfind.training.step import evaluate
from lrfind.training.task import HoldsOut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.range_test.config import RangeSettings
    from lrfind.range_test.sweep import OnStep
    from lrfind.report.observers import Observer
    from lrfind.suggestion import Group
    from lrfind.tasks.seed_jobs import JobResult, SeedJob
    from lrfind.training.task import OpenTask, Task

Measure = Callable[["Task", "RangeSettings", "OnStep"], "Curve"]
"""Makes the curve of one sweep of a task."""


class Sweeps:
    """Makes the sweeps of a test, one after another, each with the next seed, and trials at constant rates.

    Attributes:
        curves: What they measured.
        steps: Training steps taken.
        interrupted: Whether the user stopped one.
        about: Title, device and notes of the task.
        groups: Its groups of parameters.
        equal_shares: Its loss where all classes have equal shares; NaN where that is not known.
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
        self.equal_shares = math.nan
        self.horizon: tuple[int, float | None] | None = None
        self.skipped: dict[str, None] = {}
        self._open_task = open_task
        self._asked = settings.horizon
        self._observer = observer
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
        first = self._made
        with self._observer.steps(count * length) as shown:
            for i in range(first, first + count):
                told = partial(shown_later, shown, (i - first) * length) if i > first else shown
                self._made += 1
                try:
                    if i > 0 and self._measure is None and _goes_elsewhere(self._open_task):
                        if i not in elsewhere:
                            elsewhere = _launched(self._open_task, settings, range(i, first + count), told)
                        curve = elsewhere[i].found
                        self.skipped |= dict.fromkeys(elsewhere[i].skipped)
                    else:
                        curve = self._swept(i, settings, told)
                except KeyboardInterrupt:
                    if not self.curves:
                        raise
                    self.interrupted = True
                    break
                self.interrupted = curve.status is Status.INTERRUPTED
                self.steps += len(curve)
                if len(curve) or not self.curves:
                    self.curves.append(curve)
                if self.interrupted:
                    break

    @property
    def can_try(self) -> bool:
        """Whether it can train at one rate: not where a sweep is measured in a way of its own."""
        return self._measure is None

    def try_rates(self, settings: RangeSettings, first: float, start: float, reason: str) -> Trials | None:
        """Trains at rates around a first one, and for longer where the best of them shows little.

        Args:
            settings: Of the sweeps.
            first: The rate to begin with.
            start: Loss of the model as it was at the start.
            reason: Why.

        Returns:
            What the longest runs came to, and the shorter ones; interrupted, those that had ended, and None
            where none had.
        """
        steps, before = TRIAL_STEPS, self.steps
        trials: Trials | None = None
        level = self.equal_shares if self.curves[0].accuracies is None else math.nan
        ends = min(settings.start_lr, first), settings.end_lr
        self._observer.note(f"{reason}; runs of {steps} steps at constant rates, from {rate_text(first)} on.")
        while True:
            ended: dict[float, float] = {}
            tried = partial(self._tried, settings, start, steps, ended)
            try:
                searched(first, tried, ends, start=start, slack=SLACK * abs(start))
            except KeyboardInterrupt:
                self.interrupted = True
            if ended:
                losses = dict(sorted(ended.items()))
                taken = self.steps - before
                trials = Trials(steps, start, losses, taken, trials, level)
            if self.interrupted or trials is None:
                return trials
            if trials.share_lost >= FAINT or not trials.turned or steps > TRIAL_STEPS:
                return trials
            steps, first = LONGER * steps, trials.best
            self._observer.note(
                f"in {trials.steps} steps the loss fell by {max(0.0, trials.share_lost):.1%} at most; runs "
                f"of {steps} steps."
            )

    def _tried(
        self, settings: RangeSettings, start: float, steps: int, losses: dict[float, float], lr: float
    ) -> float:
        """The loss that a run at one rate ends with, noted by its rate; every run begins as the last sweep.

        Raises:
            KeyboardInterrupt: The user stopped it.
        """
        ended = ""

        def words(step: Step) -> str:
            """What the run came to, once that is known; on the way its smoothed loss."""
            at = f"step {step.index + 1} of {steps}, lr {rate_text(lr)}"
            return f"{at}, {ended or f'smoothed loss {rate_text(step.smoothed)}'}"

        with self._observer.steps(steps, words) as shown, self._open_task(self._made - 1) as task:
            curve = sweep(task, np.full(steps, lr), options=sweep_options(settings), on_step=shown)
            self.skipped |= dict.fromkeys(task.skipped)
            self.steps += len(curve)
            if curve.status is Status.INTERRUPTED:
                raise KeyboardInterrupt
            losses[lr] = loss = last_loss(curve, start)
            ended = f"ended at a {curve.metric} of {rate_text(loss)}" if math.isfinite(loss) else "diverged"
        return loss

    def hold_out(self, settings: RangeSettings, lr: float, why: str) -> HeldOutRun | None:
        """Trains at a rate with samples held out; None where none can be, or where the user stopped it.

        Args:
            settings: Of the sweeps.
            lr: The rate.
            why: What makes it worth its steps.
        """
        tasks = self._open_task.with_held_out() if isinstance(self._open_task, HoldsOut) else None
        if tasks is None:
            return None
        run = f"a run of up to {HELD_OUT_STEPS} steps at {rate_text(lr)} with samples held out"
        self._observer.note(f"{why}; {run}.")
        try:
            with self._observer.steps(HELD_OUT_STEPS) as shown, tasks(self._made - 1) as task:
                found = self._held_out(task, settings, lr, shown)
                self.skipped |= dict.fromkeys(task.skipped)
                return found
        except KeyboardInterrupt:
            self.interrupted = True
            return None

    def _held_out(self, task: Task, settings: RangeSettings, lr: float, shown: OnStep) -> HeldOutRun | None:
        """The run on a task with samples held out, from one reading to the next; None where it has no loss.

        Raises:
            KeyboardInterrupt: The user stopped it.
        """
        held_out = task.validation or []
        task = dataclasses.replace(task, validation=None)
        options = dataclasses.replace(sweep_options(settings), paired=False)

        def loss() -> float:
            (found,) = mean_of(task.peers, (float(evaluate(task.objective, held_out)[0]),))
            return found if math.isfinite(found) else math.inf

        run = HeldOutRun(lr, sum(map(num_samples, held_out)), {0: loss()}, {})
        if math.isinf(run.losses[0]):
            return None
        while not (run.training and run.ended):
            told = partial(shown_later, shown, run.steps)
            curve = sweep(task, np.full(EVERY, lr), options=options, on_step=told)
            self.steps += len(curve)
            if curve.status is Status.INTERRUPTED:
                raise KeyboardInterrupt
            at = run.steps + EVERY
            run = dataclasses.replace(
                run,
                losses=run.losses | {at: loss() if curve.status is Status.COMPLETED else math.inf},
                training=run.training | {at: float(curve.losses.mean())},
            )
            if curve.status is not Status.COMPLETED:
                break
        return run

    def _swept(self, i: int, settings: RangeSettings, told: OnStep) -> Curve:
        """The sweep of a seed, here."""
        with self._open_task(i) as task:
            if i == 0:
                self.about = (task.title, str(task.device), task.notes)
                self.groups = groups_of(task.model, task.optimizer)
                if self._asked is not None:
                    self.horizon = horizon_steps(self._asked, task.epoch_steps), task.epoch_steps
                paired = self._measure is None and settings.paired
                if paired and (said := said_of_control(task)) is not None:
                    self._observer.note(said)
            curve = (self._measure or sweep_task)(task, settings, told)
            if self._measure is None:  # else others learn beside what is swept
                self.equal_shares = task.objective.equal_shares
            self.skipped |= dict.fromkeys(task.skipped)
            return curve


def _goes_elsewhere(open_task: OpenTask) -> TypeGuard[ConfigTasks]:
    """Whether the launcher of this run can sweep other seeds."""
    return chosen_launcher() is not None and isinstance(open_task, ConfigTasks)


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
