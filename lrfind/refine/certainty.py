"""How sure the answer of a continued sweep is: what makes it doubtful, and what several sweeps answer."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrfind.refine.minimum import WIDE, valley
from lrfind.refine.verdict import RULE, RefineVerdict
from lrfind.suggestion import Suggestion, rate_text, rounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.refine.results import RoundResult

SWEEPS = 3
"""Sweeps in all, each with a seed of its own, where one leaves a doubt."""

STRAIGHT = 3
"""Rounds of a search that found its way: a table, a finer step, the closing round."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """Whole sweeps with different seeds.

    Attributes:
        seeds: The seed of each.
        answers: What each of them alone answers.
        reason: Why one was not enough.
    """

    seeds: tuple[int, ...]
    answers: tuple[RefineVerdict, ...]
    reason: str

    @property
    def lrs(self) -> tuple[float | None, ...]:
        """The rate that each suggests, or None."""
        return tuple(None if each.suggestion is None else each.suggestion.lr for each in self.answers)

    @property
    def factor(self) -> float | None:
        """The geometric standard deviation of those rates, at least 1; None of fewer than two."""
        known = [lr for lr in self.lrs if lr is not None]
        return math.exp(float(np.std(np.log(known), ddof=1))) if len(known) > 1 else None


def doubt(rounds: Sequence[RoundResult]) -> str | None:
    """Why the answer of one continued sweep is not certain; None where it is, or there is no loss."""
    last = rounds[-1]
    seen = valley(last)
    if seen is None or bool(np.all(last.losses == last.level)):
        return None
    first_lr, last_lr = last.plan.span
    if not seen.learned:
        return "no rate of its last round lowered the loss by more than the noise"
    if len(rounds) > STRAIGHT:
        return f"it took {len(rounds)} rounds to find a turn"
    if seen.high > WIDE * seen.low:
        return f"its last round is as good from {rate_text(seen.low)} to {rate_text(seen.high)}"
    if seen.low == first_lr or seen.high == last_lr:
        return f"its last round is as good up to its end, {first_lr if seen.low == first_lr else last_lr:g}"
    before = valley(rounds[-2]) if len(rounds) > 1 else None
    if before is not None and not before.falling <= seen.lowest <= before.beyond:
        return f"its last rounds turn at {rate_text(before.lowest)} and at {rate_text(seen.lowest)}"
    return None


def common_answer(repeats: Repeats) -> RefineVerdict:
    """What several sweeps answer together: the middle rate of theirs, in a bracket that holds them all."""
    found = [each.suggestion for each in repeats.answers if each.suggestion is not None]
    lrs = sorted(suggestion.lr for suggestion in found)
    why = f"One sweep was not certain ({repeats.reason}). "
    said = (
        f"{len(repeats.lrs)} sweeps with the seeds {', '.join(map(str, repeats.seeds))}, each alone, answer "
    )
    said += ", ".join("none" if lr is None else rate_text(lr) for lr in repeats.lrs)
    advice = (
        "refine.restart=true begins every rate at the same start, refine.read=train reads the loss on all "
        "samples, and a larger refine.iterations holds each rate longer"
    )
    if 2 * len(lrs) <= len(repeats.answers):
        nothing: dict[str, float | None] = {"lowest": None, RULE: None}
        return RefineVerdict(None, nothing, f"{why}{said}: too few for a rate. To be surer, {advice}.")
    lr = rounded(math.exp(statistics.median(map(math.log, lrs))))
    low = min(lrs[0], statistics.median(suggestion.low for suggestion in found))
    high = max(lrs[-1], statistics.median(suggestion.high for suggestion in found))
    lowest = [each.rules["lowest"] for each in repeats.answers]
    middle = statistics.median(rate for rate in lowest if rate is not None)
    reason = (
        f"{said}; {rate_text(lr)} is in their middle, and the bracket holds them all. It is meant "
        "for training "
        "at a constant rate."
    )
    factor = repeats.factor
    spread = "" if factor is None else f"One standard deviation is times or divided by {factor:.2g}. "
    suggestion = Suggestion(lr=lr, low=rounded(low), high=rounded(high), rule=RULE, reason=reason)
    return RefineVerdict(
        suggestion, {"lowest": rounded(middle), RULE: lr}, f"{why}{spread}To be surer, {advice}."
    )
