"""The range test of a config, run and read: what `range` writes down and other commands start from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from lrfind.errors import ConfigError
from lrfind.execution.launcher import chosen_launcher
from lrfind.range_test.config import Groups, Metric
from lrfind.range_test.curve import Curve
from lrfind.range_test.horizon import at_horizon, horizon_steps
from lrfind.range_test.ladder import ladder
from lrfind.range_test.peaks import named_peaks, peaks_record
from lrfind.range_test.reading import DEFAULT_RULE, Reading, read, repeats_of
from lrfind.range_test.repeats import median_curve
from lrfind.range_test.slower_sweep import AUTO, AUTO_SWEEPS, FAINT, slower, still_nothing, why_weak
from lrfind.range_test.sweep import Step, SweepOptions, said_of_control, sweep
from lrfind.range_test.trials import LONGER, SLACK, Trials, first_rate, last_loss, searched
from lrfind.range_test.trials import STEPS as TRIAL_STEPS
from lrfind.report.record import plain
from lrfind.suggestion import Status, rate_text
from lrfind.tasks.build import ConfigTasks
from lrfind.tasks.seed_jobs import codec_of, launch_seeds, not_kept
from lrfind.training.optimizer import groups_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lrfind.range_test.config import RangeConfig, RangeSettings
    from lrfind.range_test.repeats import Repeats
    from lrfind.range_test.sweep import OnStep
    from lrfind.report.observers import Observer
    from lrfind.suggestion import Group
    from lrfind.tasks.data.dataset import Data
    from lrfind.tasks.seed_jobs import JobResult, SeedJob
    from lrfind.training.task import OpenTask, Task


Measure = Callable[["Task", "RangeSettings", "OnStep"], "Curve"]
"""Makes the curve of one sweep of a task."""


@dataclass(frozen=True, slots=True, eq=False)
class RangeTest:
    """A range test and what was read from it.

    Attributes:
        curve: What was measured; of several sweeps the median.
        reading: What was read from it.
        repeats: The several sweeps, or None for one.
        steps: Training steps taken.
        title: What was trained on what and how.
        device: Where, as torch spells it.
        notes: What the user should know of the task.
        skipped: Pictures that could not be read.
        groups: The optimizer's groups with their rates; none where there is only one.
        peaks: The peaks of schedules that were measured to go with the suggestion, by policy.
    """

    curve: Curve
    reading: Reading
    repeats: Repeats | None
    steps: int
    title: str
    device: str
    notes: list[str]
    skipped: list[str]
    groups: tuple[Group, ...] = ()
    peaks: Mapping[str, float] = field(default_factory=dict)


def range_test_of(
    config: RangeConfig, *, observer: Observer, data: Data | None = None, most_steps: int | None = None
) -> RangeTest:
    """The range test of a config, on the task that it names.

    Args:
        config: Validated.
        observer: Told of every step.
        data: The data, where it has been read already.
        most_steps: As in `run_range_test`.

    Raises:
        UserError: Something cannot be used as given.
    """
    settings = config.range
    if settings.groups is Groups.EACH:
        raise ConfigError(
            "range.groups=each answers a rate for each group of parameters, and here one rate is wanted: use "
            "range.groups=ratio, and give the optimizer's groups the rates that range.groups=each finds."
        )
    tasks = ConfigTasks(
        config,
        accuracy=settings.metric is Metric.ACCURACY,
        validation_samples=settings.validation.samples,
        single_batch=settings.single_batch,
        data=data,
    )
    return run_range_test(tasks, settings, observer, first_seed=config.seed, most_steps=most_steps)


def run_range_test(
    open_task: OpenTask,
    settings: RangeSettings,
    observer: Observer,
    *,
    first_seed: int = 0,
    measure: Measure | None = None,
    steps_a_rate: int = 1,
    most_steps: int | None = None,
) -> RangeTest:
    """Sweeps a task, as often as `repeats` says, and reads the curve.

    Args:
        open_task: Opens the task of each sweep.
        settings: How to sweep and to read.
        observer: Told of every step.
        first_seed: What the first sweep's seed is called.
        measure: Makes the curve of a sweep; None: `sweep_task`.
        steps_a_rate: Steps that it tells of for each rate of the ladder.
        most_steps: Steps that slower sweeps may not exceed, all together, and then no rate is tried by
            itself; None: no limit.

    Returns:
        What was measured; interrupted, what was measured until then.

    Raises:
        UserError: Something cannot be used as given.
        KeyboardInterrupt: Before anything was measured.
    """
    sweeps = _Sweeps(open_task, settings, observer, measure, steps_a_rate)
    reasons: list[str] = []
    together: list[Curve] = []
    if settings.repeats != AUTO:
        assert isinstance(settings.repeats, int)
        sweeps.make(settings, settings.repeats)
        curve, together = median_curve(sweeps.curves, beta=settings.beta), sweeps.curves
        reading = read(curve, rule=settings.rule, sweeps=together)
    else:
        curve, reading, reasons = _until_firm(sweeps, settings, observer, most_steps)
    if sweeps.interrupted:
        curve = dataclasses.replace(curve, status=Status.INTERRUPTED)
        reading = read(curve, rule=settings.rule, sweeps=together)
    several = None
    if len(sweeps.curves) > 1 or settings.repeats not in (1, AUTO):
        seeds = range(first_seed, first_seed + len(sweeps.curves))
        several = repeats_of(sweeps.curves, seeds, rule=settings.rule, reason="; ".join(reasons) or None)
    if sweeps.horizon is not None:
        reading = at_horizon(reading, *sweeps.horizon)
    title, device, notes = sweeps.about
    return RangeTest(
        curve=curve,
        reading=reading,
        repeats=several,
        steps=sweeps.steps,
        title=title,
        device=device,
        notes=notes,
        skipped=list(sweeps.skipped),
        groups=tuple(group.following(reading.suggestion) for group in sweeps.groups),
        peaks=named_peaks(peaks_record(reading, plain(settings))),
    )


def _until_firm(
    sweeps: _Sweeps, settings: RangeSettings, observer: Observer, most_steps: int | None
) -> tuple[Curve, Reading, list[str]]:
    """What `range.repeats=auto` makes: a sweep, a slower one and trials, each where the one before is weak.

    Returns:
        The curve that is read, what is read, and why there is more than one sweep.
    """
    ladder_of, reasons = settings, []
    found: list[tuple[Curve, Reading]] = []
    while True:
        sweeps.make(ladder_of, 1)
        found.append((sweeps.curves[-1], read(sweeps.curves[-1], rule=settings.rule)))
        reason = why_weak(*found[-1])
        if reason is None or sweeps.interrupted or len(found) == AUTO_SWEEPS:
            break
        ladder_of = slower(ladder_of, found[-1][1])
        if most_steps is not None and sweeps.steps + ladder_of.num_steps > most_steps:
            break
        reasons.append(reason)
        count, start = ladder_of.num_steps, rate_text(ladder_of.start_lr)
        observer.note(f"{reason}; a slower sweep, {count:,} steps from {start}.")
    answers = [each for each in found if each[1].suggestion is not None]
    curve, reading = (answers or found)[-1]
    trials = None
    if reason is not None and most_steps is None and sweeps.can_try and settings.rule is DEFAULT_RULE:
        lr = None if reading.suggestion is None else reading.suggestion.lr
        smoothed = found[-1][1].smoothed
        first = first_rate(lr, smoothed)
        if first is not None and not sweeps.interrupted:
            trials = sweeps.try_rates(settings, first, smoothed.plateau, reason)
    if trials is not None and (answers or trials.share_lost >= FAINT):
        suggestion = trials.suggestion((settings.start_lr, settings.end_lr), reading.metric)
        verdict = (
            f"The sweeps showed too little, so {len(trials.losses)} runs at constant rates decided. "
            f"Of the last sweep alone: {reading.verdict}"
        )
        reading = dataclasses.replace(reading, suggestion=suggestion, trials=trials, verdict=verdict)
    elif reasons and not answers:
        verdict = f"{reading.verdict} {still_nothing(sweeps.curves, reading.shape, trials)}"
        reading = dataclasses.replace(reading, trials=trials, verdict=verdict)
    return curve, reading, reasons


class _Sweeps:
    """Makes the sweeps of a test, one after another, each with the next seed, and trials at constant rates.

    Attributes:
        curves: What they measured.
        steps: Training steps taken.
        interrupted: Whether the user stopped one.
        about: Title, device and notes of the task.
        groups: Its groups of parameters.
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
            What the longest runs came to; None where the user stopped them.
        """
        steps, before = TRIAL_STEPS, self.steps
        ends = min(settings.start_lr, first), settings.end_lr
        self._observer.note(f"{reason}; runs of {steps} steps at constant rates, from {rate_text(first)} on.")
        while True:
            try:
                losses = searched(
                    first, partial(self._tried, settings, start, steps), ends, slack=SLACK * abs(start)
                )
            except KeyboardInterrupt:
                self.interrupted = True
                return None
            trials = Trials(steps, start, losses, self.steps - before)
            if trials.share_lost >= FAINT or steps > TRIAL_STEPS:
                return trials
            steps, first = LONGER * steps, trials.best
            self._observer.note(
                f"in {trials.steps} steps the loss fell by {max(0.0, trials.share_lost):.1%} at most; runs "
                f"of {steps} steps."
            )

    def _tried(self, settings: RangeSettings, start: float, steps: int, lr: float) -> float:
        """The loss that a run at one rate ends with; every run begins as the last sweep did.

        Raises:
            KeyboardInterrupt: The user stopped it.
        """
        with self._observer.steps(steps) as shown, self._open_task(self._made - 1) as task:
            curve = sweep(task, np.full(steps, lr), options=sweep_options(settings), on_step=shown)
            self.skipped |= dict.fromkeys(task.skipped)
        self.steps += len(curve)
        if curve.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        return last_loss(curve, start)

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
