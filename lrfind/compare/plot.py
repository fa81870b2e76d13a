"""The learning curves of a comparison: one line a rate, one panel a batch size and optimizer.

Of what was read only once there is no curve: then it is drawn over the learning rate.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from lrfind.plotting.axes import Axis, linear_axis, log_axis
from lrfind.plotting.limits import outcome_limits
from lrfind.plotting.page import Entry, Key, Page, Row, column_width, text_width, wrapped
from lrfind.plotting.panel import (
    BLACK,
    DASHED,
    FONT_SIZE,
    MIDDLE,
    Band,
    Label,
    Layer,
    Line,
    Marker,
    Panel,
    Points,
    above,
    shade,
)
from lrfind.report.formatting import listed
from lrfind.statistics import known_mean
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lrfind.compare.results import Cell, Comparison
    from lrfind.plotting.panel import Colour
    from lrfind.statistics import Floats

    Kind = str
    """What is read: `accuracy` or `loss`."""

_Item = TypeVar("_Item")

_RIGHT, _GAP, _PANEL, _BELOW, _BETWEEN, _LINE = 0.08, 0.16, 1.75, 0.5, 0.12, 0.165
"""Inches: after the last panel, between two that share an axis; height of a panel, of the axis below the last
row, between the two rows of a block, of a line above the panels."""

_COLUMNS = 4
"""Panels side by side; of more batch sizes or optimizers, the others begin a new block."""

OUTSIDE = 0.2
"""Share of the rates whose end the frame may leave out: one that hardly learned would flatten all others."""

_MARKED = 25
"""Up to so many readings each is a dot of its own."""

_SHARED = 12
"""Up to so many rates in all, each has its colour throughout; of more, neighbours would be hard to tell apart
and each optimizer has all colours for its own."""


def curves_page(comparison: Comparison, title: str) -> Page:
    """Works out the picture; runs that were cut off are shown as far as they came.

    Args:
        comparison: What was measured.
        title: What is trained on what.
    """
    kinds = ["accuracy", "loss"] if comparison.accuracies else ["loss"]
    sizes = {cell.batch_size for cell in comparison.measured}
    several = len({cell.optimizer for cell in comparison.measured}) > 1
    if several and len(sizes) == 1:  # which is then said once
        title = f"{title}, batch size {sizes.pop()}"
    colours = _colours(comparison)
    parts: list[Row | Key] = []
    for block in _blocks(comparison):
        rows = _rows(block, comparison, kinds, colours, several=several)
        parts += [*_keys(block, rows, colours, several=several), *rows]
    return Page(f"{title}; {_over(comparison)}", tuple(parts), right=_RIGHT)


def key_of_colours(heading: str, colours: Mapping[str, Colour]) -> Key:
    """A key of colours by what they stand for."""
    nothing = np.empty(0)
    entries = [Entry(name, Line(nothing, nothing, colour, width=2.2)) for name, colour in colours.items()]
    return Key(tuple(entries), heading, below=0.04)


def shades(items: Sequence[_Item]) -> dict[_Item, Colour]:
    """Things in an order and their colours, from the coldest to the warmest."""
    return {item: shade(i / max(len(items) - 1, 1)) for i, item in enumerate(items)}


def ends_axis(shown: Sequence[tuple[Floats, Floats]], *, accuracy: bool, outside: float = OUTSIDE) -> Axis:
    """The axis of what rates came to, their means and spreads: some of the worst may be left out."""
    kind = "held-out accuracy" if accuracy else "held-out loss"
    values = np.concatenate([means for means, _ in shown])
    spread = np.concatenate([spread for _, spread in shown])
    if len(values) == 0:
        return linear_axis(0.0, 1.0, kind, percent=accuracy)
    low, high = float((values - spread).min()), float((values + spread).max())
    if accuracy:
        low = max(float(np.quantile(values, outside)) if outside else low, 0.0)
        return linear_axis(min(low, high - 0.002), min(high, 1.0), kind, percent=True)
    high = float(np.quantile(values, 1 - outside)) if outside else high
    return linear_axis(low, max(high, low * 1.02 + 1e-12), kind)


def _blocks(comparison: Comparison) -> list[Sequence[Cell]]:
    """The cells that were read at all, at most so many side by side: as many optimizers as have room."""
    of: dict[str, list[Cell]] = {}
    for cell in comparison.measured:
        of.setdefault(cell.optimizer, []).append(cell)
    room = max(_COLUMNS // max(map(len, of.values()), default=1), 1)
    blocks: list[Sequence[Cell]] = []
    for optimizers in _evenly(list(of.values()), room):
        blocks += _evenly([cell for cells in optimizers for cell in cells], _COLUMNS)
    return blocks


def _evenly(items: Sequence[_Item], most: int) -> list[Sequence[_Item]]:
    """Parts of at most so many, about equally long."""
    count = math.ceil(len(items) / max(math.ceil(len(items) / most), 1))
    return [items[i : i + count] for i in range(0, len(items), count or 1)]


def _rates_of(cells: Iterable[Cell], optimizer: str) -> list[float]:
    """The rates of an optimizer at all its batch sizes, rising: they share their colours."""
    return sorted({lr for cell in cells if cell.optimizer == optimizer for lr in cell.lrs})


def _colours(comparison: Comparison) -> dict[str, dict[float, Colour]]:
    """The colour of each rate, by optimizer: the same for all of them as long as they can be told apart."""
    cells = comparison.measured
    rates = sorted({lr for cell in cells for lr in cell.lrs})
    names = {cell.optimizer for cell in cells}
    return {name: shades(rates if len(rates) <= _SHARED else _rates_of(cells, name)) for name in names}


def _keys(
    block: Sequence[Cell],
    rows: Sequence[Row],
    colours: Mapping[str, Mapping[float, Colour]],
    *,
    several: bool,
) -> list[Key]:
    """What the colours stand for: a line for each optimizer, but one for those of the same rates."""
    alike: dict[tuple[float, ...], list[int]] = {}
    for i, cell in enumerate(block):
        alike.setdefault(tuple(_rates_of(block, cell.optimizer)), []).append(i)
    keys = []
    for rates, places in alike.items():
        names = list(dict.fromkeys(block[i].optimizer for i in places))
        drawn = {layer.name for row in rows for i in places for layer in row.panels[i].named}
        own = {rate_text(lr): colours[names[0]][lr] for lr in rates if rate_text(lr) in drawn}
        keys.append(key_of_colours(f"{listed(names)}, learning rate" if several else "learning rate", own))
    return keys


def _rows(
    block: Sequence[Cell],
    comparison: Comparison,
    kinds: Sequence[Kind],
    colours: Mapping[str, Mapping[float, Colour]],
    *,
    several: bool,
) -> list[Row]:
    """A row a kind: same axes, labelled once, and above the first row what is to be said of each panel."""
    width = column_width(len(block), _GAP, right=_RIGHT)
    curves = [[_means(cell, kind) for cell in block] for kind in kinds]
    once = comparison.budget.readings == 1
    axis_of = _once_axis if once else _value_axis
    ys = [axis_of(block, means, kind) for means, kind in zip(curves, kinds, strict=True)]
    letters = int(width / text_width("0", FONT_SIZE - 0.5))  # the smaller ones
    headings = [_heading(cell, comparison, width, several=several) for cell in block]
    notes = [
        wrapped(_missing(cell, [(means[j], y) for means, y in zip(curves, ys, strict=True)]), letters)
        for j, cell in enumerate(block)
    ]
    most = max(len(heading) + len(note) for heading, note in zip(headings, notes, strict=True))
    rows = []
    for i, kind in enumerate(kinds):
        last = i == len(kinds) - 1
        panels = []
        for j, cell in enumerate(block):
            y = ys[i] if j == 0 else ys[i].bare
            x = _x_axis(comparison, _rates_of(block, cell.optimizer), narrow=len(block) == _COLUMNS)
            layers = (_ends if once else _lines)(cell, comparison, kind, colours[cell.optimizer])
            layers += _untrained(cell, kind, x, ys[i])
            if i == 0:
                said = [above(text, row=most - 1 - row, colour=BLACK) for row, text in enumerate(headings[j])]
                after = most - 1 - len(said)
                said += [
                    above(text, row=after - row, colour=MIDDLE, size=FONT_SIZE - 0.5)
                    for row, text in enumerate(notes[j])
                ]
                layers += said
            panels.append(Panel(x if last else x.bare, y, tuple(layers), width, _PANEL, grid="y"))
        top = 0.08 + most * _LINE if i == 0 else 0.0
        rows.append(Row(tuple(panels), top, _BELOW if last else _BETWEEN, gap=_GAP))
    return rows


def _lines(cell: Cell, comparison: Comparison, kind: Kind, colours: Mapping[float, Colour]) -> list[Layer]:
    """A line a rate, the mean over the seeds, and a band of a standard deviation where there are several."""
    times = np.array([_time(comparison, j) for j in range(comparison.budget.readings)])
    best = _best(cell)
    bands: list[Layer] = []
    lines: list[Line] = []
    for i, (lr, mean) in enumerate(zip(cell.lrs, _means(cell, kind), strict=True)):
        known = np.isfinite(mean)
        x, y, colour = times[known], mean[known], colours[lr]
        spread = _spread(_values(cell, kind, i), mean)
        if spread is not None:
            bands.append(Band(x, y - spread[known], y + spread[known], colour))
        dots = 0.0 if len(x) > _MARKED else 3.4 if i == best else 1.9
        line = Line(x, y, colour, rate_text(lr), width=2.0 if i == best else 0.9, dots=dots)
        lines.append(line)
    return [*bands, *sorted(lines, key=lambda line: line.width)]


def _ends(cell: Cell, comparison: Comparison, kind: Kind, colours: Mapping[float, Colour]) -> list[Layer]:
    """The only reading of each rate, the mean over the seeds with a bar of a standard deviation."""
    means = _means(cell, kind)
    layers: list[Layer] = [Line(np.array(cell.lrs), np.concatenate(means), MIDDLE, width=0.9)]
    for i, (lr, mean) in enumerate(zip(cell.lrs, means, strict=True)):
        if not np.isfinite(mean).all():
            continue
        spread = _spread(_values(cell, kind, i), mean)
        low, high = (None, None) if spread is None else (mean - spread, mean + spread)
        size = 6.0 if i == _best(cell) else 3.4
        at = np.array([lr])
        layers.append(Points(at, mean, colours[lr], rate_text(lr), size=size, low=low, high=high))
    return layers


def _baseline(cell: Cell, kind: Kind) -> float | None:
    """What is had without training, where nothing more was learnt: the frame is to show it."""
    if cell.learnt or cell.diverged:
        return None
    return float(
        np.mean([run.baseline.accuracy if kind == "accuracy" else run.baseline.loss for run in cell.runs])
    )


def _untrained(cell: Cell, kind: Kind, x: Axis, y: Axis) -> list[Layer]:
    """A line at the height of what is had without training, where nothing more was learnt."""
    at = _baseline(cell, kind)
    if at is None or not y.holds(np.array([at])).any():
        return []
    shift = (-2.0, -9.0 if kind == "accuracy" else 4.0)  # on the side of what learns
    words = Label(
        "without training", x.limits[1], at, in_data=True, shift=shift, align="right", colour=MIDDLE
    )
    return [Marker("y", at, colour=MIDDLE, dash=DASHED), words]


def _values(cell: Cell, kind: Kind, index: int) -> Floats:
    """What one rate came to, shape (seeds, readings)."""
    return np.array([(run.accuracies if kind == "accuracy" else run.readings)[index] for run in cell.runs])


def _means(cell: Cell, kind: Kind) -> list[Floats]:
    """For each rate the mean over the seeds that were read, shape (readings,); NaN where none was."""
    return [known_mean(_values(cell, kind, i)) for i in range(len(cell.lrs))]


def _spread(values: Floats, mean: Floats) -> Floats | None:
    """Standard deviation over the seeds that were read, shape (readings,); None for a single seed."""
    if len(values) < 2:
        return None
    apart = np.where(np.isfinite(values), values - mean, 0.0)
    count = np.isfinite(values).sum(axis=0)
    deviations: Floats = np.sqrt((apart**2).sum(axis=0) / np.maximum(count - 1, 1))
    return deviations


def _value_axis(block: Sequence[Cell], means: Sequence[Sequence[Floats]], kind: Kind) -> Axis:
    """What matters in the end, and the way of the best rates there, but for their very first readings."""
    curves = [[mean[np.isfinite(mean)] for mean in panel] for panel in means]
    kept = [curve for panel in curves for curve in panel if len(curve)]
    best = [
        panel[index] for cell, panel in zip(block, curves, strict=True) if (index := _best(cell)) is not None
    ]
    kept += [np.array([at]) for cell in block if (at := _baseline(cell, kind)) is not None]
    rising = kind == "accuracy"
    low, high = outcome_limits(kept, [curve for curve in best if len(curve)], rising=rising, outside=OUTSIDE)
    return linear_axis(low, high, f"held-out {kind}", intervals=5, percent=rising)


def _once_axis(block: Sequence[Cell], means: Sequence[Sequence[Floats]], kind: Kind) -> Axis:
    """As `_value_axis`, of a single reading and its spread."""
    shown = []
    for cell, panel in zip(block, means, strict=True):
        for i, mean in enumerate(panel):
            spread = _spread(_values(cell, kind, i), mean)
            if np.isfinite(mean).all():
                shown.append((mean, np.zeros(1) if spread is None else spread))
        if (at := _baseline(cell, kind)) is not None:
            shown.append((np.array([at]), np.zeros(1)))
    outside = OUTSIDE if len(shown) > len(block) else 0.0
    return ends_axis(shown or [(np.empty(0), np.empty(0))], accuracy=kind == "accuracy", outside=outside)


def _best(cell: Cell) -> int | None:
    """The rate that came out best; None where all diverged or a run is not finished."""
    best = cell.best if all(run.whole for run in cell.runs) else None
    return None if best is None else best.index


def _missing(cell: Cell, drawn: Sequence[tuple[Sequence[Floats], Axis]]) -> str:
    """Which rates were dropped, and of which others nothing is to be seen in the panels of a batch size.

    Where a rate was not dropped with all seeds, the number stands behind it.
    """
    seeds = len(cell.runs)
    dropped, hidden = [], []
    for i, lr in enumerate(cell.lrs):
        times = sum(run.diverged[i] for run in cell.runs)
        if times:
            dropped.append(rate_text(lr) + (f" ({times} of {seeds})" if times < seeds else ""))
        elif not any(y.holds(means[i]).any() for means, y in drawn) and np.isfinite(drawn[0][0][i]).any():
            hidden.append(rate_text(lr))
    notes = [f"diverged: {', '.join(dropped)}"] if dropped else []
    return "; ".join([*notes, *([f"outside the frame: {', '.join(hidden)}"] if hidden else [])])


def _x_axis(comparison: Comparison, rates: Sequence[float], *, narrow: bool) -> Axis:
    """From the first reading to the last; of a single one, the rates."""
    if comparison.budget.readings == 1:
        axis = log_axis(min(rates), max(rates), "learning rate (log axis, base 10)")
        if not narrow:
            return axis
        count = len(rates)
        ticks = [rates[count // 2]] if count < 5 else [rates[count // 4], rates[-1 - count // 4]]
        labels = tuple(map(rate_text, ticks))
        return replace(axis, label="learning rate (log)", ticks=tuple(ticks), tick_labels=labels)
    start, end = (_time(comparison, j) for j in (0, comparison.budget.readings - 1))
    label = "epoch" if comparison.budget.pool is not None else "thousands of samples"
    whole = math.floor(end) > math.ceil(start)
    return linear_axis(start, end, label, intervals=4 if narrow else 5, whole=whole)


def _time(comparison: Comparison, reading: int) -> float:
    epoch = comparison.budget.epoch(reading)
    if epoch is not None:
        return epoch
    return comparison.budget.samples * (reading + 1) / comparison.budget.readings / 1000


def _heading(cell: Cell, comparison: Comparison, width: float, *, several: bool) -> list[str]:
    """Which optimizer and batch size a panel shows, and its best rate, in one line or in two."""
    sizes = {each.batch_size for each in comparison.measured}
    where = [cell.optimizer] if several else []
    where += [f"batch size {cell.batch_size}"] if not several or len(sizes) > 1 else []
    best, name = cell.best, ", ".join(where)
    if not all(run.whole for run in cell.runs):
        return [f"{name} (cut off)"]
    if best is None:
        said = "all diverged" if cell.diverged else "nothing learnt"
    elif len(cell.lrs) == 1:  # of a single rate it is no news that it is the best
        return [name]
    else:
        said = f"best {rate_text(best.lr)}"
    whole = f"{name}: {said}"
    return [whole] if text_width(whole) <= width else [name, said]


def _over(comparison: Comparison) -> str:
    seeds = len({run.seed for cell in comparison.measured for run in cell.runs})
    if not seeds:
        return "cut off before anything was read"
    once = comparison.budget.readings == 1
    over = f"after {comparison.budget.words}, " if once else ""
    if seeds == 1:
        return f"{over}one seed"
    return f"{over}mean of {seeds} seeds, {'bar' if once else 'band'}: ± one standard deviation"
