"""Why no rate can be recommended, and what would help."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lrfind.report.formatting import counted, told_apart
from lrfind.suggestion import rate_text
from lrfind.training.baseline import HARDLY, is_learning

if TYPE_CHECKING:
    from lrfind.verify.rate_words import RateWords


def why_no_rate(words: RateWords) -> str:
    """What became of all rates, where none can be recommended."""
    judged, checked, best = words.judged, words.judged.checked, words.judged.best
    if not math.isfinite(judged.start):
        return (
            "Nothing can be said: the held-out loss was not finite before any update. Look for NaN in the "
            "data or a loss outside its domain (log of 0); with bf16 or fp16 try precision=fp32."
        )
    more = " The budget is spent: raise verify.budget to let the search go on." if words.trials.spent else ""
    many = f"the {len(words.names)} rates from {words.names[0]} to {words.names[-1]}"
    if len(words.names) == 1 and judged.diverged[checked]:
        told = f"{words.names[checked]}, the only one tried, {words.ended(checked)}{words.when(checked)}"
    elif best is not None:
        told = f"of {many}, {words.names[best]} ends lowest, but {words.ended(best)}{words.when(best)}"
    elif (judged.diverged > 0).all():
        told = f"{many} all diverged{words.when(checked)}"
    else:
        return _nothing_learnt(words, many)
    return f"No rate can be recommended: {told}.{more}"


def _nothing_learnt(words: RateWords, many: str) -> str:
    """That no rate lowered the loss by more than may be chance, and what was seen instead."""
    judged, trials, checked = words.judged, words.trials, words.judged.checked
    steps, ahead, blind = counted(trials.num_steps, "step"), trials.ahead, judged.blind
    if ahead is not None and is_learning(blind.loss, judged.start, ahead[1]):
        return (
            f"No rate that was trained for {steps} learnt anything, but {rate_text(ahead[0])} had come from "
            f"{rate_text(judged.start)} to {rate_text(ahead[1])} when the budget was spent: raise "
            "verify.budget."
        )
    who = f"the best of {many}" if len(words.names) > 1 else words.names[0]
    lost = f" {words.names[checked]} {words.ended(checked)}." if judged.diverged[checked] else ""
    longer = "Where learning takes longer, raise verify.steps"
    if trials.spent:
        longer = (
            "The budget ended the search: raise verify.budget to try further rates, and verify.steps where "
            "learning takes longer"
        )
    lowest = judged.lowest
    start, end = told_apart(judged.start, lowest)
    if lowest >= judged.start:
        seen = f"has not lowered the held-out loss, which is {rate_text(judged.start)} before training"
    elif blind.loss < judged.start:
        seen = (
            f"has lowered the held-out loss from {start} to {end}, where {blind.what} has "
            f"{told_apart(blind.loss, lowest)[0]}: less than {HARDLY:.0%} below that is not told from nothing"
        )
    else:
        share = min(100 * judged.drop / abs(judged.start), 99 * HARDLY)  # rounded, it is below 1%, too
        seen = (
            f"has lowered the held-out loss by {rate_text(share, 2)}%, from {start} to {end}: less than "
            f"{HARDLY:.0%} is not told from nothing"
        )
    much = "Too little" if judged.fell else "Nothing"
    return (
        f"{much} was learnt at any rate tried: after {steps} {who} {seen}.{lost} {longer}; "
        "else see whether the labels belong to the inputs, and whether the optimizer moves what the loss "
        "comes from. A model that is trained already has nowhere to fall."
    )
