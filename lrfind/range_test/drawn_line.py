"""The line through the measurements: smooth where they are noise, sharp where they turn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lrfind.statistics import Floats

NOISE_REACH, FALL_REACH = 3.0, 0.1
"""How far a measurement may lie from the level of its neighbours and still be of it, as the deviation
of a weight: so many deviations of the noise, and that share of the whole fall."""

NEIGHBOURS = 2
"""Points to either side between whose lowest and highest the line stays."""

_AT_ONCE = 100_000
"""Weights in memory at a time: few enough for a cache. A ladder of 5,000 steps has twenty million."""


def drawn_line(raw: Floats, noise: Floats, start: float, width: float) -> Floats:
    """Smooths noise but no break: at each point a straight line through the measurements of its own level.

    A kernel over the rates alone leaks: the cliff of a divergence lifts the line before it, and the foot of
    a steep fall is cut off. Here a neighbour counts the less the farther it lies from the median of three
    around the point, in units of what noise does there. Where noise is all there is, all count in full.

    Args:
        raw: Measurements, shape (points,), finite.
        noise: Standard deviation of each by noise, shape (points,).
        start: The level that they fell from.
        width: Standard deviation of the weights over the rates, in points.

    Returns:
        The line, shape (points,), nowhere outside what was measured within `NEIGHBOURS` points.

    Source: the bilateral filter (Tomasi and Manduchi 1998), with a local line in place of the local mean.
    """
    if len(raw) < 2:
        return raw.copy()
    level = np.median(_around(raw, 1), axis=1)
    allowed = NOISE_REACH * noise + FALL_REACH * max(start - float(level.min()), 0.0)
    allowed = np.maximum(allowed, 1e-9 * float(np.abs(raw).max()) + 1e-300)
    reach = math.ceil(4 * width)
    beside = np.arange(-reach, reach + 1)
    near = _around(raw, NEIGHBOURS)
    some = max(1, _AT_ONCE // len(beside))
    lines = [
        _values_at(np.arange(first, min(first + some, len(raw))), raw, level, allowed, beside, width)
        for first in range(0, len(raw), some)
    ]
    return np.asarray(np.clip(np.concatenate(lines), near.min(axis=1), near.max(axis=1)))


def _values_at(
    at: NDArray[np.int64],
    raw: Floats,
    level: Floats,
    allowed: Floats,
    beside: NDArray[np.int64],
    width: float,
) -> Floats:
    """The line's values at some points, before they are kept among the measurements."""
    where = at[:, None] + beside
    inside = (where >= 0) & (where < len(raw))
    y = raw[np.clip(where, 0, len(raw) - 1)]
    apart = np.minimum(np.abs(y - level[at, None]) / allowed[at, None], 40.0)  # whose weight is 0 as well
    weights = np.exp(-0.5 * (beside / width) ** 2 - 0.5 * apart**2) * inside
    # The line's value at the point, as in `centred`; where the weights hold one point alone, their mean.
    total = np.maximum(weights.sum(axis=1), 1e-300)
    middle = (weights * beside).sum(axis=1) / total
    mean = (weights * y).sum(axis=1) / total
    away = beside - middle[:, None]
    spread = (weights * away**2).sum(axis=1)
    slope = (weights * away * (y - mean[:, None])).sum(axis=1) / np.maximum(spread, 1e-9 * total)
    return np.asarray(mean - slope * middle)


def _around(values: Floats, reach: int) -> Floats:
    """Each value with those up to `reach` before and after it, shape (n, 2 reach + 1); the ends go on."""
    window = 2 * reach + 1
    return np.lib.stride_tricks.sliding_window_view(np.pad(values, reach, mode="edge"), window)
