"""The project's own rule: the middle of the valley, less for momentum.

The valley is where the loss has lost at least three quarters of all that it will lose. An optimizer with
momentum answers a rate late: the ramp has gone on by the time its effect shows, the further the longer it
remembers, which is 1 / (1 - momentum) steps.

Source: ours; docs/method.md says how it was found and how it was measured. It was measured, not derived.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lrfind.range_test.smoothed_curve import SmoothedCurve

DEEP = 0.75
"""Share of the fall from which on the valley is."""


def centre(smoothed: SmoothedCurve) -> float | None:
    """The middle of the valley on a log axis, times sqrt(1 - momentum)."""
    sides = valley_sides(smoothed)
    return None if sides is None else math.sqrt(sides[0] * sides[1] * (1 - smoothed.momentum))


def middle_half(smoothed: SmoothedCurve) -> tuple[float, float] | None:
    """The bracket of the rule: the middle half of the valley on a log axis, times sqrt(1 - momentum)."""
    sides = valley_sides(smoothed)
    if sides is None:
        return None
    quarter = (sides[1] / sides[0]) ** 0.25
    middle = math.sqrt(sides[0] * sides[1] * (1 - smoothed.momentum))
    return middle / quarter, middle * quarter


def valley_sides(smoothed: SmoothedCurve) -> tuple[float, float] | None:
    """The rates between which the valley lies; None where nothing falls.

    The fall is from the plateau to the lowest point. On the left of that the valley begins where the line
    comes down through the level of three quarters of the fall for the last time, on the right it ends where
    it comes up through it for the first time, or where the line ends. Between its points the line is straight
    over log10 lr.
    """
    lowest = smoothed.lowest
    fall = smoothed.plateau - float(smoothed.values[lowest])
    if lowest < 1 or fall <= 0:
        return None
    x, y = smoothed.log10_lrs, smoothed.values
    level = smoothed.plateau - DEEP * fall
    above = np.flatnonzero(y[:lowest] > level)
    left = float(x[0]) if len(above) == 0 else _crossing(x, y, int(above[-1]), level)
    risen = np.flatnonzero(y[lowest:] >= level)
    right = float(x[-1]) if len(risen) == 0 else _crossing(x, y, lowest + int(risen[0]) - 1, level)
    return float(10**left), float(10**right)


def _crossing(x: NDArray[np.float64], y: NDArray[np.float64], i: int, level: float) -> float:
    """Where the straight line from point i to the next has that value."""
    return float(x[i] + (level - y[i]) / (y[i + 1] - y[i]) * (x[i + 1] - x[i]))
