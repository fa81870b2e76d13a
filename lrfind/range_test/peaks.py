"""The peak of a schedule that goes with a suggested constant rate, and what it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lrfind.range_test.measured_regret import measured_regret
from lrfind.suggestion import rate_text, rounded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lrfind.suggestion import Suggestion


@dataclass(frozen=True, slots=True)
class PeakFigures:
    """How a multiple of the suggestion does as the peak of a schedule.

    Attributes:
        factor: The multiple.
        mean_regret: Mean regret over tasks.
        within: Share of sweeps whose regret is at most 0.05.
        constant: Mean regret of the suggestion itself as the peak.
    """

    factor: float
    mean_regret: float
    within: float
    constant: float


PEAKS = {
    "cosine": PeakFigures(2.0, 0.033, 0.81, 0.050),
    "one_cycle": PeakFigures(2.0, 0.034, 0.81, 0.052),
}
"""By policy of `lrfind schedule`, with its own defaults; regrets are under that schedule."""

TASKS, STEPS = 16, 300
"""How many tasks that was measured on, and in how many steps. A test holds these figures to the runs."""


def peaks_record(suggestion: Suggestion | None, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The record's `peaks`: a peak a policy; none where none was measured.

    Args:
        suggestion: For a constant rate.
        settings: How the test was made, in plain values by name; the number of sweeps changes nothing.
    """
    if suggestion is None or measured_regret({**settings, "repeats": "auto"}) is None:
        return []
    return [
        {
            "policy": policy,
            "lr": rounded(suggestion.lr * figures.factor),
            "factor": figures.factor,
            "mean_regret": figures.mean_regret,
            "within_0_05": figures.within,
            "mean_regret_of_suggestion": figures.constant,
            "tasks": TASKS,
            "steps": STEPS,
        }
        for policy, figures in PEAKS.items()
    ]


def named_peaks(peaks: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The rates of the record's `peaks`, by policy."""
    return {peak["policy"]: peak["lr"] for peak in peaks}


def peaks_line(peaks: Sequence[dict[str, Any]]) -> str:
    """The peaks in a sentence; there is one at least."""
    each = [f"{rate_text(peak['lr'])} for {peak['policy']}" for peak in peaks]
    regrets = " and ".join(f"{peak['mean_regret']:.3f}" for peak in peaks)
    return (
        f"As the peak of a schedule: {' and '.join(each)}, twice it, measured at {STEPS} steps "
        f"(mean regret {regrets} on {TASKS} tasks)."
    )
