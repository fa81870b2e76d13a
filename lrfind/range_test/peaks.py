"""The peak of a schedule that goes with a suggested constant rate, and what it is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lrfind.range_test.centre import valley_sides
from lrfind.range_test.measured_regret import measured_regret
from lrfind.range_test.trials import RULE as TRIALS
from lrfind.report.formatting import listed
from lrfind.suggestion import rate_text, rounded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lrfind.range_test.reading import Reading


@dataclass(frozen=True, slots=True)
class PeakFigures:
    """How a multiple of the suggestion, as far as it may be, does as the peak of a schedule.

    Attributes:
        factor: The multiple, where `highest_peak` is no lower.
        mean_regret: Mean regret over tasks.
        within: Share of sweeps whose regret is at most 0.05.
        constant: Mean regret of the suggestion itself as the peak.
    """

    factor: float
    mean_regret: float
    within: float
    constant: float


PEAKS = {
    "cosine": PeakFigures(2.0, 0.034, 0.80, 0.041),
    "one_cycle": PeakFigures(2.0, 0.034, 0.80, 0.042),
}
"""By policy of `lrfind schedule`, with its own defaults; regrets are under that schedule."""

TASKS, STEPS = 28, 300
"""How many tasks that was measured on, and in how many steps. A test holds these figures to the runs."""


RISEN = 0.5
"""Share of the rate at which the loss rose above its start that a peak may be."""


def highest_peak(reading: Reading) -> float | None:
    """The highest rate that a peak may be above the suggestion; None where no peak goes with it.

    It is where the valley ends, or `RISEN` of where the loss rose above its start. Where the two are near,
    mostly with SGD without momentum, training breaks down at twice the middle of the valley before the
    schedule has come down again. Where runs at constant rates decided, no sweep has shown a valley.
    """
    if reading.suggestion is None or reading.suggestion.rule == TRIALS:
        return None
    sides = valley_sides(reading.smoothed)
    if sides is None:
        return math.inf
    climb = reading.smoothed.climb
    return sides[1] if climb is None else min(sides[1], RISEN * climb[0])


def peak_within(lr: float, factor: float, highest: float) -> float:
    """The peak: so many times the suggestion, and above that no higher than may be."""
    return min(lr * factor, max(lr, highest))


def peaks_record(reading: Reading, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The record's `peaks`: a peak a policy; none where none was measured.

    Args:
        reading: What was read from the curve.
        settings: How the test was made, in plain values by name; the number of sweeps changes nothing.
    """
    found, highest = reading.suggestion, highest_peak(reading)
    if found is None or highest is None or measured_regret({**settings, "repeats": "auto"}) is None:
        return []
    peaks = {policy: peak_within(found.lr, figures.factor, highest) for policy, figures in PEAKS.items()}
    return [
        {
            "policy": policy,
            "lr": rounded(peaks[policy]),
            "factor": rounded(peaks[policy] / found.lr),
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
    rates, regrets = _policies_by("lr", peaks), _policies_by("mean_regret", peaks)
    lrs = [f"{rate_text(lr)} for {listed(policies)}" for lr, policies in rates.items()]
    means = [
        f"{mean:.3f}" + (f" for {listed(policies)}" if len(regrets) > 1 else "")
        for mean, policies in regrets.items()
    ]
    whole = all(peak["factor"] == PEAKS[peak["policy"]].factor for peak in peaks)
    where = "twice the suggestion"
    if not whole:
        where += " would be too near to where the loss rises"
    return (
        f"As the peak of a schedule: {listed(lrs)}; {where}. Measured at {STEPS} steps on {TASKS} tasks: a "
        f"mean regret of {listed(means)}."
    )


def _policies_by(key: str, peaks: Sequence[dict[str, Any]]) -> dict[float, list[str]]:
    """The policies of the record's `peaks` that have a number in common, by that number."""
    found: dict[float, list[str]] = {}
    for peak in peaks:
        found.setdefault(peak[key], []).append(peak["policy"])
    return found
