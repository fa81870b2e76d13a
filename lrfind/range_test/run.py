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
from lrfind.range_test.reading import Reading, read, repeats_of
from lrfind.range_test.repeat_reason import AUTO, sweeps_in_all
from lrfind.range_test.repeats import median_curve
from lrfind.range_test.sweep import Step, SweepOptions, said_of_control, sweep
from lrfind.report.record import plain
from lrfind.suggestion import Status
from lrfind.tasks.build import ConfigTasks
from lrfind.tasks.seed_jobs import codec_of, launch_seeds
from lrfind.training.groups import groups_of

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


def range_test_of(config: RangeConfig, *, observer: Observer, data: Data | None = None) -> RangeTest:
    """The range test of a config, on the task that it names.

    Args:
        config: Validated.
        observer: Told of every step.
        data: The data, where it has been read already.

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
    return run_range_test(tasks, settings, observer, first_seed=config.seed)


def run_range_test(
    open_task: OpenTask,
    settings: RangeSettings,
    observer: Observer,
    *,
    first_seed: int = 0,
    measure: Measure | None = None,
    steps_a_sweep: int | None = None,
) -> RangeTest:
    """Sweeps a task, as often as `repeats` says, and reads the curve.

    Args:
        open_task: Opens the task of each sweep.
        settings: How to sweep and to read.
        observer: Told of every step.
        first_seed: What the first sweep's seed is called.
        measure: Makes the curve of a sweep; None: `sweep_task`.
        steps_a_sweep: Steps that it tells of; None: those of the ladder.

    Returns:
        What was measured; interrupted, what was measured until then.

    Raises:
        UserError: Something cannot be used as given.
        KeyboardInterrupt: Before anything was measured.
    """
    curves: list[Curve] = []
    skipped: dict[str, None] = {}
    interrupted, reason, steps = False, None, 0
    about: tuple[str, str, list[str]] | None = None
    groups: tuple[Group, ...] = ()
    horizon: tuple[int, float | None] | None = None
    elsewhere: dict[int, JobResult[Curve]] = {}
    planned = settings.repeats if isinstance(settings.repeats, int) else 1
    length = steps_a_sweep or settings.num_steps
    while len(curves) < planned and not interrupted:
        begun = len(curves)
        with observer.steps((planned - begun) * length) as shown:
            for i in range(begun, planned):
                told = partial(shown_later, shown, (i - begun) * length) if i > begun else shown
                try:
                    if i > 0 and measure is None and _goes_elsewhere(open_task):
                        if i not in elsewhere:
                            elsewhere = _launched(open_task, settings, range(i, planned), told)
                        curve = elsewhere[i].found
                        skipped |= dict.fromkeys(elsewhere[i].skipped)
                    else:
                        with open_task(i) as task:
                            if about is None:
                                about = (task.title, str(task.device), task.notes)
                                groups = groups_of(task.model, task.optimizer)
                                if settings.horizon is not None:
                                    epoch = task.epoch_steps
                                    horizon = horizon_steps(settings.horizon, epoch), epoch
                                paired = measure is None and settings.paired
                                if paired and (said := said_of_control(task)) is not None:
                                    observer.note(said)
                            curve = (measure or sweep_task)(task, settings, told)
                            skipped |= dict.fromkeys(task.skipped)
                        del task  # of several, one model at a time
                except KeyboardInterrupt:
                    if not curves:
                        raise
                    interrupted = True
                    break
                interrupted = curve.status is Status.INTERRUPTED
                steps += len(curve)
                if reason is not None and i == 1 and np.array_equal(curve.losses, curves[0].losses):
                    # The same start and the same batches again: more sweeps tell nothing new.
                    planned, reason = 1, None
                    break
                if len(curve) or not curves:
                    curves.append(curve)
                if interrupted:
                    break
        if begun == 0 and settings.repeats == AUTO and not interrupted:
            planned, reason = sweeps_in_all(curves[0], AUTO, rule=settings.rule)
            if reason is not None:
                observer.note(f"{reason}; {planned - 1} more sweeps.")
    assert about is not None
    curve = median_curve(curves, beta=settings.beta)
    if interrupted:
        curve = dataclasses.replace(curve, status=Status.INTERRUPTED)
    seeds = range(first_seed, first_seed + planned)
    several = repeats_of(curves, seeds, rule=settings.rule, reason=reason) if planned > 1 else None
    reading = read(curve, rule=settings.rule)
    if horizon is not None:
        reading = at_horizon(reading, *horizon)
    return RangeTest(
        curve=curve,
        reading=reading,
        repeats=several,
        steps=steps,
        title=about[0],
        device=about[1],
        notes=about[2],
        skipped=list(skipped),
        groups=tuple(group.following(reading.suggestion) for group in groups),
        peaks=named_peaks(peaks_record(reading.suggestion, plain(settings))),
    )


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
    launch_seeds(open_task, partial(_sweep_seed, settings), jobs, codec_of(Curve, status=Status), on_result)
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
