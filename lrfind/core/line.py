"""The line that the rules read: a curve aligned with its causes, cut, and smoothed without lag."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrfind.core.curve import Status
from lrfind.core.smoothing import centred, exponential_average

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lrfind.core.curve import Curve

SMOOTHING_SHARE = 1 / 40
"""Standard deviation of the smoothing, as a share of the ladder: 2.5 steps of 100."""

AVERAGE_BETA = 0.98
"""Weight of the past in the average of accuracies; that of losses was chosen as they were measured."""

STOPPED_EARLY = (Status.DIVERGED, Status.NONFINITE)


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """What the rules read.

    `values[j]` is the measurement that first shows the effect of `lrs[j]`, that is the one of the step after.
    Where accuracy was measured the values are the share of wrong answers, so that less is better throughout.

    Attributes:
        lrs: Rates, shape (points,), above 0 and rising.
        raw: Measurements, shape (points,), finite.
        values: `raw` smoothed without lag and with the cliff after a divergence cut off, shape (points,).
        averaged: The bias-corrected exponential average at the same points, shape (points,).
        noise: Standard deviation of one raw measurement about its neighbours.
        smoothed_noise: The same of each smoothed value, shape (points,); it is most at the ends.
        turned: Whether the line ends because the loss was back above where it had started.
    """

    lrs: NDArray[np.float64]
    raw: NDArray[np.float64]
    values: NDArray[np.float64]
    averaged: NDArray[np.float64]
    noise: float
    smoothed_noise: NDArray[np.float64]
    turned: bool = False

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
        """Index of the lowest smoothed value."""
        return int(np.argmin(self.values))

    @property
    def plateau(self) -> float:
        """Level at the start: the median of the first tenth of the raw points, at least three."""
        return _level(self.raw)

    @property
    def falls(self) -> slice:
        """Where the loss falls: from where it has lost a tenth of its fall, for good, to its lowest point."""
        lowest = self.lowest
        begun = self.plateau - 0.1 * (self.plateau - self.values[lowest])
        above = np.flatnonzero(self.values[: lowest + 1] > begun)
        first = 0 if len(above) == 0 else min(int(above[-1]) + 1, lowest)
        return slice(first, lowest + 1)

    @property
    def fall(self) -> tuple[float, float]:
        """How far the loss fell to its lowest point, and the standard deviation of that by noise alone.

        It fell from the mean of what stood before the fall; where nothing did, from the first point, so that
        a line that only rises has fallen from nowhere.
        """
        lowest = self.lowest
        before = self.falls.start
        if before > 0:
            level, variance = float(self.raw[:before].mean()), self.noise**2 / before
        else:
            level, variance = float(self.values[0]), float(self.smoothed_noise[0]) ** 2
        deviation = math.sqrt(variance + float(self.smoothed_noise[lowest]) ** 2)
        return level - float(self.values[lowest]), deviation


def line(curve: Curve) -> Line:
    """Makes the line of a curve; it can be empty."""
    # A NaN ends the curve, and an infinity is no level: neither reaches a rule.
    steps = int(np.argmin(np.isfinite(curve.losses))) if not np.isfinite(curve.losses).all() else len(curve)
    measured = curve.losses if curve.accuracies is None else 1 - curve.accuracies
    averaged = curve.smoothed if curve.accuracies is None else exponential_average(measured, AVERAGE_BETA)
    first = curve.skip_start + int(curve.skip_start < len(curve) and curve.lrs[curve.skip_start] <= 0)
    last = steps - (curve.skip_end if curve.status in STOPPED_EARLY else 0)
    raw = measured[first + 1 : max(first + 1, last)]
    noise = _noise(raw)
    points = left_for_good(raw, noise)
    turned = points < len(raw)
    values, noise_left = raw, raw
    if points:
        # The cliff is not read, but it is seen: the line must rise towards it.
        width = max(1.0, curve.planned_steps * SMOOTHING_SHARE)
        values, noise_left = centred(np.minimum(raw, cliff_level(raw[:points])), width)
        raw, values, noise_left = raw[:points], values[:points], noise_left[:points]
    return Line(
        lrs=curve.lrs[first : first + points],
        raw=raw,
        # A straight line through a steep fall can undershoot what was measured.
        values=np.maximum(values, raw.min()) if points else values,
        averaged=averaged[first + 1 : first + 1 + points],
        noise=noise,
        smoothed_noise=noise * noise_left,
        turned=turned,
    )


def left_for_good(raw: NDArray[np.float64], noise: float) -> int:
    """Number of points up to where the loss, having fallen, is back above the level that it started from.

    What comes after, on the way to a divergence, can be as low as anything, and says nothing of a rate that
    one would train with. A lone spike is none of it: three points in a row must agree, by their median.
    """
    if len(raw) < 3:
        return len(raw)
    level = _level(raw)
    medians = np.median(np.lib.stride_tricks.sliding_window_view(raw, 3), axis=1)
    # From the very first points where they are lower: what only rises has not fallen.
    fallen = min(level, float(medians[0])) - np.minimum.accumulate(medians)
    above = np.flatnonzero((fallen > 3 * noise) & (medians > level + np.maximum(3 * noise, 0.1 * fallen)))
    return int(above[0]) if len(above) and above[0] > 0 else len(raw)


def cliff_level(raw: NDArray[np.float64]) -> float:
    """The level above which a value counts as cliff: above the start by as much as the values fell.

    Values above it are cut off at it before they are smoothed, so that a cliff cannot leak leftwards.
    """
    lowest = int(np.argmin(raw))
    top = float(np.max(raw[: lowest + 1]))
    bottom = float(raw[lowest])
    return top + (top - bottom if top > bottom else max(abs(bottom), 1e-12))


def _level(raw: NDArray[np.float64]) -> float:
    """The median of the first tenth of the points, at least three."""
    return float(np.median(raw[: max(3, len(raw) // 10)]))


def _noise(raw: NDArray[np.float64]) -> float:
    """Standard deviation of a measurement, without what lies far above the start: a cliff is no noise."""
    if len(raw) < 20:
        return _deviation(raw)
    near = raw <= _level(raw) + 6 * _deviation(raw[: len(raw) // 2])
    return _deviation(raw[near])


def _deviation(raw: NDArray[np.float64]) -> float:
    """Standard deviation about a locally straight line, from second differences, by their median.

    For independent noise of variance v a second difference has variance 6 v; the median of its magnitude is
    0.6745 standard deviations (normal), and does not see a few outliers.
    """
    if len(raw) < 3:
        return 0.0
    second = np.abs(raw[2:] - 2 * raw[1:-1] + raw[:-2])
    return float(np.median(second)) / (0.6745 * math.sqrt(6))
