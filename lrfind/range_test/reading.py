"""What is read from a curve: every rule's answer, the suggestion that one of them makes, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from lrfind.range_test.centre import (
    centre,
    less_for_epochs,
    less_for_momentum,
    less_for_rectification,
    middle_half,
    valley_sides,
)
from lrfind.range_test.repeats import Repeats, smoothed_median
from lrfind.range_test.rules import falling, gugger, minimum, slide, steepest, valley
from lrfind.range_test.shape import Shape, shape_of
from lrfind.range_test.smoothed_curve import EPOCH_STEPS
from lrfind.range_test.verdict import finding
from lrfind.report.formatting import listed
from lrfind.suggestion import AT_A_CONSTANT_RATE, Suggestion, rate_text, rounded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lrfind.range_test.curve import Curve
    from lrfind.range_test.held_out_run import HeldOutRun
    from lrfind.range_test.horizon import Horizon
    from lrfind.range_test.smoothed_curve import SmoothedCurve
    from lrfind.range_test.trials import Trials


class Rule(str, Enum):
    """The rules by name."""

    CENTRE = "centre"
    STEEPEST = "steepest"
    MINIMUM = "minimum"
    VALLEY = "valley"
    SLIDE = "slide"
    GUGGER = "gugger"


DEFAULT_RULE = Rule.CENTRE


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What was read from a curve.

    Attributes:
        suggestion: None where the curve does not show one.
        rules: Every rule's own answer, three significant digits, or None.
        shape: What kind of curve it is.
        seen: What the curve shows, in plain language.
        advice: What to do about it; empty where it is nothing.
        smoothed: What the rules read.
        horizon: The length of the training that the suggestion is for, where one was asked for.
        trials: Training runs at constant rates, where the sweeps had shown too little to read a rate from.
        held_out: A run at the suggested rate, where a training meets its samples again and again.
        metric: What is read, in words.
        no_learning: Says so where nothing shows that the model learns; else empty.
        trained_before: Whether the model begins well below what an untrained one has, or most of it stays as
            it is: of such nothing is in `measured`.
    """

    suggestion: Suggestion | None
    rules: dict[str, float | None]
    shape: Shape
    seen: str
    advice: str
    smoothed: SmoothedCurve
    horizon: Horizon | None = None
    trials: Trials | None = None
    held_out: HeldOutRun | None = None
    metric: str = "loss"
    no_learning: str = ""
    trained_before: bool = False

    @property
    def verdict(self) -> str:
        """What the curve shows and what to do about it."""
        return f"{self.seen} {self.advice}".strip()

    @property
    def holds_for_others(self) -> bool:
        """Whether what is learnt holds for other samples too, as far as any were held out."""
        return self.held_out is None or self.held_out.learns


def read(curve: Curve, *, rule: Rule, sweeps: Sequence[Curve] = ()) -> Reading:
    """Reads a curve with every rule; `rule` makes the suggestion.

    Args:
        curve: What a sweep measured, or the median of several.
        rule: The rule that makes the suggestion.
        sweeps: The several.
    """
    smoothed = smoothed_median(curve, sweeps)
    shape = shape_of(curve, smoothed)
    rules: dict[str, float | None] = {each.value: None for each in Rule}
    suggestion = None
    if shape.answers:
        answers = {each: RULES[each](smoothed) for each in Rule}
        rules = {each.value: None if lr is None else rounded(lr) for each, lr in answers.items()}
        first, last = float(curve.lrs[0]), float(curve.lrs[-1])
        answer = answers[rule]
        if answer is not None and answer < first:
            # Of what was not tried nothing is known, not even that it is better than the first rate.
            shape = Shape.BELOW_LADDER
        else:
            suggestion = _suggestion(smoothed, rule, answer, curve.metric, (first, last))
    seen, advice = finding(curve, smoothed, shape)
    return Reading(suggestion, rules, shape, seen, advice, smoothed, metric=curve.metric)


RULES: dict[Rule, Callable[[SmoothedCurve], float | None]] = {
    Rule.CENTRE: centre,
    Rule.STEEPEST: steepest,
    Rule.MINIMUM: minimum,
    Rule.VALLEY: valley,
    Rule.SLIDE: slide,
    Rule.GUGGER: gugger,
}

