"""Which part of a loss curve the frame shows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def loss_limits(losses: Floats, line: Floats, checks: Floats) -> tuple[float, float]:
    """The losses that matter: all up to the lowest one, and as much of the rise as leaves them room.

    A sweep ends in a cliff that can be thirty powers of ten high, and a single batch can be far off; a
    frame around the largest loss would show nothing else.

    Args:
        losses: Raw losses in the order of the steps, shape (steps,); NaN and infinities are passed over.
        line: The same smoothed, shape (points,), points need not be steps.
        checks: Validation losses, shape (checks,).

    Returns:
        The least and the largest loss to show.
    """
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
