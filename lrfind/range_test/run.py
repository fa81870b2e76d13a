"""The range test of a config, run and read: what `range` writes down and other commands start from."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lrfind.errors import ConfigError
from lrfind.range_test.config import Groups, Metric
from lrfind.range_test.curve_smoothing import losses_of, smoothed_curve
from lrfind.range_test.horizon import at_horizon
from lrfind.range_test.peaks import peaks_record
from lrfind.range_test.reading import DEFAULT_RULE, Reading, read, repeats_of
from lrfind.range_test.repeats import median_curve
from lrfind.range_test.shape import Shape
from lrfind.range_test.slower_sweep import (
    AUTO,
    AUTO_SWEEPS,
    FAINT,
    PLATEAU,
    slower,
    slower_shows_more,
    still_nothing,
    why_weak,
)
from lrfind.range_test.sweeps import Measure, Sweeps
from lrfind.range_test.trials import LEARNT, first_rate
from lrfind.range_test.trials import RULE as TRIALS
from lrfind.report.no_learning import no_learning_shown
from lrfind.report.record import plain
from lrfind.schedules.peaks import named_peaks
from lrfind.suggestion import AT_A_CONSTANT_RATE, Status, rate_text
from lrfind.tasks.build import ConfigTasks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lrfind.range_test.config import RangeConfig, RangeSettings
    from lrfind.range_test.curve import Curve
    from lrfind.range_test.repeats import Repeats
    from lrfind.range_test.trials import Trials
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
        curve, reading, reasons = _until_firm(sweeps, settings, observer, most_steps)
    if sweeps.interrupted:
        later = settings.repeats == AUTO and sweeps.curves[-1].status is not Status.INTERRUPTED
        curve, known = dataclasses.replace(curve, status=Status.INTERRUPTED), reading
        reading = read(curve, rule=settings.rule, sweeps=together)
        if later:
            reading = dataclasses.replace(reading, trials=known.trials, verdict=known.verdict)
    several = None
    if len(sweeps.curves) > 1 or settings.repeats not in (1, AUTO):
        seeds = range(first_seed, first_seed + len(sweeps.curves))
        several = repeats_of(sweeps.curves, seeds, rule=settings.rule, reason="; ".join(reasons) or None)
    if settings.single_batch and (found := reading.suggestion) is not None:
        reason = found.reason.replace(AT_A_CONSTANT_RATE, ONE_BATCH)
        reading = dataclasses.replace(reading, suggestion=dataclasses.replace(found, reason=reason))
    if sweeps.horizon is not None:
        reading = at_horizon(reading, *sweeps.horizon)
    if reading.suggestion is not None:
        reading = dataclasses.replace(reading, no_learning=_no_learning(sweeps, reading))
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


def _no_learning(sweeps: Sweeps, reading: Reading) -> str:
    """What is said where no sweep and no run at a constant rate shows that the model learns."""
    lengths = reading.trials.lengths if reading.trials else ()
    if sweeps.curves[0].accuracies is not None and lengths:  # the losses of these runs are not kept
        return ""
    each = [smoothed_curve(losses_of(curve)) for curve in sweeps.curves]
    lowest = [float(smoothed.drawn.min()) for smoothed in each if len(smoothed)]
    lowest += [min(runs.losses.values()) for runs in lengths]
    return no_learning_shown(sweeps.equal_shares, each[0].plateau, min(lowest, default=math.nan))


def _until_firm(
    sweeps: Sweeps, settings: RangeSettings, observer: Observer, most_steps: int | None
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
        if not slower_shows_more(found[-1][1]):
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
        first = first_rate(lr, smoothed, None if slower_shows_more(found[-1][1]) else settings.end_lr)
        if first is not None and not sweeps.interrupted:
            trials = sweeps.try_rates(settings, first, smoothed.plateau, reason)
    if sweeps.interrupted:
        verdict = _interrupted_in_words(reading, trials, reason)
        return curve, dataclasses.replace(reading, trials=trials, verdict=verdict), reasons
    if trials is not None and reason is not None:
        reading = _with_trials(reading, trials, settings, reason)
    if not answers and reading.suggestion is None and (reasons or trials is not None):
        verdict = f"{reading.verdict} {still_nothing(sweeps.curves, reading.shape, trials)}"
        reading = dataclasses.replace(reading, verdict=verdict)
    return curve, reading, reasons


def _interrupted_in_words(reading: Reading, trials: Trials | None, reason: str | None) -> str:
    """What there was before the user stopped what followed a whole sweep, which was weak for a reason."""
    answer = "nothing" if reading.suggestion is None else rate_text(reading.suggestion.lr)
    said = f"Interrupted, after sweeps that answer {answer}, in what followed because {reason}."
    return " ".join([said, *(each.lowest_in_words for each in (trials.lengths if trials else ()))])


def _with_trials(reading: Reading, trials: Trials, settings: RangeSettings, reason: str) -> Reading:
    """What was read from the sweeps, with the runs at constant rates that followed and what they decide.

    Where the sweeps have no answer a faint fall is none either, nor one that is deepest at the highest rate.
    """
    answered = reading.suggestion is not None
    if trials.share_lost >= (LEARNT if answered else FAINT) and (answered or trials.turned):
        suggestion = trials.suggestion((settings.start_lr, settings.end_lr), reading.metric)
        why = f"{reason[0].upper()}{reason[1:]}"
        verdict = f"{why}, so {len(trials.losses)} runs at constant rates decided."
        if trials.share_lost < FAINT:
            verdict += (
                f" In {trials.steps} steps the {reading.metric} fell by {trials.share_lost:.1%} at best: the "
                "model leaves a plateau later, or learns little but its samples by heart, which a training "
                "loss does not tell."
            )
        return dataclasses.replace(
            reading,
            suggestion=suggestion,
            rules={TRIALS: suggestion.lr, **reading.rules},
            shape=Shape.WEAK if answered else reading.shape,
            trials=trials,
            verdict=verdict,
        )
    if not answered:
        return dataclasses.replace(reading, trials=trials)
    verdict = (
        f"In {trials.steps} steps at constant rates the {reading.metric} fell by "
        f"{max(0.0, trials.share_lost):.1%} at most, too little to tell what a rate is worth. {PLATEAU}"
    )
    return dataclasses.replace(reading, suggestion=None, shape=Shape.FLAT, trials=trials, verdict=verdict)
