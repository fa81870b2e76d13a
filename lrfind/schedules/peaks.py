"""The peaks of schedules that go with a suggested constant rate, and what they are worth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lrfind.report.formatting import listed
from lrfind.suggestion import rate_text, rounded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


TIMES, TIMES_WORD = 2.0, "twice"
"""How many times the suggestion a peak is, where the highest that may be is no lower."""


@dataclass(frozen=True, slots=True)
class PeakFigures:
    """How `TIMES` the suggestion, as far as it may be, does as the peak of a schedule.

    Attributes:
        mean_regret: Mean regret over tasks.
        within: Share of answers whose regret is at most 0.05.
        constant: Mean regret of the suggestion itself as the peak.
    """

    mean_regret: float
    within: float
    constant: float


TASKS, STEPS = 28, 300
"""How many tasks peaks were measured on, and in how many steps."""


def peak_within(lr: float, factor: float, highest: float) -> float:
    """The peak: so many times the suggestion, and above that no higher than may be."""
    return min(lr * factor, max(lr, highest))


def peaks_of(
    lr: float, figures: Mapping[str, PeakFigures], *, highest: float = math.inf
) -> list[dict[str, Any]]:
    """The record's `peaks`: a peak a policy.

    The regrets of `figures` are under the schedule with its own defaults; `highest` is how high a peak above
    the suggestion may be.
    """
    peak = peak_within(lr, TIMES, highest)
    return [
        {
            "policy": policy,
            "lr": rounded(peak),
            "factor": rounded(peak / lr),
            "mean_regret": each.mean_regret,
            "within_0_05": each.within,
            "mean_regret_of_suggestion": each.constant,
            "tasks": TASKS,
            "steps": STEPS,
        }
        for policy, each in figures.items()
    ]


def named_peaks(peaks: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The rates of the record's `peaks`, by policy."""
    return {peak["policy"]: peak["lr"] for peak in peaks}


def peaks_line(peaks: Sequence[dict[str, Any]]) -> str:
    """The peaks in a sentence; there is one at least."""
    rates, regrets = _policies_by("lr", peaks), _policies_by("mean_regret", peaks)
    lrs = [f"{rate_text(lr)} for {listed(policies)}" for lr, policies in rates.items()]
    means = [
        f"{mean:.1%}" + (f" ({listed(policies)})" if len(regrets) > 1 else "")
        for mean, policies in regrets.items()
    ]
    where = f"{TIMES_WORD} the suggestion"
    if any(peak["factor"] != TIMES for peak in peaks):
        where += " would be too near to where the loss rises"
    return (
        f"As the peak of a schedule: {listed(lrs)}; {where}. In {STEPS} steps on {TASKS} tasks such peaks "
        f"lost {listed(means)} of what the best one learns."
    )


def _policies_by(key: str, peaks: Sequence[dict[str, Any]]) -> dict[float, list[str]]:
    """The policies of the record's `peaks` that have a number in common, by that number."""
    found: dict[float, list[str]] = {}
    for peak in peaks:
        found.setdefault(peak[key], []).append(peak["policy"])
    return found
