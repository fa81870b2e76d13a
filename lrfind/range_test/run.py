"""The range test of a config, run and read: what `range` writes down and other commands start from."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lrfind.errors import ConfigError
from lrfind.range_test.config import Groups, Metric
from lrfind.range_test.curve_smoothing import losses_of, smoothed_curve
from lrfind.range_test.firm_answer import firm_answer
from lrfind.range_test.held_out_run import with_unseen_overfitting
from lrfind.range_test.horizon import at_horizon
from lrfind.range_test.ladder import DEFAULT_END, DEFAULT_START
from lrfind.range_test.peaks import peaks_record
from lrfind.range_test.reading import Reading, read, repeats_of
from lrfind.range_test.repeats import median_curve
from lrfind.range_test.shape import Shape
from lrfind.range_test.slower_sweep import AUTO, NOTHING_LEFT, PLATEAU
from lrfind.range_test.sweeps import Measure, Sweeps
from lrfind.range_test.verdict import doubted
from lrfind.report.no_learning import little_left, no_learning_shown, unscaled
from lrfind.report.record import plain
from lrfind.schedules.peaks import named_peaks
from lrfind.suggestion import AT_A_CONSTANT_RATE, Status
from lrfind.tasks.config_runs import ConfigTasks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lrfind.range_test.config import RangeConfig, RangeSettings
    from lrfind.range_test.curve import Curve
    from lrfind.range_test.repeats import Repeats
    from lrfind.report.observers import Observer
    from lrfind.suggestion import Group
    from lrfind.tasks.data.dataset import Data
    from lrfind.training.task import OpenTask

ONE_BATCH = (
    "Every step had the same batch (range.single_batch=true), so that it is the rate for learning that "
    "batch; for training on all of them leave range.single_batch out."
)
"""How the reason ends where every step had the same batch."""


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
    sweeps = Sweeps(open_task, settings, observer, measure, steps_a_rate)
    reasons: list[str] = []
    together: list[Curve] = []
    if settings.repeats != AUTO:
        assert isinstance(settings.repeats, int)
        sweeps.make(settings, settings.repeats)
        curve, together = median_curve(sweeps.curves, beta=settings.beta), sweeps.curves
        reading = read(curve, rule=settings.rule, sweeps=together)
    else:
        curve, reading, reasons = firm_answer(sweeps, most_steps)
    if sweeps.interrupted:
        whole = len(sweeps.curves) > 1 or sweeps.curves[-1].status is not Status.INTERRUPTED
        later = settings.repeats == AUTO and whole
        curve, known = dataclasses.replace(curve, status=Status.INTERRUPTED), reading
        reading = read(curve, rule=settings.rule, sweeps=together)
        if later:
            reading = dataclasses.replace(
                reading,
                trials=known.trials,
                held_out=known.held_out,
                seen=known.seen,
                advice=known.advice,
            )
    several = None
    if len(sweeps.curves) > 1 or settings.repeats not in (1, AUTO):
        seeds = range(first_seed, first_seed + len(sweeps.curves))
        several = repeats_of(sweeps.curves, seeds, rule=settings.rule, reason="; ".join(reasons) or None)
    if settings.single_batch and (found := reading.suggestion) is not None:
        reason = found.reason.replace(AT_A_CONSTANT_RATE, ONE_BATCH)
        reading = dataclasses.replace(reading, suggestion=dataclasses.replace(found, reason=reason))
    if sweeps.horizon is not None:
        reading = at_horizon(reading, *sweeps.horizon)
    reading = dataclasses.replace(reading, trained_before=sweeps.trained_before)
    if reading.suggestion is not None:
        seen = reading.seen
        if most_steps is None:
            seen = with_unseen_overfitting(reading, curve, trained=reading.trained_before)
        no_learning = _no_learning(sweeps, reading)
        seen = doubted(seen) if no_learning else seen
        reading = dataclasses.replace(reading, no_learning=no_learning, seen=seen)
    elif scale := _scale(sweeps, reading, curve):
        reading = dataclasses.replace(reading, advice=scale)
    elif _nothing_left(sweeps, reading, curve):
        reading = dataclasses.replace(reading, advice=NOTHING_LEFT)
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


def _scale(sweeps: Sweeps, reading: Reading, curve: Curve) -> str:
    """What is advised where the rates were not at fault, but the scale of the data."""
    shapes = [Shape.DIVERGES_AT_ONCE, Shape.NEVER_FALLS, Shape.TOO_NOISY]
    if sweeps.settings.end_lr >= DEFAULT_END:
        shapes += [Shape.FLAT, Shape.FALLS_TO_END]
    if reading.shape not in shapes or sweeps.settings.start_lr > DEFAULT_START:
        return ""
    return unscaled(sweeps.blind[-1], float(curve.losses[0]))


def _nothing_left(sweeps: Sweeps, reading: Reading, curve: Curve) -> bool:
    """Whether no rate shows since the model was trained before, and not for lack of steps or of higher rates.

    Any rate does next to nothing to a loss that begins with next to nothing.
    """
    if reading.advice == PLATEAU:
        return sweeps.begins_low
    flat = reading.shape in (Shape.FLAT, Shape.FALLS_TO_END)
    return flat and bool(little_left(sweeps.blind[-1], smoothed_curve(losses_of(curve)).plateau))


def _no_learning(sweeps: Sweeps, reading: Reading) -> str:
    """What is said where no sweep and no run shows that the model learns, or little is left to learn."""
    held_out = reading.held_out
    if held_out is not None and not held_out.learns:
        said = held_out.in_words
        if held_out.higher:
            return f"{said} lrfind verify tells what other rates come to."
        return f"{said} See whether the labels belong to the inputs; lrfind verify tries lower rates."
    lengths = reading.trials.lengths if reading.trials else ()
    if sweeps.curves[0].accuracies is not None and lengths:  # the losses of these runs are not kept
        return ""
    blind = next((each for each in reversed(sweeps.blind) if each.is_known), None)
    if blind is None:
        return ""
    each = [smoothed_curve(losses_of(curve)) for curve in sweeps.curves]
    if said := little_left(blind, each[-1].plateau):
        return said
    if held_out is not None and held_out.blind.is_known:  # a better witness than losses of the batches
        return no_learning_shown(held_out.blind, held_out.losses[0], min(held_out.losses.values()))
    lowest, beaten = [], []
    for curve, line, known in zip(sweeps.curves, each, sweeps.blind, strict=True):
        if len(line):
            # Every sweep has a level of its own, that of the targets it met.
            lowest.append(float(line.drawn.min()) / (known.loss if known.is_known else blind.loss))
            read = curve.losses[: line.first_step + len(line)]
            beaten.append(known.is_beaten_by(read, parts=sweeps.batches_a_step))
    for runs in lengths:
        lowest.append(runs.losses[runs.best] / blind.loss)
        beaten.append(runs.beaten.get(runs.best, True))
    below = [ratio for ratio, surely in zip(lowest, beaten, strict=True) if surely]
    least, surely = blind.loss * min(lowest, default=math.nan), blind.loss * min(below, default=math.inf)
    return no_learning_shown(blind, each[-1].plateau, least, surely)
