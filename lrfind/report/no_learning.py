"""What is said where no loss of a test came clearly below that of a blind answer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lrfind.report.formatting import told_apart
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from lrfind.training.blind_answer import BlindAnswer

CLEARLY = 0.02
"""Share of that level by which the least loss has to lie below it. It is a training loss, and labels drawn at
random are learnt by heart by 1% and more in the longest runs of a range test."""

UNSCALED = 10.0
"""A squared error above that is not one of standardised inputs and targets, with which it begins near 1."""

LEFT = 0.01
"""Share of that level below which a model that is trained already knows its samples by heart. Four in
ten suggestions from there on made the model worse than it was (docs/results.md)."""


def little_left(blind: BlindAnswer, start: float) -> str:
    """Says of a model that is trained already that its samples have next to nothing left to teach it.

    Args:
        blind: What an answer has that does not look at the inputs.
        start: Loss before training.

    Returns:
        A sentence; empty where there is more left.
    """
    if not (blind.is_known and start < LEFT * blind.loss):
        return ""
    begins, level = told_apart(start, blind.loss)
    return (
        f"The loss begins at {begins}, where {blind.what} has {level}: the model knows these samples, "
        "and their loss hardly tells what a rate does to others. lrfind verify tells, given some that it was "
        "not trained on."
    )


def no_learning_shown(blind: BlindAnswer, start: float, lowest: float, surely: float = -math.inf) -> str:
    """Says of losses that began above that of a blind answer that they do not show any learning.

    A model whose first answers are worse than that comes down to it without looking at its inputs. Losses
    that have not found it yet show how fast that is; of classes that is what tells rates apart at first.

    Args:
        blind: The best answer that does not look at the inputs.
        start: Loss before training.
        lowest: The least loss that was trained to, smoothed.
        surely: The least of those that came below it by more than chance, where that is known.

    Returns:
        A sentence; empty where one loss came clearly below the level, or all began below it.
    """
    if not (start > blind.loss and max(lowest, surely) >= (1 - CLEARLY) * blind.loss):
        return ""
    if not blind.is_found(start, lowest):
        if lowest < (1 - CLEARLY) * blind.begins_near:
            return ""
        came, level = _spelled(blind, start, lowest)
        remedy = "Standardise the targets, or let the model begin at their mean."
        remedy = remedy if blind.is_mean else "lrfind verify trains for longer, and tells."
        return (
            f"The loss {came}, and {blind.what} has {level}: rates are told apart by how fast they find that "
            "answer, and for what comes after another may be best. "
            f"{remedy}"
        )
    return (
        f"The loss {not_below(blind, start, lowest)}: these steps do not show that anything is learnt "
        "from the data. lrfind verify trains for longer, and tells."
    )


def unscaled(blind: BlindAnswer, start: float) -> str:
    """What is advised where no rate shows, and a squared error begins far above that of standardised targets.

    With inputs and targets that are standardised, answers and targets are of the order of 1, and so is their
    squared error. Where it is many times that, the slope is too, and a step overshoots at any rate that would
    bring the loss down in time: lower rates or more of them do not mend it.

    Args:
        blind: The best answer that does not look at the inputs.
        start: Loss before training.

    Returns:
        A sentence; empty where the loss is of that order, or of another kind.
    """
    if not (blind.is_mean and start > UNSCALED):
        return ""
    return (
        f"The squared error begins at {rate_text(start)}, that of standardised data near 1: standardise "
        "inputs and targets (subtract the mean, divide by the standard deviation) and test again."
    )


def not_below(blind: BlindAnswer, start: float, lowest: float) -> str:
    """From where to where the loss came, beside that of a blind answer: what follows `The loss`."""
    came, level = _spelled(blind, start, lowest)
    if lowest < (1 - CLEARLY) * blind.loss:
        return f"{came}, and chance alone may be why that is below the {level} that {blind.what} has"
    above = lowest > (1 + CLEARLY) * blind.loss
    return f"{came}, which is {'above' if above else 'not clearly below'} the {level} that {blind.what} has"


def _spelled(blind: BlindAnswer, start: float, lowest: float) -> tuple[str, str]:
    """From where to where the loss came, and that of a blind answer, in digits that tell them apart."""
    level, high, low = told_apart(blind.loss, start, lowest, most=5)
    return f"came from {high} to {low} at best", level
