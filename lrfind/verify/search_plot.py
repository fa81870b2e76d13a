"""The search in its order: which rate was trained when, how far, and what became of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lrfind.plotting.axes import linear_axis, log_axis
from lrfind.plotting.panel import DARK, Layer, Line, Marker, Panel, Points, Shape, above
from lrfind.verify.rate_colours import FINE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lrfind.plotting.panel import Colour
    from lrfind.verify.candidates import Trials

_ASIDE = 1.6
"""How far beyond the lowest and the highest rate the panel goes, as a factor."""

_LIGHT = "#b0b0b0"
"""Of the line between two seeds."""


def search_panel(trials: Trials, colours: Mapping[float, Colour], *, width: float, height: float) -> Panel:
    """Each run as a line at its rate, along the training steps of the search.

    A dot: it came to its end; a cross: it diverged; nothing: it waits, or was given up. A run that is taken
    on later is a second line at the same rate. A dotted line parts two seeds.

    Args:
        trials: What was measured.
        colours: By rate, as in the other panels.
        width: Inches.
        height: Inches.
    """
    layers: list[Layer] = []
    done, seed = 0, 0
    for leg in trials.legs:
        if leg.seed != seed:
            layers.append(Marker("x", done, _LIGHT, width=0.7, dash=FINE))
            seed = leg.seed
        ends = np.array([done, done + max(leg.end - leg.start, 0)], dtype=np.float64)
        done = int(ends[1])
        layers.append(Line(ends, np.full(2, leg.lr), colours[leg.lr], width=2.2))
        if math.isinf(leg.loss) or (leg.end == trials.num_steps and not math.isnan(leg.loss)):
            shape = Shape.CROSS if math.isinf(leg.loss) else Shape.DOT
            end = (ends[1:], np.array([leg.lr]), colours[leg.lr])
            layers.append(Points(*end, shape=shape, size=5.0, clipped=False))
    seeds = len(trials.seeds)
    of = f", {seeds} seeds" if seeds > 1 else ""
    layers.append(above(f"the search in its order{of}; dot: ended, cross: diverged", colour=DARK))
    low, high = float(trials.lrs.min()) / _ASIDE, float(trials.lrs.max()) * _ASIDE
    return Panel(
        linear_axis(0.0, max(done, 1), "training steps of the search", intervals=6, whole=True),
        log_axis(low, high, "learning rate", max_labels=5),
        tuple(layers),
        width,
        height,
    )
