"""The rules of others: a smoothed curve in, a learning rate out.

Each is a pure function from a `SmoothedCurve` to a rate, or None where the curve does not show what the rule
looks for. They are reported beside the project's own rule (`lrfind.range_test.centre`), and any of them can
be chosen.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lrfind.range_test.smoothed_curve import SmoothedCurve


def falling(smoothed: SmoothedCurve) -> tuple[float, float]:
    """From where the loss begins to fall to the last rate before it turns.

    It begins to fall where it has lost a tenth of all that it will lose, for good; it turns at its lowest
    point. The one is read from the wide average, the other from the drawn line, which may be lowest before.
    """
    turns = smoothed.lowest_drawn
    return float(smoothed.lrs[min(smoothed.falls.start, turns)]), float(smoothed.lrs[turns])


def steepest(smoothed: SmoothedCurve) -> float | None:
    """The rate at which the loss falls fastest: least d loss / d log10 lr, within the bracket.

    Source: the usual reading of a range test; the slope is taken over log10 lr, the axis it is drawn on.
    """
    if smoothed.lowest < 1:
        return None
    fall = smoothed.falls
    return float(smoothed.lrs[fall][int(np.argmin(smoothed.slopes[fall]))])


def minimum(smoothed: SmoothedCurve) -> float | None:
    """A tenth of the rate at the lowest point.

    Source: Gugger, "How Do You Find A Good Learning Rate"; fastai calls it `minimum`.
    """
    return None if smoothed.lowest < 1 else float(smoothed.lrs[smoothed.lowest_drawn]) / 10


def gugger(smoothed: SmoothedCurve) -> float | None:
    """The last rate of the bracket at which the loss still falls at half of its fastest.

    Source: Gugger, ibid.: not the minimum but a value before it, where the loss still goes down; how fast
    "still" is he leaves to the eye, and half of the fastest is our reading.
    """
    if smoothed.lowest < 1:
        return None
    fall = smoothed.falls
    slopes = smoothed.slopes[fall]
    if slopes.min() >= 0:
        return None
    falling = np.flatnonzero(slopes <= 0.5 * slopes.min())
    return float(smoothed.lrs[fall][int(falling[-1])])


def valley(smoothed: SmoothedCurve) -> float | None:
    """The middle of the longest valley, the longest falling subsequence of the exponential average.

    Source: `valley` of fastai 2, its default, after its description; it reads the exponential average, so
    this does too.
    """
    fall = _longest_falling(smoothed.averaged.tolist())
    return None if len(fall) < 3 else float(smoothed.lrs[(fall[0] + fall[-1]) // 2])


def slide(smoothed: SmoothedCurve) -> float | None:
    """The left end of an interval slid leftwards from the end until the slopes at its ends agree.

    The interval is 15 steps long, or a third of the line where that is less; the slopes are those of the
    exponential average from step to step, and agree where they differ by less than 0.005.

    Source: the interval slide rule of fastai 2 (`slide`), after its description, with its own constants.
    """
    length = min(15, len(smoothed) // 3)
    if length < 1:
        return None
    slopes = np.gradient(smoothed.averaged)
    for right in range(len(smoothed) - 1, length - 1, -1):
        if abs(slopes[right] - slopes[right - length]) < 0.005:
            return float(smoothed.lrs[right - length])
    return None


def _longest_falling(values: list[float]) -> list[int]:
    """Indices of the longest strictly falling subsequence, by patience sorting in n log n."""
    tails: list[float] = []
    tail_indices: list[int] = []
    before: list[int] = []
    for index, value in enumerate(values):
        place = bisect_left(tails, -value)
        before.append(tail_indices[place - 1] if place else -1)
        if place == len(tails):
            tails.append(-value)
            tail_indices.append(index)
        else:
            tails[place] = -value
            tail_indices[place] = index
    chain: list[int] = []
    index = tail_indices[-1] if tail_indices else -1
    while index >= 0:
        chain.append(index)
        index = before[index]
    return chain[::-1]
