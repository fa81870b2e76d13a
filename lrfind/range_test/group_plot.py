"""The picture of a range test of each group of parameters: all groups together, then a row a group."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lrfind.plotting.page import Page, Row, key_of
from lrfind.plotting.panel import above
from lrfind.range_test.plot import ladder_panel, range_panel

if TYPE_CHECKING:
    from lrfind.range_test.curve import Curve
    from lrfind.range_test.group_sweeps import EachGroup
    from lrfind.range_test.run import RangeTest

_ABOVE, _BELOW, _GAP = 0.66, 0.5, 0.7
"""Inches."""


def each_page(found: EachGroup) -> Page:
    """Works out the picture: which row is whose stands above it."""
    rows = [_row("all groups together", found.together)]
    rows += [
        _row(
            f"{each.group.name} alone, what the others learn taken out",
            replace(each.test, curve=without_others(each.test.curve, each.test.reading.smoothed.start)),
        )
        for each in found.alone
    ]
    panels = [row.panels[0] for row in rows]
    note = "" if found.suggestion is not None else found.verdict
    return Page(found.together.title, (*rows, key_of(panels)), note, left=0.6)


def _row(name: str, test: RangeTest) -> Row:
    curve = range_panel(test.curve, test.reading, test.repeats)
    heading = above(name, 0.0, row=2, align="left", bold=True)
    curve = replace(curve, layers=(*curve.layers, heading))
    return Row((curve, ladder_panel(test.curve, test.reading.suggestion)), _ABOVE, _BELOW, gap=_GAP)


def without_others(curve: Curve, level: float | None) -> Curve:
    """The same with its measurements as they are read: the control's mean, and how each differs from it.

    Args:
        curve: A sweep of one group alone, beside its control.
        level: The mean of the control; None where it was not measured.
    """
    if level is None or curve.start_losses is None:
        return curve
    if curve.accuracies is not None and curve.start_accuracies is not None:
        return replace(curve, accuracies=curve.accuracies - curve.start_accuracies + (1 - level))
    losses, start_losses = curve.losses - curve.start_losses + level, np.full(len(curve), level)
    return replace(curve, losses=losses, start_losses=start_losses)
