"""The peaks of schedules that go with what a range test suggests."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lrfind.range_test.centre import valley_sides
from lrfind.range_test.measured_regret import measured_regret
from lrfind.range_test.trials import RULE as TRIALS
from lrfind.schedules.peaks import PeakFigures, peaks_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lrfind.range_test.reading import Reading


PEAKS = {
    "cosine": PeakFigures(0.025, 0.86, 0.039),
    "one_cycle": PeakFigures(0.026, 0.86, 0.042),
}
"""By policy of `lrfind schedule`, with its own defaults; regrets are under that schedule. A test holds these
figures to the runs."""

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


def peaks_record(reading: Reading, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The record's `peaks`: a peak a policy; none where none was measured.

    Args:
        reading: What was read from the curve.
        settings: How the test was made, in plain values by name; the number of sweeps changes nothing.
    """
    found, highest = reading.suggestion, highest_peak(reading)
    if not reading.holds_for_others or reading.trained_before:
        return []
    if found is None or highest is None or measured_regret({**settings, "repeats": "auto"}) is None:
        return []
    return peaks_of(found.lr, PEAKS, highest=highest)
