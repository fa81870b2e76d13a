"""RAdam's rectification: the part of the rate that its updates use, which rises for thousands of steps.

Source: Liu et al. 2019, arXiv 1908.03265, algorithm 2.
"""

from __future__ import annotations

import math

LEAST = 5.0
"""Length of the average of squares from which on its variance is finite, and updates are divided by it."""


def rectification(beta: float, step: int) -> float:
    """The part of the rate that an update uses, in (0, 1].

    The updates before the average of squares is `LEAST` long are not divided by it, and have no such part;
    theirs is taken to be that of the first that are.

    Args:
        beta: Weight of the past in the average of squares, in (0, 1).
        step: Updates made, this one included; at least 1.
    """
    longest = 2 / (1 - beta) - 1
    if longest <= LEAST:
        return 1.0
    power = beta**step
    length = max(LEAST, longest - 2 * step * power / (1 - power))
    part = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    return math.sqrt(part)
