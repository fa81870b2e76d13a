"""What is said where no loss of a test came clearly below that of equal shares for all classes."""

from __future__ import annotations

import math

from lrfind.report.formatting import told_apart

CLEARLY = 0.02
"""Share of that level by which the least loss has to lie below it. It is a training loss, and labels drawn at
random are learnt by heart by 1% and more in the longest runs of a range test."""


def no_learning_shown(equal_shares: float, start: float, lowest: float) -> str:
    """Says of losses that began above the level of equal shares that they do not show any learning.

    A model whose first answers are worse than that comes down to it without looking at its inputs.

    Args:
        equal_shares: Cross-entropy of equal shares for all classes; NaN where it is not known.
        start: Loss before training.
        lowest: The least loss that was trained to, smoothed.

    Returns:
        A sentence; empty where one loss came clearly below the level, or all began below it.
    """
    if not (start > equal_shares and lowest >= (1 - CLEARLY) * equal_shares):
        return ""
    return (
        f"The loss {not_below(equal_shares, start, lowest)}: these steps do not show that anything is learnt "
        "from the data. lrfind verify trains for longer, and tells."
    )


def not_below(equal_shares: float, start: float, lowest: float) -> str:
    """From where to where the loss came, beside the level of equal shares: what follows `The loss`."""
    level, high, low = told_apart(equal_shares, start, lowest, most=5)
    return (
        f"came from {high} to {low} at best, which is not clearly below the {level} of a model that takes "
        f"all {round(math.exp(equal_shares)):,} classes for equally likely"
    )
