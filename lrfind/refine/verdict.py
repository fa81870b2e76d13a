"""The answer of a coarse-to-fine sweep: a smaller value than the lowest point of its last round; its doubts.

Source: ai-edu, chapter 12.3.2.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lrfind.refine.minimum import WIDE, valley
from lrfind.refine.segments import below, exact, nearest
from lrfind.report.answer import NEARLY_AS_WELL
from lrfind.report.formatting import listed
from lrfind.report.no_learning import no_learning_shown
from lrfind.statistics import geometric_deviation
from lrfind.suggestion import AT_A_CONSTANT_RATE, Status, Suggestion, rate_text, rounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.refine.minimum import Minimum
    from lrfind.refine.results import RoundResult
    from lrfind.training.blind_answer import BlindAnswer


RULE = "safer"
"""Name of the rule that makes the suggestion."""


@dataclass(frozen=True, slots=True)
class RefineVerdict:
    """What all rounds together say.

    Attributes:
        suggestion: The rate, its bracket and why; None where there is none.
        rules: The lowest point of the last round, and the safer value.
        round: The round that it is read from, counted from 1; None where there is none.
        no_learning: Says so where nothing shows that the model learns; else empty.
        bracket: What the suggestion's bracket holds, in words.
    """

    suggestion: Suggestion | None
    rules: dict[str, float | None]
    verdict: str
    round: int | None = None
    no_learning: str = ""
    bracket: str = NEARLY_AS_WELL


def conclude(rounds: Sequence[RoundResult], *, interrupted: bool = False) -> RefineVerdict:
    """The answer of the last round that has one: a smaller value than its lowest point, the safer one.

    Half a step of the table below the lowest point (0.75 for 0.8), but no rate at which the loss was still
    falling. Where the last round shows none, as it begins anew and may be too short to learn anything, or
    lies too high, an earlier one does.
    """
    nothing: dict[str, float | None] = {"lowest": None, RULE: None}
    if interrupted or not rounds or rounds[-1].status is Status.INTERRUPTED:
        reached = ""
        if rounds and len(rounds[-1].lrs):
            reached = f" in round {len(rounds)}, at a rate of {rate_text(rounds[-1].lrs[-1])}"
        return RefineVerdict(None, nothing, f"Interrupted{reached}: too early to read a rate from it.")
    answer = _of_last(rounds)
    if answer.suggestion is not None:
        return answer
    earlier = (_of_last(rounds[:count]) for count in range(len(rounds) - 1, 0, -1))
    found = next((each for each in earlier if each.suggestion is not None), None)
    if found is None:
        return answer
    instead = f"The answer is that of round {found.round}, for a later one has none. {answer.verdict}"
    return replace(found, verdict=f"{found.verdict} {instead}")


def with_no_learning(
    answer: RefineVerdict, sweeps: Sequence[Sequence[RoundResult]], blind: BlindAnswer
) -> RefineVerdict:
    """The answer, with what is said where no rate of any round shows that the model learns."""
    if answer.suggestion is None:
        return answer
    losses = np.concatenate([measured.losses for rounds in sweeps for measured in rounds])
    lowest = float(losses[np.isfinite(losses)].min())
    return replace(answer, no_learning=no_learning_shown(blind, sweeps[0][0].level, lowest))


def _of_last(rounds: Sequence[RoundResult]) -> RefineVerdict:
    """What the last round says."""
    nothing: dict[str, float | None] = {"lowest": None, RULE: None}
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
            return RefineVerdict(
                None,
                nothing,
                "The loss was not finite from the start: look for NaN in the data or a loss outside its "
                "domain (log of 0); with bf16 or fp16 try precision=fp32.",
            )
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
        safer = f"; {rate_text(lr)}, one of them, is the safer value"
        reason += f"{'' if lr == rounded(seen.lowest) else safer}."
    elif lr == rounded(seen.lowest):
        reason = f"The loss was lowest at {rate_text(lr)}, and still falling at all smaller rates."
    else:
        reason = (
            f"The loss was lowest at {rate_text(seen.lowest)}; {rate_text(lr)}, {why}, is the safer value."
        )
    bracket = NEARLY_AS_WELL
    if low < high:
        reason += f" The loss is as good from {rate_text(low)} to {rate_text(high)}."
    else:  # between the rates of a table nothing is known
        low, high = (rounded(math.sqrt(seen.lowest * beside)) for beside in (seen.falling, seen.beyond))
        reason += " No other rate was as good."
        bracket = "half way to the rates beside it, which were worse"
    reason += f" {AT_A_CONSTANT_RATE}"
    suggestion = Suggestion(lr=lr, low=min(low, lr), high=max(high, lr), rule=RULE, reason=reason)
    rules: dict[str, float | None] = {"lowest": rounded(seen.lowest), RULE: lr}
    return RefineVerdict(suggestion, rules, f"{number} {_told(seen, last)}", len(rounds), bracket=bracket)


def _told(seen: Minimum, last: RoundResult) -> str:
    said = (
        f"was lowest at {rate_text(seen.lowest)}, with a loss of {rate_text(seen.loss)}, "
        f"{rate_text(last.level)} at the start"
    )
    if seen.at_end:
        end = rate_text(last.lrs[-1])
        where = "that is" if seen.lowest == last.lrs[-1] else f"it is as good up to {end},"
        return f"{said}; {where} its last rate, and a larger one may be better still."
    if seen.at_start:
        return f"{said}; that is its first rate, and a smaller one may be better still."
    bad = ~np.isfinite(last.losses)
    if bad.any():
        return f"{said}; at {rate_text(last.lrs[bad][0])} it was no longer finite."
    if seen.low == seen.high:
        return f"{said}; no other rate was as good, which may be luck of its batches: refine.seeds=3 tells."
    return f"{said}, and as good from {rate_text(seen.low)} to {rate_text(seen.high)}."


def _half_a_step_down(lr: float) -> float:
    near = nearest(exact(lr))
    return float(exact(lr) - (near - exact(below(float(near)))) / 2)


SWEEPS = 3
"""Sweeps in all, each with a seed of its own, where one leaves a doubt."""

SURER = "lrfind verify trains at such rates, each from the start, and tells whether this one holds."
"""No other sweep does: where the loss stops falling depends on the seed, however long each rate is held."""

STRAIGHT = 3
"""Rounds of a search that found its way: a table, a finer step, the closing round."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """Whole sweeps with different seeds, what each alone answers, and why one was not enough."""

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
        return geometric_deviation(self.lrs)


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
        end = first_lr if seen.low == first_lr else last_lr
        return f"its last round is as good up to its end, {rate_text(end)}"
    before = valley(rounds[-2]) if len(rounds) > 1 else None
    if before is not None and not before.falling <= seen.lowest <= before.beyond:
        return f"its last rounds turn at {rate_text(before.lowest)} and at {rate_text(seen.lowest)}"
    return None


def interrupted_later(rounds: Sequence[RoundResult]) -> str:
    """What there was before the user stopped the sweeps that followed a whole one."""
    found = conclude(rounds).suggestion
    answer = "nothing" if found is None else rate_text(found.lr)
    return (
        f"Interrupted, after a sweep that answers {answer}, in those that followed because {doubt(rounds)}."
    )


def common_answer(repeats: Repeats) -> RefineVerdict:
    """What several sweeps answer together: the middle rate of theirs, in a bracket that holds them all."""
    found = [each.suggestion for each in repeats.answers if each.suggestion is not None]
    lrs = sorted(suggestion.lr for suggestion in found)
    why = f"One sweep left a doubt: {repeats.reason}. "
    each = listed(["none" if lr is None else rate_text(lr) for lr in repeats.lrs])
    said = f"{len(repeats.lrs)} sweeps, each with a seed of its own, answer {each}"
    if 2 * len(lrs) <= len(repeats.answers):
        nothing: dict[str, float | None] = {"lowest": None, RULE: None}
        advice = "refine.read=train reads the loss on all samples, and more iterations hold each rate longer"
        return RefineVerdict(None, nothing, f"{why}{said}: too few for a rate; {advice}.")
    lr = rounded(math.exp(statistics.median(map(math.log, lrs))))
    low = statistics.median(suggestion.low for suggestion in found)
    high = statistics.median(suggestion.high for suggestion in found)
    agree = low <= lrs[0] and lrs[-1] <= high
    low, high = min(low, lrs[0]), max(high, lrs[-1])
    lowest = [each.rules["lowest"] for each in repeats.answers]
    middle = statistics.median(rate for rate in lowest if rate is not None)
    factor = repeats.factor
    spread = "" if factor is None else f" (one standard deviation is a factor of {factor:.2g})"
    if len(lrs) == len(repeats.answers) and lrs[0] == lrs[-1]:
        reason = f"{len(lrs)} sweeps, each with a seed of its own, all answer {rate_text(lr)}."
    else:
        reason = f"{said}{spread}; {rate_text(lr)} is in their middle."
    reason = f"{reason} {AT_A_CONSTANT_RATE}"
    suggestion = Suggestion(lr=lr, low=rounded(low), high=rounded(high), rule=RULE, reason=reason)
    rules: dict[str, float | None] = {"lowest": rounded(middle), RULE: lr}
    bracket = NEARLY_AS_WELL if agree else f"where the answers of the {len(lrs)} sweeps lie"
    return RefineVerdict(suggestion, rules, f"{why}{SURER}", bracket=bracket)
