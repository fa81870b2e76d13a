"""What every rate came to in the end, over the rates: a line a batch size, or an optimizer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lrfind.compare.colours import shades
from lrfind.compare.curves import diverged_crosses, ends_axis
from lrfind.compare.results import Judge
from lrfind.plotting.axes import rate_axis
from lrfind.plotting.page import Entry, Key
from lrfind.plotting.panel import BLACK, Layer, Line, Panel, Points, Shape, colours_of
from lrfind.statistics import spread_over_seeds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.compare.results import Cell, Comparison
    from lrfind.statistics import Floats

HEIGHT = 2.35
"""Inches of a panel."""


def rates_panel(
    cells: Sequence[Cell], comparison: Comparison, width: float, *, optimizers: bool = False
) -> Panel:
    """What every rate came to at each batch size, the best in a ring; a cross where one diverged.

    Args:
        cells: A line each.
        comparison: All that was measured.
        width: In inches.
        optimizers: Whether the lines are named and coloured by their optimizers, not by their batch sizes.
    """
    names = [cell.optimizer if optimizers else str(cell.batch_size) for cell in cells]
    colours = colours_of(len(cells)) if optimizers else list(shades(names).values())
    accuracy = comparison.judge is Judge.ACCURACY
    layers: list[Layer] = []
    shown: list[tuple[Floats, Floats]] = []
    for cell, name, colour in zip(cells, names, colours, strict=True):
        known = np.isfinite(cell.losses).all(axis=0)
        x = np.array(cell.lrs)[known]
        means, spread = cell.scores.mean(axis=0)[known], spread_over_seeds(cell.scores)[known]
        shown.append((means, spread))
        low, high = (means - spread, means + spread) if spread.any() else (None, None)
        layers.append(Line(x, means, colour, name, width=1.1))
        layers.append(Points(x, means, colour, size=2.6, low=low, high=high))
        if cell.best is not None:
            at = np.array([cell.best.lr])
            end = cell.scores.mean(axis=0)[[cell.best.index]]
            layers.append(Points(at, end, colour, shape=Shape.RING, size=7.0))
    rates = [lr for cell in cells for lr in cell.lrs]
    y = ends_axis(shown, accuracy=accuracy)
    for i, (cell, colour) in enumerate(zip(cells, colours, strict=True)):
        layers += diverged_crosses(cell, y, colour, accuracy=accuracy, place=i)
    return Panel(rate_axis(rates, width), y, tuple(layers), width, HEIGHT, grid="y")


def with_crosses(key: Key, rates: Panel) -> Key:
    """The key of the rates, with what a cross stands for."""
    if not any(isinstance(layer, Points) and layer.shape is Shape.CROSS for layer in rates.layers):
        return key
    nowhere = np.empty(0)
    cross = Points(nowhere, nowhere, BLACK, shape=Shape.CROSS, size=3.6)
    return replace(key, entries=(*key.entries, Entry("diverged with a seed or more", cross)))
