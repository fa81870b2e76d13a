"""How noisy measurements are along a ladder, where they start from and are lowest, and means over seeds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


_T95 = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833)
"""One-sided 95% quantiles of Student's t for 1 to 9 degrees of freedom (any table)."""

_Z95 = 1.6449
"""The same of the normal distribution."""


def starting_level(raw: Floats) -> float:
    """The median of the first tenth of the points, at least three."""
    return float(np.median(raw[: max(3, len(raw) // 10)]))


def growing_deviation(raw: Floats, start: float) -> Floats:
    """Standard deviation of each of paired measurements, shape (points,), from those before it.

    At the start the two models are one and there is no noise; it grows as they part, so it is never taken for
    less than it was at a lower rate. A cliff is no noise.
    """
    reach = max(8, len(raw) // 6)
    capped = np.minimum(raw, start)
    before = [deviation(capped[max(0, i - reach) : i + 1]) for i in range(len(raw))]
    return np.maximum.accumulate(np.array(before)) if before else np.empty(0)


def batch_noise(raw: Floats) -> float:
    """Standard deviation of a measurement, without what lies far above the start: a cliff is no noise."""
    if len(raw) < 20:
        return deviation(raw)
    near = raw <= starting_level(raw) + 6 * deviation(raw[: len(raw) // 2])
    return deviation(raw[near])


def deviation(raw: Floats) -> float:
    """Standard deviation about a locally straight line, from second differences, by their median.

    For independent noise of variance v a second difference has variance 6 v; the median of its magnitude is
    0.6745 standard deviations (normal), and does not see a few outliers.
    """
    if len(raw) < 3:
        return 0.0
    second = np.abs(raw[2:] - 2 * raw[1:-1] + raw[:-2])
    return float(np.median(second)) / (0.6745 * math.sqrt(6))


def lowest_of_parabola(x: Floats, y: Floats) -> float | None:
    """Where a parabola through three points is lowest, at most half of the way from the middle one to either.

    Args:
        x: Shape (3,), rising.
        y: Shape (3,).

    Returns:
        None where it does not open upwards.
    """
    slopes, middles = np.diff(y) / np.diff(x), (x[1:] + x[:-1]) / 2
    curvature = (slopes[1] - slopes[0]) / (middles[1] - middles[0])
    if not curvature > 0:
        return None
    return float(np.clip(middles[0] - slopes[0] / curvature, *middles))  # where the slope is 0


def settled(losses: Sequence[float]) -> float:
    """The mean over the second half; NaN where there is none, or one of all is not finite."""
    later = losses[len(losses) // 2 :]
    if not later or not all(map(math.isfinite, losses)):
        return math.nan
    return math.fsum(later) / len(later)


def known_mean(values: Floats) -> Floats:
    """Mean over the seeds, shape (n,), of values of shape (seeds, n) of which some are not finite.

    Those are left out; where none is left the mean is NaN.
    """
    known = np.isfinite(values)
    count = known.sum(axis=0)
    sums = np.where(known, values, 0.0).sum(axis=0)
    means: Floats = np.where(count > 0, sums / np.maximum(count, 1), np.nan)
    return means


def spread_over_seeds(values: Floats) -> Floats:
    """Standard deviation over the seeds, shape (n,), of values of shape (seeds, n); 0 for a single seed.

    Where a value is infinite it is NaN.
    """
    if len(values) < 2:
        return np.zeros(values.shape[1])
    with np.errstate(invalid="ignore"):
        spread: Floats = values.std(axis=0, ddof=1)
    return spread


def geometric_deviation(lrs: Iterable[float | None]) -> float | None:
    """The geometric standard deviation of the rates that are known, at least 1; None of fewer than two.

    Two thirds of further answers are expected to lie within that factor of the middle one.
    """
    known = [lr for lr in lrs if lr is not None]
    return math.exp(float(np.std(np.log(known), ddof=1))) if len(known) > 1 else None


def paired_noise(differences: Floats) -> float:
    """What the mean of paired differences must exceed to be more than their noise; 0 for a single one.

    t s / sqrt(n), with s the standard deviation of the n differences and t Student's one-sided 95% quantile
    for n - 1 degrees of freedom: by chance alone it is exceeded once in twenty times.
    """
    count = len(differences)
    if count < 2:
        return 0.0
    return student_t95(count - 1) * float(differences.std(ddof=1)) / math.sqrt(count)


def student_t95(degrees: int) -> float:
    """Student's one-sided 95% quantile.

    Source: a table up to 9 degrees of freedom, beyond it the first term of the expansion of Cornish and
    Fisher, z + (z^3 + z) / (4 degrees), which is off by less than 0.02.
    """
    if degrees <= len(_T95):
        return _T95[degrees - 1]
    return _Z95 + (_Z95**3 + _Z95) / (4 * degrees)
