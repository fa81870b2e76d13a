"""What is said of the rate that a project has pinned: that it is sensible, or why it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfind.suggestion import rate_text
from lrfind.verify.rate_words import IN_DOUBT

if TYPE_CHECKING:
    from lrfind.verify.rate_words import RateWords


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
