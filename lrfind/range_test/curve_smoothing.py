"""From a sweep to the line that the rules read: aligned with its causes, cut before its climb, smoothed."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lrfind.range_test.drawn_line import drawn_line
from lrfind.range_test.smoothed_curve import EPOCH_STEPS, STOPPED_EARLY, USUAL_STEPS, SmoothedCurve
from lrfind.statistics import batch_noise, growing_deviation, starting_level
from lrfind.training.smoothing import centred, exponential_average

if TYPE_CHECKING:
    from lrfind.range_test.curve import Curve
    from lrfind.statistics import Floats

SMOOTHING_SHARE = 1 / 40
"""Standard deviation of the smoothing, as a share of the ladder: 2.5 steps of 100."""

PAIRED_SHARE = 1 / 30
"""The same where the losses are paired: 2 steps of 60. The noise that is left then grows with the distance
from the start, and the wider kernel reads the better rate (docs/method.md)."""

PAIRED_DECADES = 0.2
"""The most that may be, in decades of learning rate."""

EVIDENCE_SHARE = 0.4
"""Share of the ladder, up to the lowest point, on which it is decided whether paired losses fell."""

AVERAGE_BETA = 0.98
"""Weight of the past in the average of accuracies; that of losses was chosen as they were measured."""


def smoothed_curve(curve: Curve) -> SmoothedCurve:
    """Makes the line of a curve; it can be empty."""
    # A NaN ends the curve, and an infinity is no level: neither reaches a rule.
    steps = int(np.argmin(np.isfinite(curve.losses))) if not np.isfinite(curve.losses).all() else len(curve)
    measured = curve.measured
    averaged = curve.smoothed if curve.accuracies is None else exponential_average(measured, AVERAGE_BETA)
    first = curve.skip_start + int(curve.skip_start < len(curve) and curve.lrs[curve.skip_start] <= 0)
    last = steps - (curve.skip_end if curve.status in STOPPED_EARLY else 0)
    read = slice(first + 1, max(first + 1, last))
    one_batch = batch_noise(measured[read])
    start, raw = without_batches(curve, measured, read)
    noise = np.full(len(raw), one_batch) if start is None else growing_deviation(raw, start)
    points = before_climb(raw, noise, start)
    turned = points < len(raw)
    values, noise_left, drawn, climb = raw, raw, raw, None
    loss_share_lost = None
    if points:
        if curve.accuracies is not None:
            loss_share_lost = smoothed_curve(losses_of(curve)).share_lost
        # The cliff is not read, but it is seen: the line must rise towards it.
        width = max(1.0, _width(curve))
        capped = np.minimum(raw, cliff_level(raw[:points], start))
        values, noise_left = centred(capped, width)
        level = starting_level(raw[:points]) if start is None else start
        drawn = drawn_line(capped, noise, level, width)[:points]
        climb = (float(curve.lrs[first + points]), float(capped[points])) if turned else None
        raw, values, noise_left = raw[:points], values[:points], noise_left[:points]
    return SmoothedCurve(
        lrs=curve.lrs[first : first + points],
        raw=raw,
        # A straight line through a steep fall can undershoot what was measured.
        values=np.maximum(values, raw.min()) if points else values,
        drawn=drawn,
        averaged=averaged[first + 1 : first + 1 + points],
        noise=one_batch,
        smoothed_noise=noise[:points] * noise_left,
        turned=turned,
        climb=climb,
        start=start,
        momentum=curve.momentum,
        rectified_by=curve.rectified_by,
        first_step=first + 1,
        epoch_share=min(1.0, (curve.epoch_steps or math.inf) / EPOCH_STEPS),
        haste=min(1.0, USUAL_STEPS / (steps_a_decade(curve.lrs) or USUAL_STEPS)),
        loss_share_lost=loss_share_lost,
        noise_grows=curve.accuracies is None,
        reach=max(8, round(curve.planned_steps * EVIDENCE_SHARE)),
    )


def losses_of(curve: Curve) -> Curve:
    """The same sweep, whose losses are read, also where accuracies are measured."""
    return curve if curve.accuracies is None else replace(curve, accuracies=None)


def without_batches(curve: Curve, measured: Floats, read: slice) -> tuple[float | None, Floats]:
    """The mean of what was measured on the model as it was at the start, and the losses without the batch.

    Args:
        curve: A sweep.
        measured: Its losses, or shares of wrong answers, shape (steps,).
        read: The steps to look at; all their values are finite.

    Returns:
        None and the losses as they are where the sweep is not paired.
    """
    at_start = curve.measured_at_start if curve.paired else None
    raw = measured[read]
    if at_start is None or len(raw) == 0 or not np.isfinite(at_start[read]).all():
        return None, raw
    start = float(at_start[read].mean())
    if curve.accuracies is not None or min(raw.min(), at_start[read].min()) < 0:
        return start, start + (raw - at_start[read])
    return start, _without_the_batch(raw, at_start[read], start, max(1.0, _width(curve)))


def _without_the_batch(raw: Floats, at_start: Floats, start: float, width: float) -> Floats:
    """Losses with the batch taken out, for losses that are never negative, shape (points,).

    A batch that is hard for the untrained model is hard for the trained one too, in proportion: where the
    loss has fallen to a tenth, so has what the batch adds to it. The start's loss is therefore subtracted
    with the share of the start level that is left, at most 1: the whole of it as long as nothing is learnt,
    and next to nothing where the loss is near zero, where the whole of it would put the batch back in.
    """
    # The same batches in both, so that their ratio knows nothing of them.
    now, before = (centred(np.minimum(losses, 2 * at_start), width)[0] for losses in (raw, at_start))
    left = np.clip(np.divide(now, before, out=np.ones_like(now), where=before > 0), 0, 1)
    return np.maximum(raw - left * (at_start - start), 0)


def _width(curve: Curve) -> float:
    """Standard deviation of the smoothing in steps."""
    steps = curve.planned_steps
    if not curve.paired:
        return steps * SMOOTHING_SHARE
    width = steps * PAIRED_SHARE
    density = steps_a_decade(curve.lrs)
    return width if density is None else min(width, PAIRED_DECADES * density)


def steps_a_decade(lrs: Floats) -> float | None:
    """Steps a decade of a geometric ladder; None of another ladder, or of too few rates to tell."""
    if len(lrs) < 3 or lrs[0] <= 0 or not np.isclose(lrs[1] / lrs[0], lrs[2] / lrs[1]):
        return None
    return 1 / float(np.log10(lrs[1] / lrs[0]))


def before_climb(raw: Floats, noise: Floats, start: float | None) -> int:
    """Number of points before the loss is clearly above the level that it started from.

    What comes after, on the way to a divergence, can be as low as anything, and says nothing of a rate that
    one would train with. A lone spike is none of it: three points in a row must agree, by their median.
    Clearly is by more than the noise, and by a tenth of the level or half of the deepest fall, whichever is
    less; where losses are not paired and have fallen, a tenth of that fall is enough.

    Args:
        raw: Measurements, shape (points,).
        noise: Standard deviation of each, shape (points,).
        start: The level at the start, where it is known.
    """
    if len(raw) < 3:
        return len(raw)
    level = starting_level(raw) if start is None else start
    medians = np.median(np.lib.stride_tricks.sliding_window_view(raw, 3), axis=1)
    noise = noise[2:]
    # Unpaired, from the very first points where they are lower: what only rises has not fallen.
    top = min(level, float(medians[0])) if start is None else level
    fallen = np.maximum(top - np.minimum.accumulate(medians), 0.0)
    deepest = max(0.0, top - float(medians.min()))
    clear = np.minimum(0.1 * abs(level), 0.5 * np.where(fallen > 0.1 * deepest, fallen, deepest))
    if start is None:
        clear = np.where(fallen > 3 * noise, 0.1 * fallen, np.inf)
    bar = level + np.maximum(3 * noise, clear)
    above = np.flatnonzero(medians > bar)
    if len(above) == 0 or above[0] == 0:
        return len(raw)
    # Two of the three are above; what is before them belongs to the line.
    return int(above[0]) + int(raw[above[0]] <= bar[above[0]])


def cliff_level(raw: Floats, start: float | None = None) -> float:
    """The level above which a value counts as cliff: above the start by as much as the values fell.

    Values above it are cut off at it before they are smoothed, so that a cliff cannot leak leftwards.

    Args:
        raw: Measurements, shape (points,).
        start: The level at the start, where it is known.
    """
    lowest = int(np.argmin(raw))
    top = float(np.max(raw[: lowest + 1])) if start is None else start
    bottom = float(raw[lowest])
    return top + (top - bottom if top > bottom else max(abs(bottom), 1e-12))
