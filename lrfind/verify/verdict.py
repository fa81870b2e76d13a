"""What a search around a rate shows, in plain language, and the suggestion that is made of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from lrfind.report.formatting import listed, told_apart
from lrfind.suggestion import Suggestion, rate_text, rounded
from lrfind.verify.candidates import FACTOR, Role
from lrfind.verify.checked_words import approval, refusal, whether_it_holds
from lrfind.verify.judge import judge
from lrfind.verify.no_rate_words import why_no_rate
from lrfind.verify.rate_words import NO_SPREAD, RateWords

if TYPE_CHECKING:
    from collections.abc import Callable

    from lrfind.verify.candidates import Trials
    from lrfind.verify.config import VerifySettings
    from lrfind.verify.judge import Judgement
    from lrfind.verify.target import Checked


_A_STEP = 1.02 * FACTOR
"""Rates that differ by more have others between them that the search would try."""


@dataclass(frozen=True, slots=True)
class VerifyVerdict:
    """What is told.

    Attributes:
        suggestion: The rate to take, or, of runs that were cut off, the one that was suggested to be checked;
            None where there is none.
        verdict: Whether the checked rate holds, which does, what became of the pinned one, and what to do.
        refusal: Why the pinned rate is not sensible; None where it is, or there is none.
    """

    suggestion: Suggestion | None
    verdict: str
    refusal: str | None

    def in_words(self, words: Callable[[str], str]) -> VerifyVerdict:
        """The same with every sentence put otherwise."""
        suggestion = self.suggestion and replace(self.suggestion, reason=words(self.suggestion.reason))
        return VerifyVerdict(suggestion, words(self.verdict), self.refusal and words(self.refusal))


def concluded(
    settings: VerifySettings, checked: Checked, trials: Trials | None, *, interrupted: bool
) -> tuple[Judgement | None, VerifyVerdict]:
    """What the runs show; there is no judgement where there were none, or they were cut off."""
    if trials is None or interrupted:
        return None, VerifyVerdict(checked.suggestion, _cut_off(checked, trials), None)
    index = trials.index([checked.role])
    assert index is not None
    judgement = judge(
        trials.lrs,
        trials.finals,
        trials.starts,
        checked=index,
        margin=settings.margin,
        pinned=trials.index([Role.PINNED]),
        left=[rate for rate in range(len(trials.lrs)) if trials.is_left(rate)],
        blind=trials.blind,
    )
    if judgement.holds and trials.ahead is not None:
        judgement = replace(judgement, holds=None)
    return judgement, conclude(trials, judgement, before=checked.steps)


def _cut_off(checked: Checked, trials: Trials | None) -> str:
    """That the rate is not judged, and which that is."""
    if checked.lr is None or checked.interrupted:
        return checked.verdict or "Interrupted: too early to judge the rate."
    when = "before the first run"
    if trials is not None:
        when = f"after {trials.steps + checked.steps:,} of at most {trials.budget:,} steps"
    said = f"Interrupted {when}: too early to judge {rate_text(checked.lr)}"
    return f"{said}, which {checked.whose} suggested." if checked.suggestion and checked.whose else f"{said}."


def conclude(trials: Trials, judgement: Judgement, *, before: int = 0) -> VerifyVerdict:
    """Says what a judgement means.

    Args:
        trials: What was judged.
        judgement: What it says of all that came to an end.
        before: Training steps that a range test took.
    """
    words, best = RateWords(trials, judgement), judgement.recommended
    if best is None:
        said = [why_no_rate(words)]
    else:
        said = [whether_it_holds(words, best), _edge(words, best), _of_blind(judgement)]
        if trials.spent:
            said.append(_spent(trials, before))
    refused = refusal(words)
    verdict = " ".join(filter(None, (*said, refused or approval(words))))
    return VerifyVerdict(_suggestion(words), verdict, refused)


def _edge(words: RateWords, best: int) -> str:
    """That the best rate is the last that was tried on one side."""
    last, spent = len(words.names) - 1, words.trials.spent
    if 0 < best < last:
        return ""
    if not last:
        return "More verify.budget would try others." if spent else ""
    word, further = ("highest", "higher") if best else ("lowest", "lower")
    more = f"more verify.budget would try {further} ones" if spent else f"{further} ones were not tried"
    return f"{words.names[best]} is the {word} rate tried; {more}."


def _of_blind(judged: Judgement) -> str:
    """What the same answer to every input has, where it is most of the fall, or none has come down to it."""
    blind, lowest = told_apart(judged.blind.loss, judged.lowest)
    said = f"{judged.blind.what} has {blind}"
    if judged.is_on_the_way:
        remedy = "Standardise the targets, or r" if judged.blind.is_mean else "R"
        return (
            f"{said[0].upper()}{said[1:]}, and the best rate ends at {lowest}: not even that answer was "
            f"learnt, and the rates are compared by how fast it is. {remedy}aise verify.steps."
        )
    if judged.start - judged.base > judged.drop:
        return (
            f"{said[0].upper()}{said[1:]}; the drop is counted from there, as what lies above is learnt at "
            "nearly any rate."
        )
    return ""


def _spent(trials: Trials, before: int) -> str:
    """That there were not enough steps for all that was to be tried.

    Args:
        trials: What was judged.
        before: Training steps that a range test took.
    """
    budget, run, steps = trials.budget, trials.num_steps, trials.steps + before
    said = f"The search ended with its budget, after {steps:,} of {budget:,} steps"
    if budget - steps >= run:
        # Only of a further seed more than one run is asked for: nothing is told by a rate alone.
        said += f": what is left does not pay for two rates on another seed, which take {2 * run:,}"
    return f"{said}."


def _suggestion(words: RateWords) -> Suggestion | None:
    """The rate to take, with those that cannot be told from it; None where there is none."""
    judged, trials = words.judged, words.trials
    index = judged.recommended
    if index is None:
        return None
    left = len(trials.left)
    if judged.is_alone:
        ended = f"is {words.lowest}, and ended lower than it began"
    else:
        short = f" ({left} of them {'was' if left == 1 else 'were'} left before the end)" if left else ""
        ended = f"ended lowest of {words.rivals}{short}"
    return Suggestion(
        lr=trials.candidates[index].lr,
        low=rounded(judged.low),
        high=rounded(judged.high),
        rule="verify",
        reason=f"{words.names[index]} {ended}{words.when(index)}. {_interval(words, index)}".rstrip(),
    )


def _interval(words: RateWords, best: int) -> str:
    """Which of the rates that were tried cannot be told from the best, and where the bracket holds others."""
    judged, lrs = words.judged, words.trials.lrs
    if judged.low == judged.high:
        return ""
    inside = np.flatnonzero((judged.seeds > 0) & (lrs >= judged.low) & (lrs <= judged.high)).tolist()
    first, last = inside[0], inside[-1]
    several = f"tried from {words.names[first]} to {words.names[last]}" if first < last else ""
    if judged.on_one_seed:
        margin = f"verify.margin={judged.margin:g} of the drop; {NO_SPREAD}"
        said = f"None {several} ended worse by more than {margin}"
        if not several:
            said = f"No rate tried near it ended within {margin}"
    elif several:
        said = f"No rate {several} can be told from it {_on_seeds(words, inside, best)}"
    else:
        said = "No rate tried near it is known to be as good"
    if judged.low < lrs[first] or judged.high > lrs[last]:
        said += "; the bracket goes on half-way to the next"
    gaps = [
        f"{words.names[low]} and {words.names[high]}"
        for low, high in pairwise(inside)
        if lrs[high] > _A_STEP * lrs[low]
    ]
    if gaps:
        said += f"; between {listed(gaps)} none was trained to its end"
    return f"{said}."


def _on_seeds(words: RateWords, rates: list[int], best: int) -> str:
    """On how many seeds rates were compared with the best."""
    known = ~np.isnan(words.trials.finals)
    common = (known & known[:, [best]]).sum(axis=0)[rates]
    most, least = int(common.max()), int(common.min())
    between = "or" if most == least + 1 else "to"
    return f"on {most} seeds" if most == least else f"on {least} {between} {most} seeds"
