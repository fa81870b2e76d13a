"""Whether one sweep is enough, and why not: what `range.repeats=auto` decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from lrfind.range_test.reading import read
from lrfind.range_test.verdict import SIGNIFICANT, Shape
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from lrfind.range_test.curve import Curve
    from lrfind.range_test.reading import Reading, Rule

AUTO: Final = "auto"
"""The word for as many sweeps as the first one asks for."""

AUTO_SWEEPS = 3
"""Sweeps in all where one is not enough."""

FIRM = 3.0
"""`SmoothedCurve.evidence` of paired losses from which on one sweep is enough."""

NARROW = 1.15
"""Bracket, as a factor, that is too narrow to be the shape of a valley rather than of its noise."""

UNDECIDED = (Shape.FLAT, Shape.NEVER_FALLS, Shape.TOO_NOISY)
"""Shapes without an answer that another sweep may have another one of. A loss that falls to the end of the
ladder is none: more sweeps along the same ladder do not show what lies beyond it."""


def sweeps_in_all(first: Curve, repeats: int | str, *, rule: Rule) -> tuple[int, str | None]:
    """How many sweeps there are to be, and with `auto` why more than one.

    Args:
        first: What the first sweep measured.
        repeats: Their number, or `auto`.
        rule: The rule that makes the suggestion.
    """
    if isinstance(repeats, int):
        return repeats, None
    reason = reason_to_repeat(read(first, rule=rule))
    return (1, None) if reason is None else (AUTO_SWEEPS, reason)


def reason_to_repeat(reading: Reading) -> str | None:
    """Why the answer of one sweep is weak; None where it is not, or where another would say the same."""
    smoothed, found = reading.smoothed, reading.suggestion
    if found is None:
        moved = len(smoothed) > 0 and bool(np.any(smoothed.raw != smoothed.plateau))
        if reading.shape not in UNDECIDED or not moved:
            return None
        return f"the first sweep alone has no answer ({reading.shape.value})"
    if smoothed.start is not None:
        if smoothed.evidence < FIRM:
            return (
                f"the fall of the first sweep is weak (evidence {smoothed.evidence:.1f}, firm from {FIRM:g})"
            )
    else:
        fall, deviation = smoothed.fall
        if fall < 1.5 * SIGNIFICANT * deviation:
            return f"the fall of the first sweep is weak ({fall / deviation:.1f} deviations of its noise)"
    if found.high < NARROW * found.low:
        return f"the bracket of the first sweep is narrow ({rate_text(found.low)} to {rate_text(found.high)})"
    return None
