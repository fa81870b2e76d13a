"""The learning rates that are tried where none are given: a grid around what a range test suggests."""

from __future__ import annotations

import math

from lrfind.suggestion import rounded


def grid_around(centre: float, *, count: int, factor: float, through: float | None = None) -> list[float]:
    """Rates a factor apart, the middle one nearest to a centre, three significant digits each.

    Args:
        centre: What the grid lies around; with an even count it is the lower one of the two in the middle.
        count: How many rates.
        factor: From one to the next, greater than 1.
        through: A rate that the grid would meet if it were continued, so that grids around different centres
            have rates in common and can be drawn as the same lines; None: the centre itself.
    """
    through = centre if through is None else through
    nearest = round(math.log(centre / through) / math.log(factor))
    first = nearest - (count - 1) // 2
    return [rounded(through * factor**k) for k in range(first, first + count)]
