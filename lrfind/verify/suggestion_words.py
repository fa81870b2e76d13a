"""The suggestion that is made of a search: the rate that ended lowest, and which others are as good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lrfind.suggestion import Suggestion, rate_text, rounded
from lrfind.verify.rate_words import NO_SPREAD

if TYPE_CHECKING:
    from lrfind.verify.rate_words import RateWords


def suggestion_of(words: RateWords) -> Suggestion | None:
    """The rate to take, with those that cannot be told from it; None where there is none."""
    judged, trials = words.judged, words.trials
    index = judged.recommended
    if index is None:
        return None
    count, left = len(words.names), len(trials.left)
    if count == 1:
        ended = "is the only rate tried, and ended lower than it began"
    elif words.is_alone:
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
    """Which rates cannot be told from the best."""
    judged = words.judged
    low, high = rate_text(judged.low), rate_text(judged.high)
    if low == high:
        return ""
    if judged.on_one_seed:
        margin = f"verify.margin={judged.margin:g} of the drop"
        return f"From {low} to {high} none ended worse by more than {margin}; {NO_SPREAD}."
    return f"From {low} to {high} no rate can be told from it {_on_seeds(words, best)}."


def _on_seeds(words: RateWords, best: int) -> str:
    """On how many seeds the rates of the interval were compared with the best."""
    lrs, known = words.trials.lrs, ~np.isnan(words.trials.finals)
    inside = (lrs >= words.judged.low) & (lrs <= words.judged.high)
    common = (known & known[:, [best]]).sum(axis=0)[inside & known.any(axis=0)]
    most, least = int(common.max()), int(common.min())
    between = "or" if most == least + 1 else "to"
    return f"on {most} seeds" if most == least else f"on {least} {between} {most} seeds"