LOOKS_AT = {
    Rule.CENTRE: "the middle of the valley (lrfind)",
    Rule.STEEPEST: "where the averaged loss falls fastest",
    Rule.MINIMUM: "a tenth of the rate at the lowest loss",
    Rule.VALLEY: "the middle of the running mean's longest fall (fastai)",
    Rule.SLIDE: "where the running mean's slope settles, from the right (fastai)",
    Rule.GUGGER: "the last rate at which the averaged loss falls at half its fastest",
}
"""What each rule looks at, for a person."""


UNSURE = 0.2
"""What short epochs multiply the answer by, from which on down it is said to be uncertain."""


def repeats_of(
    curves: Sequence[Curve], seeds: Sequence[int], *, rule: Rule, reason: str | None = None
) -> Repeats:
    """Several sweeps of one task, each read alone."""
    found = [read(curve, rule=rule).suggestion for curve in curves]
    lrs = tuple(None if suggestion is None else suggestion.lr for suggestion in found)
    return Repeats(tuple(seeds[: len(curves)]), tuple(curves), lrs, reason)


def _suggestion(
    smoothed: SmoothedCurve, rule: Rule, answer: float | None, what: str, ladder: tuple[float, float]
) -> Suggestion | None:
    if answer is None:
        return None
    between = middle_half(smoothed) if rule is Rule.CENTRE else falling(smoothed)
    if between is None:
        return None
    if rule is Rule.CENTRE:
        lr = _rounded_inside(min(max(answer, between[0]), between[1]), ladder)
        low, high = (_rounded_inside(rate, ladder) for rate in between)
        low, high = min(low, lr), max(high, lr)
        said = _valley_in_words(smoothed, lr, what)
    else:
        # Who asks for a rule gets its answer, wherever that lies.
        lr, low, high = (_rounded_inside(rate, ladder) for rate in (answer, *between))
        said = (
            f"The {what} begins to fall at {rate_text(low)} and turns at {rate_text(high)}; "
            f"{rate_text(lr)} is {LOOKS_AT[rule].replace('loss', what)}{_outside(lr, low, high)}."
        )
    return Suggestion(lr, low, high, rule.value, f"{said} {AT_A_CONSTANT_RATE}")


def _rounded_inside(rate: float, ladder: tuple[float, float]) -> float:
    """Three significant digits, but never outside the rates that were tried."""
    return min(max(rounded(rate), ladder[0]), ladder[1])


def _outside(lr: float, low: float, high: float) -> str:
    """Says of an answer that does not lie where the curve falls what that means."""
    if lr < low:
        return f", before the fall: up to {rate_text(low)} there is less than a tenth of it"
    return ", after the turn" if lr > high else ""


def _valley_in_words(smoothed: SmoothedCurve, lr: float, what: str) -> str:
    sides = valley_sides(smoothed)
    assert sides is not None
    left, right = (rate_text(rounded(side)) for side in sides)
    # It is averaged more widely than the drawn line, which may fall further and turn elsewhere.
    said = f"Averaged over neighbouring rates, the {what} has its valley from {left} to {right}"
    causes, unsure = [], ""
    if smoothed.momentum:
        causes.append(f"{less_for_momentum(smoothed):.2g} for momentum")
    if smoothed.rectified_by is not None:
        causes.append(f"{less_for_rectification(smoothed):.2g} for RAdam's held-back start")
    if smoothed.epoch_share < 1:
        steps, factor = max(1, round(EPOCH_STEPS * smoothed.epoch_share)), less_for_epochs(smoothed)
        every = "every step" if steps == 1 else f"every {steps} steps"
        causes.append(f"{factor:.2g} as batches come again {every}")
        if factor < UNSURE:
            without = rate_text(rounded(lr / factor))
            unsure = f" The last factor is uncertain; without it the rate would be {without}."
    if not causes:
        return f"{said}; {rate_text(lr)} is its middle."
    middle = rate_text(rounded(math.sqrt(sides[0] * sides[1])))
    why = f"its middle ({middle}) times"
    if lr < rounded(sides[0]):
        why = f"lower, since its middle ({middle}) is multiplied by"
    return f"{said}; {rate_text(lr)} is {why} {listed(causes)}.{unsure}"
