"""The line that the rules read: a curve aligned with its causes, cut, and smoothed without lag."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrfind.range_test.drawn_line import drawn_line
from lrfind.statistics import batch_noise, growing_deviation, starting_level
from lrfind.suggestion import Status
from lrfind.training.smoothing import centred, exponential_average

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lrfind.range_test.curve import Curve

SMOOTHING_SHARE = 1 / 40
"""Standard deviation of the smoothing, as a share of the ladder: 2.5 steps of 100."""

PAIRED_SHARE = 1 / 30
"""The same where the losses are paired: 2 steps of 60. The noise that is left then grows with the distance
from the start, and the wider kernel reads the better rate (docs/method.md)."""

PAIRED_DECADES = 0.2
"""The most that may be, in decades of learning rate."""

USUAL_STEPS = 10.0
"""Steps a decade of the ladder on which the rule was found."""

EPOCH_STEPS = 60
"""Steps from which on an epoch is long: a fifth of the 300 that the rule was measured for."""

EVIDENCE_SHARE = 0.4
"""Share of the ladder, up to the lowest point, on which it is decided whether paired losses fell."""

AVERAGE_BETA = 0.98
"""Weight of the past in the average of accuracies; that of losses was chosen as they were measured."""

DEEP_ENOUGH, RISE = 0.7, 0.35
"""The first valley is the one to read: it is as deep as that share of the deepest place, and the line rises
after it by that share of its depth. What follows was measured on a model that too high a rate threw about."""

WIDTH = 4
"""Points of the narrowest valley that is one."""

STOPPED_EARLY = (Status.DIVERGED, Status.NONFINITE)


@dataclass(frozen=True, slots=True, eq=False)
class SmoothedCurve:
    """What the rules read, and what is drawn.

    There are two lines. `values` is for the answer: at each rate the level of the rates around it, a cliff
    among them, since a rate beside a cliff is no good one. `drawn` is for people: it goes through the
    measurements.

    `values[j]` is the measurement that first shows the effect of `lrs[j]`, that is the one of the step after.
    Where accuracy was measured the values are the share of wrong answers, so that less is better throughout.
    Where the losses are paired, a value is the mean loss of the model as it was at the start plus what
    training did to the loss of the batch: the batch itself has cancelled.

    Attributes:
        lrs: Rates, shape (points,), above 0 and rising.
        raw: Measurements, shape (points,), finite.
        values: `raw` smoothed without lag and with the cliff after a divergence cut off, shape (points,).
        drawn: The line through `raw` that is drawn and spoken of, shape (points,); see `drawn_line`.
        averaged: The bias-corrected exponential average at the same points, shape (points,).
        noise: Standard deviation of the loss of one batch about its neighbours.
        smoothed_noise: Standard deviation of each smoothed value by noise, shape (points,); it is most at the
            ends, and where the losses are paired, at the right.
        turned: Whether the line ends because the loss was clearly above where it had started.
        climb: The rate at which it was so first, and the loss, cut off at the height of a cliff; else None.
        start: Mean loss of the model as it was at the start, where the losses are paired, else None.
        momentum: Of the optimizer, in [0, 1).
        epoch_share: Steps of an epoch as a share of `EPOCH_STEPS`, at most 1; 1 where they are not known.
        haste: How fast the rates rise against `USUAL_STEPS` a decade, at most 1: 1/3 where they take three
            times as many steps.
        reach: Points that `evidence` looks at.
        noise_grows: Whether the noise of paired measurements grows with the rate, as that of losses does.
    """

    lrs: NDArray[np.float64]
    raw: NDArray[np.float64]
    values: NDArray[np.float64]
    drawn: NDArray[np.float64]
    averaged: NDArray[np.float64]
    noise: float
    smoothed_noise: NDArray[np.float64]
    turned: bool = False
    climb: tuple[float, float] | None = None
    start: float | None = None
    momentum: float = 0.0
    epoch_share: float = 1.0
    haste: float = 1.0
    reach: int = 1
    noise_grows: bool = True

    def __len__(self) -> int:
        """Number of points."""
        return len(self.lrs)

    @property
    def log10_lrs(self) -> NDArray[np.float64]:
        """Base-10 logarithms of the rates."""
        return np.log10(self.lrs)

    @property
    def slopes(self) -> NDArray[np.float64]:
        """D value / d log10 lr at each point; needs two points."""
        return np.gradient(self.values, self.log10_lrs)

    @property
    def lowest(self) -> int:
        """Index of the lowest smoothed value of the first valley that is nearly as deep as any.

        Valleys of less than `WIDTH` points are filled up before it is looked for.
        """
        wide = filled(self.values, WIDTH)
        least = np.minimum.accumulate(wide)
        fallen = self.plateau - least
        deep = (fallen >= DEEP_ENOUGH * fallen[-1]) & (fallen > 0)
        risen = np.flatnonzero(deep & (wide - least >= RISE * fallen))
        end = int(risen[0]) if len(risen) else len(wide)
        bottom = np.flatnonzero(wide[:end] == wide[:end].min())
        return int(bottom[np.argmin(self.values[bottom])])

    @property
    def lowest_drawn(self) -> int:
        """Index of the lowest point of the drawn line in the same valley.

        That is where the drawn line is down by half of its fall without a break, about `lowest`.
        """
        lowest = self.lowest
        half = (self.plateau + float(self.drawn[lowest])) / 2
        up = np.flatnonzero(self.drawn > half)
        first = int(up[up < lowest][-1]) + 1 if (up < lowest).any() else 0
        last = int(up[up > lowest][0]) if (up > lowest).any() else len(self)
        valley = self.drawn[first:last]
        return first + int(np.argmin(valley)) if len(valley) else lowest

    @property
    def plateau(self) -> float:
        """Level at the start: known where the losses are paired, else the median of the first raw points."""
        return starting_level(self.raw) if self.start is None else self.start

    @property
    def falls(self) -> slice:
        """Where the loss falls: from where it has lost a tenth of its fall, for good, to its lowest point."""
        lowest = self.lowest
        begun = self.plateau - 0.1 * (self.plateau - self.values[lowest])
        above = np.flatnonzero(self.values[: lowest + 1] > begun)
        first = 0 if len(above) == 0 else min(int(above[-1]) + 1, lowest)
        return slice(first, lowest + 1)

    @property
    def evidence(self) -> float:
        """How consistently the paired losses lie below the start on the way to the lowest point.

        The sum of the falls there, each over its rate (which is how their noise grows; that of accuracies
        does not), divided by the root of the sum of their squares. Where training does nothing but wander,
        their signs are random, and the variance of this is 1 however fast the noise grows; where every one of
        n is a fall, it is about sqrt(n).

        Source: the self-normalized sum (de la Peña, Lai and Shao 2009, chapter 2).
        """
        lowest = self.lowest
        level = self.plateau
        on_the_way = slice(max(0, lowest + 1 - self.reach), lowest + 1)
        falls = level - self.raw[on_the_way]
        if self.noise_grows:
            falls = falls / self.lrs[on_the_way]
        largest = float(np.abs(falls).max())
        if largest == 0:
            return 0.0
        falls = falls / largest  # whose squares cannot overflow
        return float(falls.sum() / np.sqrt((falls**2).sum()))

    @property
    def fall(self) -> tuple[float, float]:
        """How far the loss fell to its lowest point, and the standard deviation of that by noise alone.

        It fell from the mean of what stood before the fall; where nothing did, from the first point, so that
        a line that only rises has fallen from nowhere.
        """
        lowest = self.lowest
        before = self.falls.start
        if self.start is not None:
            level, deviation = self.start, 0.0
        elif before > 0:
            level, deviation = float(self.raw[:before].mean()), self.noise / math.sqrt(before)
        else:
            level, deviation = float(self.values[0]), float(self.smoothed_noise[0])
        deviation = math.hypot(deviation, float(self.smoothed_noise[lowest]))
        return level - float(self.values[lowest]), deviation

    @property
    def share_lost(self) -> float:
        """The fall as a share of the level that it starts from, between 0 and 1."""
        fall, level = self.plateau - float(self.values[self.lowest]), abs(self.plateau)
        return min(1.0, max(0.0, fall / level)) if level else 1.0

    @property
    def rise(self) -> tuple[float, float]:
        """How far the line rises after its deepest point, and the standard deviation there by noise alone.

        Its last two points do not count: a lone high measurement at the end lifts them by much.
        """
        deepest = int(np.argmin(self.values))
        after = self.values[deepest : max(deepest + 1, len(self) - 2)]
        highest = deepest + int(np.argmax(after))
        return float(self.values[highest] - self.values[deepest]), float(self.smoothed_noise[highest])


def smoothed_curve(curve: Curve) -> SmoothedCurve:
    """Makes the line of a curve; it can be empty."""
    # A NaN ends the curve, and an infinity is no level: neither reaches a rule.
    steps = int(np.argmin(np.isfinite(curve.losses))) if not np.isfinite(curve.losses).all() else len(curve)
    measured = curve.losses if curve.accuracies is None else 1 - curve.accuracies
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
    if points:
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
        epoch_share=min(1.0, (curve.epoch_steps or math.inf) / EPOCH_STEPS),
        haste=min(1.0, USUAL_STEPS / (steps_a_decade(curve.lrs) or USUAL_STEPS)),
        noise_grows=curve.accuracies is None,
        reach=max(8, round(curve.planned_steps * EVIDENCE_SHARE)),
    )


def without_batches(
    curve: Curve, measured: NDArray[np.float64], read: slice
) -> tuple[float | None, NDArray[np.float64]]:
    """The mean of what was measured on the model as it was at the start, and the losses without the batch.

    Args:
        curve: A sweep.
        measured: Its losses, or shares of wrong answers, shape (steps,).
        read: The steps to look at; all their values are finite.

    Returns:
        None and the losses as they are where the sweep is not paired.
    """
    at_start = curve.start_losses if curve.paired else None
    if curve.accuracies is not None:
        at_start = None if at_start is None or curve.start_accuracies is None else 1 - curve.start_accuracies
    raw = measured[read]
    if at_start is None or len(raw) == 0 or not np.isfinite(at_start[read]).all():
        return None, raw
    start = float(at_start[read].mean())
    if curve.accuracies is not None or min(raw.min(), at_start[read].min()) < 0:
        return start, start + (raw - at_start[read])
    return start, _without_the_batch(raw, at_start[read], start, max(1.0, _width(curve)))


def _without_the_batch(
    raw: NDArray[np.float64], at_start: NDArray[np.float64], start: float, width: float
) -> NDArray[np.float64]:
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


def steps_a_decade(lrs: NDArray[np.float64]) -> float | None:
    """Steps a decade of a geometric ladder; None of another ladder, or of too few rates to tell."""
    if len(lrs) < 3 or lrs[0] <= 0 or not np.isclose(lrs[1] / lrs[0], lrs[2] / lrs[1]):
        return None
    return 1 / float(np.log10(lrs[1] / lrs[0]))


def before_climb(raw: NDArray[np.float64], noise: NDArray[np.float64], start: float | None) -> int:
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


def filled(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """The values with every valley of less than `width` points filled up to its lower brim, shape (n,).

    Source: the closing of mathematical morphology (Serra 1982), with a flat window.
    """
    width = min(width, len(values))
    if width < 2:
        return values
    brims = np.lib.stride_tricks.sliding_window_view(values, width).max(axis=1)
    around = np.pad(brims, width - 1, constant_values=np.inf)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(around, width).min(axis=1))


def cliff_level(raw: NDArray[np.float64], start: float | None = None) -> float:
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
