"""The answer of a coarse-to-fine sweep: a smaller value than the lowest point of its last round.

Source: ai-edu, chapter 12.3.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrfind.refine.minimum import valley
from lrfind.refine.segments import below, exact, nearest
from lrfind.suggestion import Status, Suggestion, rate_text, rounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.refine.minimum import Minimum
    from lrfind.refine.results import RoundResult

RULE = "safer"
"""Name of the rule that makes the suggestion."""


@dataclass(frozen=True, slots=True)
class RefineVerdict:
    """What all rounds together say.

    Attributes:
        suggestion: The rate, its bracket and why; None where there is none.
        rules: The lowest point of the last round, and the safer value.
        verdict: What the rounds show, in plain language.
    """

    suggestion: Suggestion | None
    rules: dict[str, float | None]
    verdict: str


def conclude(rounds: Sequence[RoundResult], *, interrupted: bool = False) -> RefineVerdict:
    """The answer of the last round: a smaller value than its lowest point, the safer one.

    Half a step of the table below the lowest point (0.75 for 0.8), but no rate at which the loss was still
    falling.
    """
    nothing: dict[str, float | None] = {"lowest": None, RULE: None}
    if interrupted or not rounds or rounds[-1].status is Status.INTERRUPTED:
        reached = (
            f" in round {len(rounds)}, at a rate of {rate_text(rounds[-1].lrs[-1])}" if _any(rounds) else ""
        )
        return RefineVerdict(None, nothing, f"Interrupted{reached}: too early to read a rate from it.")
    last = rounds[-1]
    first_lr, last_lr = last.plan.span
    whole = last.lrs[last.whole]
    number = f"Round {len(rounds)}"
    if len(last.lrs) and not len(whole):
        return RefineVerdict(
            None,
            nothing,
            f"{number}: no rate came through the halving with every seed, so that none was trained for as "
            "long with all of them. Leave out refine.halving, or hold each rate longer (refine.iterations).",
        )
    seen = valley(last)
    if seen is None:
        if not math.isfinite(last.level):
            what = "look for NaN in the data, a loss outside its domain (log of 0), or try precision=fp32"
            return RefineVerdict(None, nothing, f"The loss was not finite from the start: {what}.")
        advice = "give refine.segments that start lower, by a factor of 100 or more"
        return RefineVerdict(
            None, nothing, f"{number}: the loss was not finite at {rate_text(first_lr)} already; {advice}."
        )
    if not seen.learned:
        return RefineVerdict(
            None,
            nothing,
            f"{number}: no rate from {rate_text(first_lr)} to {rate_text(last_lr)} lowered the "
            "loss by more than its noise. "
            "Hold each rate longer (refine.iterations, or iterations in refine.segments), take a larger "
            "batch_size, or read the loss on more samples (refine.read=train).",
        )
    answer = max(seen.low, _half_a_step_down(seen.lowest))
    halved = len(whole) < len(last.lrs)
    if halved:  # of what lies between the rates that are left nothing is known after as many steps
        answer = float(whole[whole >= answer][0])
    lr, low, high = rounded(answer), rounded(seen.low), rounded(seen.high)
    why = "half a step of the table below" if answer > seen.low else "where the fall ends"
    if halved:
        reason = f"Of the {len(whole)} rates that were trained in full {rate_text(seen.lowest)} was lowest"
        reason += "." if lr == rounded(seen.lowest) else f"; {rate_text(lr)}, one of them, is the "
        "safer value."
    elif lr == rounded(seen.lowest):
        reason = f"The loss was lowest at {rate_text(lr)}, and still falling at all smaller rates."
    else:
        reason = (
            f"The loss was lowest at {rate_text(seen.lowest)}; {rate_text(lr)}, {why}, is the safer value."
        )
    reason += (
        f" The loss is as good from {rate_text(low)} to {rate_text(high)}. It is meant for "
        "training at a constant rate."
    )
    suggestion = Suggestion(lr=lr, low=min(low, lr), high=max(high, lr), rule=RULE, reason=reason)
    rules: dict[str, float | None] = {"lowest": rounded(seen.lowest), RULE: lr}
    return RefineVerdict(suggestion, rules, f"{number} {_told(seen, last, first_lr)}")


def _told(seen: Minimum, last: RoundResult, first_lr: float) -> str:
    said = (
        f"was lowest at {rate_text(seen.lowest)}, with a loss of {seen.loss:.3g}, "
        f"{last.level:.3g} at the start"
    )
    if seen.at_end:
        where = "that is" if seen.lowest == last.lrs[-1] else "it is as good up to "
        f"{rate_text(last.lrs[-1])},"
        return f"{said}; {where} its last rate, and a larger one may be better still."
    if seen.at_start:
        return f"{said}; that is its first rate, and a smaller one may be better still."
    bad = ~np.isfinite(last.losses)
    if bad.any():
        return f"{said}; at {rate_text(last.lrs[bad][0])} it was no longer finite."
    return f"{said}, and as good from {rate_text(seen.low)} to {rate_text(seen.high)}."


def _half_a_step_down(lr: float) -> float:
    near = nearest(exact(lr))
    return float(exact(lr) - (near - exact(below(float(near)))) / 2)


def _any(rounds: Sequence[RoundResult]) -> bool:
    return bool(rounds) and len(rounds[-1].lrs) > 0
