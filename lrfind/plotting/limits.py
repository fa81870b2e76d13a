"""Which part of curves the frame shows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.statistics import Floats


BEGINNING = 7
"""The first of so many parts of a learning curve are its beginning: there all fall alike."""


def loss_limits(losses: Floats, line: Floats, checks: Floats, start: float = math.nan) -> tuple[float, float]:
    """The losses that matter: all up to the lowest one, and as much of the rise as leaves them room.

    A sweep ends in a cliff that can be thirty powers of ten high, and a single batch can be far off; a
    frame around the largest loss would show nothing else.

    Args:
        losses: Raw losses in the order of the steps, shape (steps,); NaN and infinities are passed over.
        line: The same smoothed, shape (points,), points need not be steps.
        checks: Validation losses, shape (checks,).
        start: The loss before training where it is known: what lies far above it is divergence, also where
            the loss falls again after it.

    Returns:
        The least and the largest loss to show.
    """
    if math.isfinite(start):
        ceiling = ceiling_of(start, losses)
        losses, line = losses[~(losses > ceiling)], line[~(line > ceiling)]
    finite = losses[np.isfinite(losses)]
    if len(finite) == 0:
        return 0.0, 1.0
    trend = line[np.isfinite(line)]
    if len(trend) == 0:
        trend = finite
    until = max(int(np.argmin(trend)) + 1, len(trend) // 10, 2)
    trend_before = trend[:until]
    before = finite[: max(2, round(until * len(finite) / len(trend)))]
    # The spread of a batch about its neighbours, by the median: a spike does not count.
    noise = 1.4826 * float(np.median(np.abs(np.diff(before)))) if len(before) > 1 else 0.0
    usual = before[before <= trend_before.max() + 4 * noise]
    high = float(max(trend_before.max(), usual.max(initial=-math.inf)))
    low = float(trend_before.min())
    level = abs(float(trend_before[0]))
    fell = float(trend_before[0]) - low > 0.05 * level
    room = 0.75 * max(high - low, 0.25 * level if fell else level)
    others = np.concatenate((finite, trend, checks))
    low = float(others[others >= low - room].min(initial=low))
    high = max(high, min(float(others.max()), high + room))
    # A flat curve is to look flat: noise of a thousandth of the loss is not blown up to fill the frame.
    missing = max(0.05 * (level or 1.0) - (high - low), 0.0)
    return low - missing / 2, high + missing / 2


def ceiling_of(start: float, losses: Floats, room: float = 0.3) -> float:
    """The loss above which a run has diverged, for a picture.

    It is `room` above the start, as a share of the fall below it; NaN and infinities are passed over.
    """
    lowest = float(losses[np.isfinite(losses)].min(initial=start))
    return start + room * max(start - lowest, 0.25 * abs(start))


def outcome_limits(
    curves: Sequence[Floats], best: Sequence[Floats], *, rising: bool, outside: float = 0.0
) -> tuple[float, float]:
    """What matters of learning curves: where they end, and the way of the best but for its beginning.

    Args:
        curves: Shape (readings,) each, at least one reading.
        best: Those of them whose way is to be seen; none: that of all.
        rising: Whether more is better, as with accuracies.
        outside: Share of the curves whose end the frame may leave out: one that hardly learned would flatten
            all others.

    Returns:
        The least and the largest value to show; 0 and 1 where there is nothing.
    """
    if not curves:
        return 0.0, 1.0
    ends = np.array([values[-1] for values in curves])
    ways = [values[len(values) // BEGINNING :] for values in (best or ([] if outside else curves))]
    way = np.concatenate([*ways, ends[:0]])
    if rising:
        high = float(max(values.max() for values in curves))
        low = min(float(np.quantile(ends, outside)), float(way.min(initial=math.inf)))
        return min(low, high - 0.002), high
    low = float(min(values.min() for values in curves))
    high = max(float(np.quantile(ends, 1 - outside)), float(way.max(initial=-math.inf)))
    return low, max(high, low + 0.02 * abs(low) + 1e-12)
