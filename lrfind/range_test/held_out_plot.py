"""The panel of a run with samples held out: their loss and that of its batches, over its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lrfind.plotting.axes import linear_axis
from lrfind.plotting.page import Row, column_width
from lrfind.plotting.panel import DARK, DASHED, GREY, PURPLE, SKY, VERMILLION, Line, Marker, Panel, above
from lrfind.range_test.held_out_run import EVERY
from lrfind.report.formatting import listed
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lrfind.plotting.panel import Layer
    from lrfind.range_test.held_out_run import HeldOutRun

_HEIGHT, _ABOVE, _BELOW = 1.2, 0.3, 0.5
"""Inches: of the panel, and what is written above and below it."""


def held_out_row(run: HeldOutRun, left: float) -> Row:
    """The row below the curve.

    Args:
        run: What was measured.
        left: Inches before the panel.
    """
    x = linear_axis(0.0, float(run.steps), "steps of the run", whole=True)
    values = np.array([*run.losses.values(), *run.training.values()])
    least, most = (
        float(values[np.isfinite(values)].min()),
        max(run.losses[0], float(values[np.isfinite(values)].max())),
    )
    margin = 0.06 * (most - least) or 0.1
    y = linear_axis(least - margin, most + margin, "loss", intervals=3)
    said = f"trained at {rate_text(run.lr)} with {run.samples:,} samples held out"
    layers: list[Layer] = []
    if run.others:
        name = f"samples held out, at {listed([rate_text(other.lr) for other in run.others])}"
        layers += [_line(other.losses, GREY, "" if i else name) for i, other in enumerate(run.others)]
    if run.turned:
        said += f", whose loss is lowest after {run.lowest_at} steps"
        layers.append(Marker("x", run.lowest_at, VERMILLION, width=0.8, dash=DASHED))
    # The mean over the steps between two readings stands in the middle between them.
    middles = {step - EVERY / 2: loss for step, loss in run.training.items()}
    layers += [
        _line(middles, SKY, "batches of the run", dots=3.0),
        _line(run.losses, PURPLE, "samples held out", dots=3.0),
        above(said, 0.0, align="left", colour=DARK),
    ]
    return Row((Panel(x, y, tuple(layers), column_width(1, 0, left=left), _HEIGHT),), _ABOVE, _BELOW)


def _line(
    losses: Mapping[int, float] | Mapping[float, float], colour: str, name: str, dots: float = 0.0
) -> Line:
    """The losses by step; what is not finite is a gap."""
    values = np.array(list(losses.values()))
    steps = np.array(list(losses), dtype=np.float64)
    return Line(
        steps,
        np.where(np.isfinite(values), values, np.nan),
        colour,
        name,
        width=1.3 if dots else 0.8,
        dots=dots,
    )
