"""The learning curves of a comparison: one line a rate, one panel a batch size, as in the book.

Of what was read only once there is no curve: then it is drawn over the learning rate.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lrfind.plotting.axes import Axis, linear_axis, log_axis
from lrfind.plotting.limits import outcome_limits
from lrfind.plotting.page import Entry, Key, Page, Row, column_width, text_width, wrapped
from lrfind.plotting.panel import BLACK, FONT_SIZE, MIDDLE, Band, Layer, Line, Panel, Points, above, shade
from lrfind.statistics import known_mean
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from lrfind.compare.results import Cell, Comparison
    from lrfind.statistics import Floats

    Kind = str
    """What is read: `accuracy` or `loss`."""

_RIGHT, _GAP, _PANEL, _BELOW, _BETWEEN, _LINE = 0.08, 0.16, 1.75, 0.5, 0.12, 0.165
"""Inches: after the last panel, between two that share an axis; height of a panel, of the axis below the last
row, between the two rows of a block, of a line above the panels."""

_COLUMNS = 4
"""Panels side by side; of more batch sizes, the others begin a new block."""

OUTSIDE = 0.2
"""Share of the rates whose end the frame may leave out: one that hardly learned would flatten all others."""

_MARKED = 25
"""Up to so many readings each is a dot of its own."""


def curves_page(comparison: Comparison, title: str) -> Page:
    """Works out the picture; runs that were cut off are shown as far as they came.

    Args:
        comparison: What was measured.
        title: What is trained on what.
    """
    kinds = ["accuracy", "loss"] if comparison.accuracies else ["loss"]
    several = len({cell.optimizer for cell in comparison.measured}) > 1
    parts: list[Row | Key] = []
    for block in _blocks(comparison):
        rates = sorted({lr for cell in block for lr in cell.lrs})
        heading = f"{block[0].optimizer}, learning rate" if several else "learning rate"
        rows = _rows(block, comparison, kinds, rates)
        drawn = {layer.name for row in rows for panel in row.panels for layer in panel.named}
        parts += [key_of_shades(heading, [rate_text(lr) for lr in rates], drawn), *rows]
    return Page(f"{title}; {_over(comparison)}", tuple(parts), right=_RIGHT)


def key_of_shades(heading: str, names: Sequence[str], drawn: Collection[str]) -> Key:
    """A key of ordered colours, from the coldest to the warmest, without those that are not drawn."""
    nothing = np.empty(0)
    entries = [
        Entry(name, Line(nothing, nothing, colour, width=2.2))
        for name, colour in zip(names, shades(len(names)), strict=True)
        if name in drawn
    ]
    return Key(tuple(entries), heading, below=0.04)


def shades(count: int) -> list[str]:
    """Colours in their order, from the coldest to the warmest."""
    return [shade(i / max(count - 1, 1)) for i in range(count)]


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


def _blocks(comparison: Comparison) -> list[list[Cell]]:
    """The cells that were read at all, an optimizer a block, at most so many side by side."""
    blocks = []
    for name in dict.fromkeys(cell.optimizer for cell in comparison.measured):
        cells = [cell for cell in comparison.measured if cell.optimizer == name]
        columns = math.ceil(len(cells) / math.ceil(len(cells) / _COLUMNS))
        blocks += [cells[i : i + columns] for i in range(0, len(cells), columns)]
    return blocks


def _rows(
    block: Sequence[Cell], comparison: Comparison, kinds: Sequence[Kind], rates: Sequence[float]
) -> list[Row]:
    """A row a kind: same axes, labelled once, and above the first row what is to be said of each panel."""
    width = column_width(len(block), _GAP, right=_RIGHT)
    curves = [[_means(cell, kind) for cell in block] for kind in kinds]
    axis_of = _once_axis if comparison.budget.readings == 1 else _value_axis
    ys = [axis_of(block, means, kind) for means, kind in zip(curves, kinds, strict=True)]
    letters = int(width / text_width("0", FONT_SIZE - 0.5))  # the smaller ones
    notes = [
        wrapped(_missing(cell, [(means[j], y) for means, y in zip(curves, ys, strict=True)]), letters)
        for j, cell in enumerate(block)
    ]
    most = max(map(len, notes))
    rows = []
    for i, kind in enumerate(kinds):
        last = i == len(kinds) - 1
        x = _x_axis(comparison, rates, intervals=5 if len(block) < 4 else 4)
        panels = []
        for j, cell in enumerate(block):
            drawn = _ends if comparison.budget.readings == 1 else _lines
            layers = drawn(cell, comparison, kind, rates)
            if i == 0:
                layers.append(above(_heading(cell), row=most, colour=BLACK))
                layers += [
                    above(text, row=most - 1 - line, colour=MIDDLE, size=FONT_SIZE - 0.5)
                    for line, text in enumerate(notes[j])
                ]
            y = ys[i] if j == 0 else ys[i].bare
            panels.append(Panel(x if last else x.bare, y, tuple(layers), width, _PANEL, grid="y"))
        top = 0.08 + (most + 1) * _LINE if i == 0 else 0.0
        rows.append(Row(tuple(panels), top, _BELOW if last else _BETWEEN, gap=_GAP))
    return rows


def _lines(cell: Cell, comparison: Comparison, kind: Kind, rates: Sequence[float]) -> list[Layer]:
    """A line a rate, the mean over the seeds, and a band of a standard deviation where there are several."""
    colours = dict(zip(rates, shades(len(rates)), strict=True))
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


def _ends(cell: Cell, comparison: Comparison, kind: Kind, rates: Sequence[float]) -> list[Layer]:
    """The only reading of each rate, the mean over the seeds with a bar of a standard deviation."""
    colours = dict(zip(rates, shades(len(rates)), strict=True))
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


def _x_axis(comparison: Comparison, rates: Sequence[float], *, intervals: int) -> Axis:
    """From the first reading to the last; of a single one, the rates."""
    if comparison.budget.readings == 1:
        return log_axis(min(rates), max(rates), "learning rate (log axis, base 10)")
    start, end = (_time(comparison, j) for j in (0, comparison.budget.readings - 1))
    label = "epoch" if comparison.budget.pool is not None else "thousands of samples"
    whole = math.floor(end) > math.ceil(start)
    return linear_axis(start, end, label, intervals=intervals, whole=whole)


def _time(comparison: Comparison, reading: int) -> float:
    epoch = comparison.budget.epoch(reading)
    if epoch is not None:
        return epoch
    return comparison.budget.samples * (reading + 1) / comparison.budget.readings / 1000


def _heading(cell: Cell) -> str:
    if not all(run.whole for run in cell.runs):
        return f"batch size {cell.batch_size} (cut off)"
    best = cell.best
    if best is None:
        return f"batch size {cell.batch_size}: {'all diverged' if cell.diverged else 'nothing learnt'}"
    # Of a single rate it is no news that it is the best.
    return f"batch size {cell.batch_size}" + (f": best {rate_text(best.lr)}" if len(cell.lrs) > 1 else "")


def _over(comparison: Comparison) -> str:
    seeds = len({run.seed for cell in comparison.measured for run in cell.runs})
    if not seeds:
        return "cut off before anything was read"
    once = comparison.budget.readings == 1
    over = f"after {comparison.budget.words}, " if once else ""
    if seeds == 1:
        return f"{over}one seed"
    return f"{over}mean of {seeds} seeds, {'bar' if once else 'band'}: ± one standard deviation"
