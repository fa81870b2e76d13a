"""The rules: a line in, a learning rate out; and the suggestion that is made of them.

Each rule is a pure function from a `Line` to a rate, or None where the line does not show what the rule looks
for. The rules' own answers are all reported; one of them makes the suggestion.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from lrfind.core.line import line
from lrfind.core.verdict import Shape, shape_of, verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from lrfind.core.curve import Curve
    from lrfind.core.line import Line


class Rule(str, Enum):
    """The rules by name."""

    STEEPEST = "steepest"
    MINIMUM = "minimum"
    VALLEY = "valley"
    SLIDE = "slide"
    GUGGER = "gugger"


DEFAULT_RULE = Rule.GUGGER


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A learning rate to train with at a constant rate, and the bracket it stands in.

    Attributes:
        lr: The suggested rate, three significant digits.
        low: Where the loss begins to fall.
        high: The last rate before the loss turns.
        rule: Name of the rule that chose `lr`.
        reason: Why, in a sentence.
    """

    lr: float
    low: float
    high: float
    rule: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What was read from a curve.

    Attributes:
        suggestion: None where the curve does not show one.
        rules: Every rule's own answer, three significant digits, or None.
        shape: What kind of curve it is.
        verdict: What the curve shows and what to do about it, in plain language.
        line: What the rules read.
    """

    suggestion: Suggestion | None
    rules: dict[str, float | None]
    shape: Shape
    verdict: str
    line: Line


def read(curve: Curve, *, rule: Rule) -> Reading:
    """Reads a curve with every rule; `rule` makes the suggestion."""
    seen = line(curve)
    shape = shape_of(curve, seen)
    rules: dict[str, float | None] = {each.value: None for each in Rule}
    suggestion = None
    if shape.answers:
        answers = {each: RULES[each](seen) for each in Rule}
        rules = {each.value: None if lr is None else rounded(lr) for each, lr in answers.items()}
        what = "loss" if curve.accuracies is None else "share of wrong answers"
        suggestion = _suggestion(seen, rule, answers[rule], what)
    return Reading(suggestion, rules, shape, verdict(curve, seen, shape), seen)


def bracket(seen: Line) -> tuple[float, float]:
    """From where the loss begins to fall to the last rate before it turns.

    It begins to fall where it has lost a tenth of all that it will lose, for good; it turns at its lowest
    point.
    """
    fall = seen.falls
    return float(seen.lrs[fall.start]), float(seen.lrs[fall.stop - 1])


def steepest(seen: Line) -> float | None:
    """The rate at which the loss falls fastest: least d loss / d log10 lr, within the bracket.

    Source: the usual reading of a range test; the slope is taken over log10 lr, the axis it is drawn on.
    """
    if seen.lowest < 1:
        return None
    fall = seen.falls
    return float(seen.lrs[fall][int(np.argmin(seen.slopes[fall]))])


def minimum(seen: Line) -> float | None:
    """A tenth of the rate at the lowest point.

    Source: Gugger, "How Do You Find A Good Learning Rate"; fastai calls it `minimum`.
    """
    lowest = seen.lowest
    return None if lowest < 1 else float(seen.lrs[lowest]) / 10


def gugger(seen: Line) -> float | None:
    """The last rate of the bracket at which the loss still falls at half of its fastest.

    Source: Gugger, ibid.: not the minimum but a value before it, where the loss still goes down; how fast
    "still" is he leaves to the eye, and half of the fastest is our reading.
    """
    if seen.lowest < 1:
        return None
    fall = seen.falls
    slopes = seen.slopes[fall]
    falling = np.flatnonzero(slopes <= 0.5 * slopes.min())
    return float(seen.lrs[fall][int(falling[-1])])


def valley(seen: Line) -> float | None:
    """The middle of the longest valley, the longest falling subsequence of the exponential average.

    Source: `valley` of fastai 2, its default, after its description; it reads the exponential average, so
    this does too.
    """
    fall = _longest_falling(seen.averaged.tolist())
    return None if len(fall) < 3 else float(seen.lrs[(fall[0] + fall[-1]) // 2])


def slide(seen: Line) -> float | None:
    """The left end of an interval slid leftwards from the end until the slopes at its ends agree.

    The interval is 15 steps long, or a third of the line where that is less; the slopes are those of the
    exponential average from step to step, and agree where they differ by less than 0.005.

    Source: the interval slide rule of fastai 2 (`slide`), after its description, with its own constants.
    """
    length = min(15, len(seen) // 3)
    if length < 1:
        return None
    slopes = np.gradient(seen.averaged)
    for right in range(len(seen) - 1, length - 1, -1):
        if abs(slopes[right] - slopes[right - length]) < 0.005:
            return float(seen.lrs[right - length])
    return None


RULES: dict[Rule, Callable[[Line], float | None]] = {
    Rule.STEEPEST: steepest,
    Rule.MINIMUM: minimum,
    Rule.VALLEY: valley,
    Rule.SLIDE: slide,
    Rule.GUGGER: gugger,
}

LOOKS_AT = {
    Rule.STEEPEST: "where the loss falls fastest",
    Rule.MINIMUM: "a tenth of the rate at the lowest loss",
    Rule.VALLEY: "the middle of the longest fall (fastai)",
    Rule.SLIDE: "where the slope settles, from the right (fastai)",
    Rule.GUGGER: "the last rate at which it still falls at half its fastest",
}
"""What each rule looks at, for a person."""


def rounded(lr: float) -> float:
    """Three significant digits: a range test knows no more."""
    return float(f"{lr:.3g}")


def _suggestion(seen: Line, rule: Rule, answer: float | None, what: str) -> Suggestion | None:
    if answer is None:
        return None
    low, high = bracket(seen)
    lr = rounded(min(max(answer, low), high))
    low, high = min(rounded(low), lr), max(rounded(high), lr)
    moved = "" if low <= answer <= high else f", moved from {rounded(answer):g} into the bracket"
    reason = (
        f"The {what} begins to fall at {low:g} and turns at {high:g}; {lr:g} is "
        f"{LOOKS_AT[rule].replace('loss', what)}{moved}. It is meant for training at a constant rate."
    )
    return Suggestion(lr=lr, low=low, high=high, rule=rule.value, reason=reason)


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
