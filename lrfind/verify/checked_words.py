"""What is said of the checked rate: whether it holds; and of the pinned one: whether it is sensible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfind.suggestion import rate_text
from lrfind.verify.candidates import Role
from lrfind.verify.rate_words import IN_DOUBT, NO_SPREAD

if TYPE_CHECKING:
    from lrfind.verify.rate_words import RateWords

_LEAST = 0.001
"""Share of the drop below which a difference is nothing to speak of."""


def whether_it_holds(words: RateWords, best: int) -> str:
    """Whether the checked rate holds.

    Args:
        words: Of all rates.
        best: The rate that is recommended.
    """
    judged, checked, ahead = words.judged, words.judged.checked, words.trials.ahead
    name, more = _name(words), "more verify.budget would tell which is better."
    ended = f"{words.names[checked]} {words.ended(checked)}"
    if judged.holds:
        # Of the best rate the reason of the suggestion says when.
        when = "" if judged.best == checked else words.when(checked)
        return f"{name} holds: {ended}{when}, {_no_better(words)}"
    if judged.holds is None and judged.seeds[checked] and ahead is not None:
        return (
            f"{name} is not judged: {ended}{words.when(checked)}, and {rate_text(ahead[0])} was lower "
            f"already, at {rate_text(ahead[1])}, when the budget was spent; {more}"
        )
    if judged.holds is None and judged.seeds[checked]:
        return f"{name} is not judged: {ended}{words.when(checked)}, {words.lowest}, and {words.on_the_way}"
    if judged.holds is None:
        return (
            f"{name} is not judged: {ended}, and was not trained to its end: the budget was spent. "
            f"{words.names[best]} was, and {words.ended(best)}{words.when(best)}; more "
            "verify.budget would tell whether the other holds."
        )
    return (
        f"{name} does not hold: {ended}{words.when(checked)}. {words.names[best]} does: it "
        f"{words.ended(best)}, {words.lowest}{words.gap(checked, best, 'and better')}."
    )


def _name(words: RateWords) -> str:
    """What the checked rate is called."""
    trials, checked = words.trials, words.judged.checked
    roles, whose = trials.candidates[checked].roles, trials.whose
    name = f"The rate of {whose}" if Role.SUGGESTION in roles and whose else "The given rate"
    if Role.CONFIG in roles:
        name = "The optimizer's rate"
    if trials.meant is None:
        return name
    return f"{name}, {rate_text(trials.meant)}, for which {words.names[checked]} was trained,"


def _no_better(words: RateWords) -> str:
    """That no other rate is clearly better."""
    judged, checked, best = words.judged, words.judged.checked, words.judged.best
    assert best is not None
    if best == checked:
        return f"{words.lowest}."
    gap, margin = float(judged.worse_by[checked]), judged.margin
    if not gap >= 0:  # or not known: they have no seed in common
        return f"and {words.names[best]}, which was trained on more seeds, is not clearly better."
    share = f"{gap:.1%}" if gap >= _LEAST else f"less than {_LEAST:.1%}"
    said = f"and the best of the others, {words.names[best]}, is better by {share} of the drop"
    if judged.doubtful:
        return f"{said}{IN_DOUBT}"
    if words.has_no_spread(checked, best):
        return f"{said}, which verify.margin={margin:g} allows; {NO_SPREAD}."
    if judged.beyond_noise:
        return f"{said}: more than the noise of the seeds, but verify.margin={margin:g} allows {margin:.0%}."
    return f"{said}, within the noise of the seeds and verify.margin={margin:g}."


def refusal(words: RateWords) -> str | None:
    """Why the pinned rate is not sensible; None where it is, or there is none."""
    judged = words.judged
    pinned, best = judged.pinned, judged.recommended
    if judged.sensible is not False or pinned is None:
        return None
    said = (
        f"verify.lr={words.names[pinned]} is not a sensible learning rate for this task: it "
        f"{words.ended(pinned)}{words.when(pinned)}"
    )
    if best is None:
        return f"{said}, and no other rate that was tried can be recommended in its place."
    there = words.names[best]
    said += f", and {there} ends at {rate_text(judged.means[best])}{words.gap(pinned, best, 'worse')}"
    return f"{said}. Pin {there} instead."


def refused_briefly(words: RateWords) -> str:
    """The same in a few words, beside a table of the losses; empty where it is sensible, or there is none."""
    judged = words.judged
    pinned, best = judged.pinned, judged.recommended
    if judged.sensible is not False or pinned is None:
        return ""
    why = f"it {words.ended(pinned)}"
    if best is not None and not judged.diverged[pinned] and judged.seeds[pinned]:
        share = float(judged.worse_by[pinned] - judged.worse_by[best])
        why = f"worse than {words.names[best]} by {share:.0%} of the drop"
    return f"{words.names[pinned]} (verify.lr) is not sensible: {why}."


def approval(words: RateWords) -> str:
    """That the pinned rate is sensible; nothing where there is none, or nothing can be said."""
    judged = words.judged
    pinned, best = judged.pinned, judged.recommended
    if pinned is None or best is None:
        return ""
    if judged.sensible is None:
        if pinned == judged.checked:
            return ""  # it is told already
        ended = f"{words.ended(pinned)}{words.when(pinned)}"
        return (
            f"verify.lr={words.names[pinned]} is not judged: it {ended}, {words.lowest}, and "
            f"{words.on_the_way}"
        )
    said = f"verify.lr={words.names[pinned]} is sensible"
    if best == pinned:
        return f"{said}: no rate ends lower."
    gap = float(judged.worse_by[pinned])
    said += (
        f": it {words.ended(pinned)}, {'worse' if gap >= 0 else 'better'} than {words.names[best]} by "
        f"{abs(gap):.1%} of the drop"
    )
    if judged.pinned_in_doubt:
        return f"{said}{IN_DOUBT}"
    return f"{said}; verify.margin={judged.margin:g} allows {judged.margin:.0%}."
