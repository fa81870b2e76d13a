"""The learning curves of a comparison: one line a rate, one panel a batch size, as in the book."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lrfind.plotting.axes import Axis, linear_axis
from lrfind.plotting.limits import outcome_limits
from lrfind.plotting.page import Entry, Key, Page, Row, column_width, text_width, wrapped
from lrfind.plotting.panel import BLACK, FONT_SIZE, MIDDLE, Band, Layer, Line, Panel, above, shade
from lrfind.statistics import known_mean
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from lrfind.compare.results import Cell, Comparison

    Floats = NDArray[np.float64]
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
    ys = [_value_axis(block, means, kind) for means, kind in zip(curves, kinds, strict=True)]
    notes = [
        wrapped(_missing(cell, [(means[j], y) for means, y in zip(curves, ys, strict=True)]), _letters(width))
        for j, cell in enumerate(block)
    ]
    most = max(map(len, notes))
    rows = []
    for i, kind in enumerate(kinds):
        last = i == len(kinds) - 1
        x = _time_axis(comparison, intervals=5 if len(block) < 4 else 4)
        panels = []
        for j, cell in enumerate(block):
            layers = _lines(cell, comparison, kind, rates)
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


def _letters(width: float) -> int:
    """How many of the smaller letters stand above a panel."""
    return int(width / text_width("0", FONT_SIZE - 0.5))


def _time_axis(comparison: Comparison, *, intervals: int) -> Axis:
    """From the first reading to the last."""
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
        return f"batch size {cell.batch_size}: all diverged"
    # Of a single rate it is no news that it is the best.
    return f"batch size {cell.batch_size}" + (f": best {rate_text(best.lr)}" if len(cell.lrs) > 1 else "")


def _over(comparison: Comparison) -> str:
    seeds = len({run.seed for cell in comparison.measured for run in cell.runs})
    if not seeds:
        return "cut off before anything was read"
    return "one seed" if seeds == 1 else f"mean of {seeds} seeds, band: ± one standard deviation"
