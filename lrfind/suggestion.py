"""What every command ends with: a suggested learning rate, or none, and why its work ended."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum


class Status(str, Enum):
    """Why a sweep ended."""

    COMPLETED = "completed"
    """Every rate of the ladder was used."""
    DIVERGED = "diverged"
    """The smoothed loss passed the threshold of the divergence test."""
    NONFINITE = "nonfinite"
    """A loss was NaN or infinite; it is the last one of the curve."""
    INTERRUPTED = "interrupted"
    """The user stopped the sweep."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A learning rate to train with at a constant rate, and the bracket it stands in, as a rule.

    Attributes:
        lr: The suggested rate, three significant digits.
        low: The lowest rate that should do nearly as well; for the rules of others, where the loss begins to
            fall.
        high: The highest such rate; for the rules of others, the last rate before the loss turns. Such a rule
            may answer a rate outside the two.
        rule: Name of the rule that chose `lr`.
        reason: Why, in a sentence.
    """

    lr: float
    low: float
    high: float
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Group:
    """A group of an optimizer's parameters, and its rate.

    Attributes:
        name: Its `name` where the optimizer has one, else `group 0`, `group 1`, ...; of groups that share a
            prefix what tells them apart: `weight decay 0.01`, `no weight decay`, `biases and norms`.
        parameters: How many numbers of it are trained.
        prefix: What the names of its parameters begin with, up to a dot; None where they share nothing.
        ratio: Of its rate to that of the fastest group: as the optimizer was given, or, of groups that were
            swept one by one, as found.
        lr: The suggested rate; None where there is none.
        low: The lower end of its bracket.
        high: The upper end.
    """

    name: str
    parameters: int
    prefix: str | None
    ratio: float
    lr: float | None = None
    low: float | None = None
    high: float | None = None

    def following(self, suggestion: Suggestion | None) -> Group:
        """The group with the rates that a suggestion for the fastest group means for it."""
        if suggestion is None:
            return replace(self, lr=None, low=None, high=None)
        rates = (suggestion.lr, suggestion.low, suggestion.high)
        lr, low, high = (float(f"{rate * self.ratio:.6g}") for rate in rates)
        return replace(self, lr=lr, low=low, high=high)


AT_A_CONSTANT_RATE = "It is meant for training at a constant rate."
"""What a rate is for, as a rule: how a reason ends."""


def rounded(lr: float) -> float:
    """Three significant digits: a range test knows no more."""
    return float(f"{lr:.3g}")


def rate_text(value: float, digits: int = 3) -> str:
    """Spells a learning rate, or a loss: `0.0123`, `1e-5`, `10`; Python reads every spelling back.

    At most `digits` significant digits; `nan`, `inf` and `-inf` as Python spells them.
    """
    if 1e-4 <= abs(value) < 1e5 or value == 0:
        text = f"{value:.{digits}g}"
        # With few digits, %g turns to an exponent early: 1e+03 for 1000.
        return text if "e" not in text else f"{float(text):.0f}"
    return re.sub(r"e([+-])0*(\d+)$", lambda m: f"e{m[1].strip('+')}{m[2]}", f"{value:.{digits}g}")
