"""Smoothing, always a view of the raw losses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from lrfind.statistics import Floats


class ExponentialAverage:
    """The exponential average of a sequence as it arrives, corrected for its start at 0.

    avg_i = beta avg_{i-1} + (1 - beta) x_i,    smoothed_i = avg_i / (1 - beta^(i + 1)).

    The correction makes the average of a constant that constant from its first value on.

    Source: Gugger, "How Do You Find A Good Learning Rate"; the correction is that of Adam (Kingma and Ba,
    arXiv 1412.6980, section 3).

    Args:
        beta: Weight of the past, in [0, 1); 0 returns the values themselves.
    """

    __slots__ = ("_smoothed", "_weight", "beta")

    def __init__(self, beta: float) -> None:
        if not 0 <= beta < 1:
            raise ValueError(f"beta must lie in [0, 1), got {beta}")
        self.beta = beta
        self._smoothed = 0.0
        self._weight = 0.0

    def update(self, value: float) -> float:
        """Takes the next value and returns the smoothed one, never finite again after a NaN or inf."""
        # The same numbers as a step towards the value: a constant stays itself to the last bit, and
        # 1 - beta^(i + 1) is summed up rather than subtracted, which would cancel for a beta near 1.
        self._weight = self.beta * self._weight + (1 - self.beta)
        share = (1 - self.beta) / self._weight
        self._smoothed = value if share == 1 else self._smoothed + share * (value - self._smoothed)
        return self._smoothed


def exponential_average(values: ArrayLike, beta: float) -> Floats:
    """The bias-corrected exponential average of a whole sequence, shape (n,); see `ExponentialAverage`."""
    average = ExponentialAverage(beta)
    return np.array([average.update(float(value)) for value in np.asarray(values)], dtype=np.float64)


def centred(values: Floats, width: float) -> tuple[Floats, Floats]:
    """Smooths without lag: at each point a local straight line, fitted with Gaussian weights.

    An exponential average with beta 0.98 trails a 100-step ladder by tens of steps, which is decades of
    learning rate. A kernel centred on the point trails by none, and a local line rather than a local mean
    keeps the ends of the curve and every straight line as they are.

    Args:
        values: Shape (n,), finite, evenly spaced: one a rung of the ladder.
        width: Standard deviation of the weights, in rungs; they end at five of it.

    Returns:
        The smoothed values, shape (n,), and how much of the standard deviation of independent noise in
        `values` is left in each, shape (n,): least in the middle, most at the ends.

    Source: local linear regression, Cleveland 1979, with the weights and the width fixed.
    """
    # With weights w and distances d to the point, S_k = sum w d^k and T_k = sum w d^k y, the line's value at
    # the point is (S_2 T_0 - S_1 T_1) / (S_0 S_2 - S_1^2): a sum of the y with weights w (S_2 - S_1 d) / det.
    reach = min(math.ceil(5 * width), max(len(values) - 1, 1))
    d = np.arange(-reach, reach + 1, dtype=np.float64)
    w = np.exp(-0.5 * (d / width) ** 2)

    def around(signal: Floats, kernel: Floats) -> Floats:
        """Sum over the points around each: signal times kernel at their distance."""
        return np.convolve(signal, kernel[::-1])[reach : reach + len(values)]

    ones = np.ones_like(values)
    s0, s1, s2 = (around(ones, w * d**k) for k in range(3))
    t0, t1 = (around(values, w * d**k) for k in range(2))
    q0, q1, q2 = (around(ones, w**2 * d**k) for k in range(3))
    determinant = s0 * s2 - s1**2
    # One point alone, or points beyond each other's weights, have no line through them.
    alone = determinant < 1e-12 * s0**2
    determinant[alone] = 1.0
    smoothed = np.where(alone, t0 / s0, (s2 * t0 - s1 * t1) / determinant)
    kept = np.sqrt(np.maximum(s2**2 * q0 - 2 * s1 * s2 * q1 + s1**2 * q2, 0)) / determinant
    return smoothed, np.where(alone, np.sqrt(q0) / s0, kept)
