"""Whether a sweep is enough, and the slower one that follows if not: what `range.repeats=auto` decides."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Final

import numpy as np

from lrfind.range_test.ladder import DEFAULT_END, Spacing
from lrfind.range_test.shape import Shape, multiplied
from lrfind.suggestion import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.range_test.config import RangeSettings
    from lrfind.range_test.curve import Curve
    from lrfind.range_test.reading import Reading
    from lrfind.range_test.smoothed_curve import SmoothedCurve
    from lrfind.range_test.trials import Trials

AUTO: Final = "auto"
"""The word for as many sweeps as the ones before ask for."""

AUTO_SWEEPS = 2
"""Sweeps in all at most; where the last is weak too, runs at constant rates follow (`trials`)."""

SLOWER = 3
"""Times as many steps a decade as the sweep before."""

FAINT = 0.08
"""Share of the loss that it must fall by for its valley to be one of learning. Where it falls by less the
ladder was over before training had begun, and what ends the valley is only the rate at which a model that has
learnt nothing breaks down."""

NOISY = 0.7
"""`SmoothedCurve.disagreement`, times the root of the ladder's speed, above which runs at constant rates
decide. In the few updates that a sweep makes at a rate their noise does not add up; in a training it does."""

BELOW = 10.0
"""The slower ladder begins at that part of the rate at which the loss began to fall."""

MOST_SAID = 5.0
"""A disagreement above which it is not told how large it is."""

FIRST_STEPS = 0.1
"""Share of the steps in which a loss explodes that starts from too high a rate, however slowly it rises."""

UNDECIDED = (Shape.FLAT, Shape.NEVER_FALLS, Shape.TOO_NOISY)
"""Shapes without an answer that a slower sweep may have another one of."""


SEEN = {
    Shape.FLAT: "hardly moved",
    Shape.NEVER_FALLS: "rose without a clear fall",
    Shape.TOO_NOISY: "was too noisy to read",
    Shape.DIVERGES_AT_ONCE: "only rose",
}
"""What a sweep shows that has no answer and asks for more, behind the name of what was read."""

PLATEAU = (
    "A network that sits on a plateau has to train for longer before a rate shows: give it ten times the "
    "range.num_steps, or a normalisation or an initialisation that starts at once. Data that hold nothing to "
    "learn look the same."
)
"""What is advised where next to nothing is learnt at any rate."""

NOTHING_LEFT = (
    "The model was trained before, and these samples may have nothing left to teach it. lrfind verify reads "
    "samples that are held out, and tells."
)
"""The same where the model was trained before."""


def why_weak(curve: Curve, reading: Reading, *, trained: bool = False) -> str | None:
    """Why more is to follow than this sweep; None where the answer is firm, or where more would say the same.

    Args:
        curve: What the sweep measured.
        reading: What was read from it.
        trained: Whether the model is trained already, so that every ladder ends far above its start.
    """
    smoothed = reading.smoothed
    if reading.suggestion is None:
        # A loss that rose from the start but never far is not lost; one that exploded at the first rates is.
        risen = reading.shape is Shape.DIVERGES_AT_ONCE and (trained or curve.status is Status.COMPLETED)
        risen = risen and multiplied(curve) >= FIRST_STEPS * curve.planned_steps
        # To a lower end the ladder is to go on; by this one a model that saturates has not turned yet.
        if reading.shape is Shape.FALLS_TO_END and curve.lrs[-1] > DEFAULT_END / 2:
            return f"in {len(curve)} steps the {curve.metric} fell to the end of the ladder"
        # Shares of right answers can stay exactly as they were until they are lost.
        moved = smoothed.climb is not None or (
            len(smoothed) > 0 and bool(np.any(smoothed.raw != smoothed.plateau))
        )
        if not moved or not (risen or reading.shape in UNDECIDED):
            return None
        return f"in {len(curve)} steps the {curve.metric} {SEEN[reading.shape]}"
    if smoothed.share_lost >= FAINT:
        return None
    return f"in {len(curve)} steps the {curve.metric} fell by {_faint_fall(smoothed)} before it turned"


def why_noisy(curve: Curve, smoothed: SmoothedCurve) -> str | None:
    """Why a training may not stand the rate that a sweep shows; None where that is no question of noise."""
    if smoothed.disagreement * math.sqrt(smoothed.haste) <= NOISY:
        return None
    by = f"more than {MOST_SAID:g} times"
    if smoothed.disagreement < MOST_SAID:
        by = f"{smoothed.disagreement:.0%} of"
    return f"what {len(curve)} steps do to the loss differs from batch to batch by {by} its mean"


def _faint_fall(smoothed: SmoothedCurve) -> str:
    """By how much the drawn line fell; and the average that is judged, where the line does not show that."""
    level, average = abs(smoothed.plateau), f"only {smoothed.share_lost:.1%}"
    drawn = (smoothed.plateau - float(smoothed.drawn[smoothed.lowest_drawn])) / level
    if 0 < drawn < FAINT:
        return f"only {drawn:.1%}"
    average += " on average over neighbouring rates"
    return average if drawn <= 0 else f"{average} ({drawn:.1%} at single rates)"


def cannot_follow(weak: str, *, iterator: bool, own_step: bool) -> str:
    """What is said where more would follow a weak sweep, and cannot; empty where it can.

    Args:
        weak: Why it is weak.
        iterator: Whether the batches are those of an iterator.
        own_step: Whether a step is one of the caller's own.
    """
    if iterator:
        return (
            f" More would follow, since {weak}, but the loader is an iterator, which cannot begin again: "
            "give the DataLoader itself, or whatever makes such iterators."
        )
    if own_step:
        return (
            f" Runs at constant rates would follow, since {weak}, but a step of one's own cannot be trained "
            "so: the best rate may lie many times higher."
        )
    return ""


def slower_shows_more(reading: Reading) -> bool:
    """Whether a slower sweep to the same end may show more; it does not show what lies beyond that end."""
    return reading.shape is not Shape.FALLS_TO_END


def slower(settings: RangeSettings, reading: Reading) -> RangeSettings:
    """The settings of a slower sweep to the same end, which leaves out the rates that moved nothing.

    Where there is no answer, all rates are swept: what fell where is then not known.
    """
    start, end = settings.start_lr, settings.end_lr
    smoothed = reading.smoothed
    if reading.suggestion is not None:
        start = max(start, float(smoothed.lrs[smoothed.falls.start]) / BELOW)
    left = end - start, end - settings.start_lr
    if settings.spacing is Spacing.GEOMETRIC:
        left = math.log(end / start), math.log(end / settings.start_lr)
    steps = SLOWER * (settings.num_steps - 1) * left[0] / left[1]
    return dataclasses.replace(settings, start_lr=start, num_steps=math.ceil(round(steps, 6)) + 1)


def still_nothing(curves: Sequence[Curve], trials: Trials | None = None) -> str:
    """What is said where neither sweeps nor runs at constant rates have an answer.

    Args:
        curves: The sweeps.
        trials: The runs, where there were any.
    """
    if trials is not None and not trials.turned:
        return trials.lowest_in_words
    shown = [f"A slower sweep of {len(curves[-1]):,} steps shows no more"] if len(curves) > 1 else []
    if trials is not None:
        runs = " and ".join(f"{len(each.losses)} runs of {each.steps} steps" for each in trials.lengths)
        runs += " at constant rates"
        shown.append(f"nor do {runs}" if shown else f"{runs} show no more")
    return f"{', '.join(shown)}."
