"""The peaks of schedules that go with a rate that was searched for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lrfind.schedules.peaks import STEPS, PeakFigures, peaks_of
from lrfind.verify.plan import CONSTANT

if TYPE_CHECKING:
    from lrfind.suggestion import Suggestion
    from lrfind.verify.plan import Plan

PEAKS = {
    "cosine": PeakFigures(0.015, 0.90, 0.031),
    "one_cycle": PeakFigures(0.024, 0.90, 0.033),
}
"""By policy of `lrfind schedule`, with its own defaults, after searches of 2,000 steps; regrets are under it.
A test holds these figures to the runs."""

_ENOUGH = 1000
"""With so large a budget, or a larger one, what is found is as good for twice it to be the better peak."""


def search_peaks(plan: Plan, suggestion: Suggestion | None, *, searched: bool) -> list[dict[str, Any]]:
    """The record's `peaks`: a peak a policy; none where none was measured.

    Args:
        plan: How long the runs were, and how many steps all might take.
        suggestion: What is suggested.
        searched: Whether it is what the search has found.
    """
    measured = plan.schedule == CONSTANT and plan.num_steps == STEPS and plan.budget >= _ENOUGH
    return peaks_of(suggestion.lr, PEAKS) if suggestion is not None and searched and measured else []
