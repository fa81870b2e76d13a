"""The best rate against the batch size: what each rate came to, and how the best one moves."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lrfind.compare.colours import key_of_colours, shades
from lrfind.compare.curves import diverged_crosses, ends_axis
from lrfind.compare.results import Edge, Judge
from lrfind.plotting.axes import Axis, kept_apart, log_axis, rate_axis
from lrfind.plotting.page import Entry, Key, Page, Row, column_width, key_of
from lrfind.plotting.panel import (
    BLACK,
    BLUE,
    DASHED,
    DOT_DASHED,
    GREEN,
    VERMILLION,
    Band,
    Label,
    Layer,
    Line,
    Panel,
    Points,
    Shape,
    above,
    colours_of,
)
from lrfind.plotting.text import room_for_labels
from lrfind.statistics import spread_over_seeds
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.compare.results import Best, Cell, Comparison
    from lrfind.compare.scaling import Rule, Scaling
    from lrfind.compare.verdict import CompareVerdict
    from lrfind.statistics import Floats

_LEFT, _GAP, _RATES, _HEIGHT, _LOW = 0.72, 0.65, 2.65, 2.35, 1.5
"""Inches: before the first panel, between the two; width of the first where there are two; height of a panel,
and where each of several optimizers has its own."""

_LABELS = 0.25
"""Inches of the widest label of the second vertical axis that have room in the gap."""

_ABOVE, _BARE, _BELOW, _AFTER = 0.28, 0.08, 0.6, 0.14
"""Inches: above the panels, with words and without; below them; between one optimizer and the next."""


def scaling_page(comparison: Comparison, advice: CompareVerdict, title: str) -> Page:
    """Works out the picture, of finished runs alone: a row an optimizer."""
    several = len(comparison.optimizers) > 1
    named = len({cell.optimizer for cell in comparison.measured}) > 1
    sizes_tried = {cell.batch_size for cell in comparison.cells}
    if several and len(sizes_tried) == 1:
        panel = rates_panel(comparison.cells, comparison, column_width(1, 0.0, left=_LEFT), optimizers=True)
        about = f"{title}, batch size {sizes_tried.pop()}, after {comparison.budget.words}"
        return Page(about, (with_crosses(key_of([panel]), panel), _row(panel)), left=_LEFT)
    parts: list[Row | Key] = []
    for name in comparison.optimizers:
        cells = comparison.of(name)
        heading = f"{name}, " if named else ""
        if all(len(cell.lrs) == 1 for cell in cells):
            panel = sizes_panel(cells, comparison, heading)
            parts.append(_row(panel, several=several))
            continue
        sizes = [str(cell.batch_size) for cell in cells]
        scaled = [cell for cell in cells if cell.best is not None]
        beside = len(scaled) > 1
        rates = rates_panel(cells, comparison, _RATES if beside else column_width(1, 0.0, left=_LEFT))
        parts.append(with_crosses(key_of_colours(f"{heading}batch size", shades(sizes)), rates))
        if beside:
            scaling = scaling_panel(scaled, advice.scalings[name])
            parts += [_row(rates, scaling, several=several), key_of([scaling], below=_AFTER)]
        else:
            parts.append(_row(rates, several=several))
    return Page(f"{title}, after {comparison.budget.words}", tuple(parts), left=_LEFT)


def _row(*panels: Panel, several: bool = False) -> Row:
    """A row of panels, which are lower where each of several optimizers has one."""
    height = _LOW if several else _HEIGHT
    top = _ABOVE if any(isinstance(layer, Label) for panel in panels for layer in panel.layers) else _BARE
    return Row(tuple(replace(panel, height=height) for panel in panels), top, _BELOW, gap=_GAP)


def sizes_panel(cells: Sequence[Cell], comparison: Comparison, heading: str) -> Panel:
    """What a single rate came to over the batch sizes: there is no best one to be found."""
    trained = [cell for cell in cells if cell.best is not None]
    rates = {cell.batch_size: rate_text(cell.lrs[0]) for cell in cells}
    accuracy = comparison.judge is Judge.ACCURACY
    x = np.array([cell.batch_size for cell in trained], dtype=np.float64)
    y = np.array([cell.scores.mean() for cell in trained])
    spread = np.array([float(spread_over_seeds(cell.scores)[0]) for cell in trained])
    low, high = (y - spread, y + spread) if spread.any() else (None, None)
    one = len(set(rates.values())) == 1
    text = f"learning rate {rate_text(cells[0].lrs[0])}" if one else "one learning rate a batch size"
    layers: list[Layer] = [
        Line(x, y, BLUE, width=1.1),
        Points(x, y, BLUE, size=4.0, low=low, high=high),
        above(f"{heading}{text}"),
    ]
    width = column_width(1, 0.0, left=_LEFT)
    x_axis = _size_axis([cell.batch_size for cell in cells], {} if one else rates, width)
    y_axis = ends_axis([(y, spread)], accuracy=accuracy, outside=0.0)
    return Panel(x_axis, y_axis, tuple(layers), width, _HEIGHT, grid="y")


def scaling_panel(cells: Sequence[Cell], scaling: Scaling) -> Panel:
    """The best rate over the batch size, both logarithmic, beside the rules and the fitted power."""
    known = [(cell.batch_size, cell.best) for cell in cells if cell.best is not None]
    best = [b for _, b in known]
    sizes = np.array([size for size, _ in known], dtype=np.float64)
    layers: list[Layer] = []
    for rule in scaling.rules:
        layers += _rule(rule, np.geomspace(sizes[0], sizes[-1], 33))
    layers += _fit(known, scaling)
    bars = _moves(scaling) if scaling.moves else _brackets(known)
    rates = np.array([b.lr for b in best])
    barred = {move.batch_size for move in scaling.moves} or {size for size, _ in known}
    for size, b in known:  # of the anchor, and of what lies below it, there is no move
        if size not in barred:
            down, up = b.edge is Edge.LOW, b.edge is Edge.HIGH
            bars += _arrows(size, b.lr / 1.12, b.lr * 1.12, down=down, up=up)
    layers += [*bars, Points(sizes, rates, VERMILLION, "best of those tried", size=4.5)]
    # The rules may leave the frame; what was measured may not.
    shown = np.concatenate([rates, *(bar.y for bar in bars)])
    y = log_axis(shown.min() / 1.3, shown.max() * 1.3, "best learning rate (log axis)")
    room = room_for_labels(y, _LABELS)
    width = column_width(1, 0.0, left=_LEFT + _RATES + _GAP) - room
    x = _size_axis([size for size, _ in known], {size: rate_text(b.lr) for size, b in known}, width)
    return Panel(x, y, tuple(layers), width, _HEIGHT, room=room)


def _moves(scaling: Scaling) -> list[Line | Points]:
    """At each larger batch size the rates to which the best one of the anchor may have moved.

    A rule that is drawn from there and passes through a bar is not contradicted by it.
    """
    rule = scaling.rules[0]
    name = f"nine in ten resamples, from {rate_text(rule.lr)} at {rule.anchor} on"
    bars: list[Line | Points] = []
    for i, move in enumerate(scaling.moves):
        low, high = (rule.lr * (move.batch_size / rule.anchor) ** power for power in (move.low, move.high))
        bars += _bar(move.batch_size, low, high, "" if i else name, down=move.open_below, up=move.open_above)
    return bars


def _brackets(known: Sequence[tuple[int, Best]]) -> list[Line | Points]:
    """At each batch size the rates between which the best one may lie."""
    bars: list[Line | Points] = []
    for i, (size, best) in enumerate(known):
        down, up = best.open_below, best.open_above
        bars += _bar(size, best.low, best.high, "" if i else "nine in ten resamples", down=down, up=up)
    return bars


def _bar(size: int, low: float, high: float, name: str, *, down: bool, up: bool) -> list[Line | Points]:
    """A bar, with an arrow where nothing is known beyond what was tried."""
    x = float(size)
    bar = Line(np.array([x, x]), np.array([low, high]), VERMILLION, name, width=2.4)
    return [bar, *_arrows(x, low, high, down=down, up=up)]


def _arrows(x: float, low: float, high: float, *, down: bool, up: bool) -> list[Points]:
    ends = ((down, low / 1.12, Shape.DOWN), (up, high * 1.12, Shape.UP))
    return [
        Points(np.array([x]), np.array([rate]), VERMILLION, shape=shape, size=5.5)
        for is_open, rate, shape in ends
        if is_open
    ]


def _rule(rule: Rule, x: Floats) -> list[Layer]:
    """A rule drawn through its anchor, and a cross where it is first contradicted."""
    linear = rule.exponent == 1
    colour, dash = (GREEN, DASHED) if linear else (BLUE, DOT_DASHED)
    name = "linear, lr ~ B" if linear else "square root, lr ~ √B"
    if rule.fails_at is not None:
        name += f": contradicted at {rule.fails_at}"
    line = Line(x, np.array([rule.at(size) for size in x]), colour, name, width=1.1, dash=dash)
    if rule.fails_at is None:
        return [line]
    at = np.array([float(rule.fails_at)]), np.array([rule.predicted])
    return [line, Points(*at, colour, shape=Shape.CROSS, size=6.0)]


def _fit(known: Sequence[tuple[int, Best]], scaling: Scaling) -> list[Layer]:
    """The fitted power between its bounds, and its exponent."""
    exponent = scaling.exponent
    if exponent is None:
        return [above("best rate against batch size")]
    fitted = [(size, best.lr) for size, best in known if size in exponent.batch_sizes]
    centre = math.exp(sum(math.log(size) for size, _ in fitted) / len(fitted))
    level = math.exp(sum(math.log(lr) for _, lr in fitted) / len(fitted))
    x = np.geomspace(fitted[0][0], fitted[-1][0], 33)
    middle, one, other = (
        level * (x / centre) ** power for power in (exponent.value, exponent.low, exponent.high)
    )
    power, spread = exponent.words
    heading: Label = above(f"best rate ~ {power} ({spread})")
    return [
        Band(x, np.minimum(one, other), np.maximum(one, other), VERMILLION, opacity=0.1),
        Line(x, middle, VERMILLION, "fitted", width=1.1),
        heading,
    ]


def _size_axis(sizes: Sequence[int], rates: dict[int, str], width: float) -> Axis:
    """A tick a batch size, and under it its rate, where there is room for all: there it lies on no line."""
    span = max(sizes[-1] / sizes[0], 1.5)
    ticks = tuple(float(size) for size in sizes)
    limits = (sizes[0] / span**0.08, sizes[-1] * span**0.08)
    axis = Axis("batch size (log axis)", "log", limits, ticks, tuple(map(str, sizes)))
    if rates:
        labels = tuple(f"{size}\n{rates[size]}" for size in sizes)
        both = replace(axis, label=f"{axis.label}, below it its rate", tick_labels=labels)
        if kept_apart(both, width) == both:
            return both
    return kept_apart(axis, width)


def rates_panel(
    cells: Sequence[Cell], comparison: Comparison, width: float, *, optimizers: bool = False
) -> Panel:
    """What every rate came to at each batch size, the best in a ring; a cross where one diverged.

    Lines are named and coloured by their batch sizes, or by their `optimizers`; `width` is in inches.
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
            layers.append(Points(at, end, colour, shape=Shape.RING, size=7.0, clipped=False))
    rates = [lr for cell in cells for lr in cell.lrs]
    y = ends_axis(shown, accuracy=accuracy)
    for i, (cell, colour) in enumerate(zip(cells, colours, strict=True)):
        layers += diverged_crosses(cell, y, colour, accuracy=accuracy, place=i)
    return Panel(rate_axis(rates, width), y, tuple(layers), width, _HEIGHT, grid="y")


def with_crosses(key: Key, rates: Panel) -> Key:
    """The key of the rates, with what a cross stands for."""
    if not any(isinstance(layer, Points) and layer.shape is Shape.CROSS for layer in rates.layers):
        return key
    nowhere = np.empty(0)
    cross = Points(nowhere, nowhere, BLACK, shape=Shape.CROSS, size=3.6)
    return replace(key, entries=(*key.entries, Entry("diverged with a seed or more", cross)))
