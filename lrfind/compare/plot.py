"""The learning curves of a comparison, worked out: one line a rate, one panel a batch size, as in the book.

Pure numbers and text; `lrfind.plotting.compare_drawing` puts them on paper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrfind.compare.results import Cell
from lrfind.plotting.axes import Axis, linear_axis
from lrfind.range_test.plot import FONT_SIZE, Series, wrapped
from lrfind.report.formatting import rate_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lrfind.compare.results import Comparison, Run
    from lrfind.range_test.plot import Box

    Floats = NDArray[np.float64]

_WIDTH, _LEFT, _RIGHT, _GAP = 7.2, 0.62, 0.08, 0.16
"""Inches: of the picture, before the first panel, after the last, between two that share an axis."""

_PANEL, _BELOW, _BETWEEN, _ABOVE, _LEGEND, _TITLE_LINE = 1.75, 0.5, 0.12, 0.24, 0.26, 0.18
"""Inches: height of a panel, of the axis below the last, between the two rows of a block, of the heading of
a panel, of the legend of a block, of a line of the title."""

_LETTER, _DASH = 0.58 * FONT_SIZE / 72, 0.17
"""Inches: width of most letters and digits, length of a legend's line."""

_COLUMNS = 4
"""Panels side by side; of more batch sizes, the others begin a new block."""

_OUTSIDE = 0.2
"""Share of the rates whose end the frame may leave out: one that hardly learned would flatten all others."""


@dataclass(frozen=True, slots=True, eq=False)
class RateLine:
    """One rate at one batch size.

    Attributes:
        shade: Where it stands among the rates of its block, from 0 for the lowest to 1.
        mean: Over the seeds.
        band: Mean less and plus a standard deviation over the seeds; both empty for a single seed.
        best: Whether it came out best in its panel.
    """

    shade: float
    mean: Series
    band: tuple[Series, Series]
    best: bool


@dataclass(frozen=True, slots=True, eq=False)
class CurvePanel:
    """One batch size.

    Attributes:
        heading: Above it; empty in the lower row.
        note: Within it: which rates diverged.
        across: Epochs, or thousands of samples; without labels but in the lower row.
        upright: Accuracy or loss, the same in a row; without labels but in the first column.
        lines: Rising rates.
        box: Frame as shares of the picture: left, lower edge, width, height.
    """

    heading: str
    note: str
    across: Axis
    upright: Axis
    lines: tuple[RateLine, ...]
    box: Box


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a legend and what it stands for.

    Attributes:
        text: What is written behind it.
        shade: From 0 to 1.
        line: Its ends, as shares of the picture's width.
        text_at: Where the text begins, as a share of the picture's width.
    """

    text: str
    shade: float
    line: tuple[float, float]
    text_at: float


@dataclass(frozen=True, slots=True)
class Legend:
    """One row of a legend.

    It is laid out here: matplotlib would have to draw it to know how wide it is.

    Attributes:
        text: What stands before the entries; empty in a row that goes on with the one before.
        entries: From left to right.
        left: Where it begins, as a share of the picture's width.
        height: Where its middle is, as a share of the picture's height.
    """

    text: str
    entries: tuple[Entry, ...]
    left: float
    height: float


@dataclass(frozen=True, slots=True)
class CurvesFigure:
    """All that the picture shows.

    Attributes:
        title: Wrapped to the picture's width.
        panels: Block by block, row by row.
        legends: One a block or more, where its rates do not fit into one row.
        size: Width and height in inches.
    """

    title: str
    panels: tuple[CurvePanel, ...]
    legends: tuple[Legend, ...]
    size: tuple[float, float]


def curves_figure(comparison: Comparison, title: str) -> CurvesFigure:
    """Works out the picture; runs that were cut off are shown as far as they came.

    Args:
        comparison: What was measured.
        title: What is trained on what.
    """
    blocks = _blocks(comparison)
    kinds = ["accuracy", "loss"] if comparison.accuracies else ["loss"]
    seeds = len({run.seed for run in comparison.runs})
    lines = wrapped(f"{title}; {_over(seeds) if seeds else 'cut off before anything was read'}")
    panels_height = _ABOVE + len(kinds) * _PANEL + (len(kinds) - 1) * _BETWEEN + _BELOW
    shades = [_shades(block) for block in blocks]
    several = len({run.optimizer for run in comparison.runs}) > 1
    texts = [f"{block[0].optimizer}, learning rate" if several else "learning rate" for block in blocks]
    keys = [
        legend_rows(text, [(rate_text(lr), shade) for lr, shade in shaded.items()], _LEFT)
        for text, shaded in zip(texts, shades, strict=True)
    ]
    height = 0.1 + _TITLE_LINE * len(lines) + sum(len(rows) * _LEGEND + panels_height for rows in keys)
    panels: list[CurvePanel] = []
    legends: list[Legend] = []
    top = height - 0.1 - _TITLE_LINE * len(lines)
    for block, shaded, text, rows in zip(blocks, shades, texts, keys, strict=True):
        for i, entries in enumerate(rows):
            middle = (top - _LEGEND / 2) / height
            legends.append(Legend("" if i else text, entries, _LEFT / _WIDTH, middle))
            top -= _LEGEND
        for row, kind in enumerate(kinds):
            bottom = top - _ABOVE - row * (_PANEL + _BETWEEN) - _PANEL
            frame = (bottom / height, _PANEL / height)
            panels += _row(block, comparison, kind, shaded, frame, last=row == len(kinds) - 1)
        top -= panels_height
    return CurvesFigure("\n".join(lines), tuple(panels), tuple(legends), (_WIDTH, height))


def _shades(block: Sequence[Cell]) -> dict[float, float]:
    rates = sorted({lr for cell in block for lr in cell.lrs})
    return {lr: i / max(len(rates) - 1, 1) for i, lr in enumerate(rates)}


def legend_rows(text: str, named: Sequence[tuple[str, float]], left: float) -> list[tuple[Entry, ...]]:
    """Lays out a legend in as many rows as it takes.

    Args:
        text: What stands before the first row.
        named: The entries' texts and shades.
        left: Where the rows begin, in inches.
    """
    start = left + (len(text) + 1) * _LETTER
    rows: list[list[Entry]] = [[]]
    at = start
    for name, shade in named:
        width = _DASH + 0.05 + (len(name) + 1.2) * _LETTER
        if rows[-1] and at + width > _WIDTH:
            rows.append([])
            at = start
        ends = (at / _WIDTH, (at + _DASH) / _WIDTH)
        rows[-1].append(Entry(name, shade, ends, (at + _DASH + 0.05) / _WIDTH))
        at += width
    return [tuple(row) for row in rows]


def _blocks(comparison: Comparison) -> list[list[Cell]]:
    """The cells that were read at all, an optimizer a block, at most so many side by side."""
    found: dict[tuple[str, int], list[Run]] = {}
    for run in comparison.runs:
        found.setdefault((run.optimizer, run.batch_size), []).append(run)
    names = list(dict.fromkeys(run.optimizer for run in comparison.runs))
    blocks = []
    for name in names:
        cells = [
            Cell(name, size, tuple(runs), comparison.judge)
            for (optimizer, size), runs in sorted(found.items(), key=lambda item: item[0][1])
            if optimizer == name
        ]
        count = math.ceil(len(cells) / _COLUMNS)
        columns = math.ceil(len(cells) / count) if count else 1
        blocks += [cells[i : i + columns] for i in range(0, len(cells), columns)]
    return blocks


def _row(
    block: Sequence[Cell],
    comparison: Comparison,
    kind: str,
    shades: dict[float, float],
    frame: tuple[float, float],
    *,
    last: bool,
) -> list[CurvePanel]:
    """The panels of one row: same axes, labelled once."""
    width = (_WIDTH - _LEFT - _RIGHT - (len(block) - 1) * _GAP) / len(block)
    lines = [_lines(cell, comparison, kind, shades) for cell in block]
    upright = _upright([line for panel in lines for line in panel], kind)
    across = _across(comparison, bare=not last, intervals=5 if len(block) < 4 else 4)
    panels = []
    for column, (cell, drawn) in enumerate(zip(block, lines, strict=True)):
        left = _LEFT + column * (width + _GAP)
        first = column == 0
        panels.append(
            CurvePanel(
                heading=_heading(cell) if kind == "accuracy" or not comparison.accuracies else "",
                note=_diverged(cell) if last else "",
                across=across,
                upright=upright if first else _bare(upright),
                lines=tuple(drawn),
                box=(left / _WIDTH, frame[0], width / _WIDTH, frame[1]),
            )
        )
    return panels


def _lines(cell: Cell, comparison: Comparison, kind: str, shades: dict[float, float]) -> list[RateLine]:
    x = np.array([_time(comparison, j) for j in range(comparison.budget.readings)])
    best = cell.best if all(run.finished for run in cell.runs) else None
    nothing = Series("", np.empty(0), np.empty(0))
    found = []
    for i, lr in enumerate(cell.lrs):
        values = np.array([(run.accuracies if kind == "accuracy" else run.losses)[i] for run in cell.runs])
        count = np.isfinite(values).sum(axis=0)
        known = count > 0
        held = np.where(np.isfinite(values), values, 0.0)
        mean = held.sum(axis=0)[known] / count[known]
        band = (nothing, nothing)
        if len(values) > 1:
            apart = np.where(np.isfinite(values[:, known]), values[:, known] - mean, 0.0)
            spread = np.sqrt((apart**2).sum(axis=0) / np.maximum(count[known] - 1, 1))
            band = (Series("", x[known], mean - spread), Series("", x[known], mean + spread))
        name = rate_text(lr)
        found.append(
            RateLine(shades[lr], Series(name, x[known], mean), band, best is not None and best.index == i)
        )
    return found


def _upright(lines: Sequence[RateLine], kind: str) -> Axis:
    """What matters in the end, and the way of the best rates there, but for their very first readings."""
    kept = [line.mean.y for line in lines if len(line.mean.y)]
    if not kept:
        return linear_axis(0.0, 1.0, f"held-out {kind}", percent=kind == "accuracy")
    ends = np.array([values[-1] for values in kept])
    ways = [line.mean.y[len(line.mean.y) // 7 :] for line in lines if line.best]
    way = np.concatenate(ways) if ways else ends
    if kind == "accuracy":
        low = min(float(np.quantile(ends, _OUTSIDE)), float(way.min()))
        high = float(max(values.max() for values in kept))
        return linear_axis(min(low, high - 0.002), high, "held-out accuracy", intervals=5, percent=True)
    low = float(min(values.min() for values in kept))
    high = max(float(np.quantile(ends, 1 - _OUTSIDE)), float(way.max()))
    return linear_axis(low, max(high, low * 1.02 + 1e-12), "held-out loss", intervals=5)


def _across(comparison: Comparison, *, bare: bool, intervals: int) -> Axis:
    end = _time(comparison, comparison.budget.readings - 1)
    label = "epoch" if comparison.budget.pool is not None else "thousands of samples"
    axis = linear_axis(0.0, end, label, intervals=intervals, whole=end >= 2)
    return _bare(axis) if bare else axis


def _time(comparison: Comparison, reading: int) -> float:
    epoch = comparison.budget.epoch(reading)
    if epoch is not None:
        return epoch
    return comparison.budget.samples * (reading + 1) / comparison.budget.readings / 1000


def _bare(axis: Axis) -> Axis:
    return Axis("", axis.scale, axis.limits, axis.ticks, ("",) * len(axis.ticks), axis.minor_ticks)


def _heading(cell: Cell) -> str:
    if not all(run.finished for run in cell.runs):
        return f"batch size {cell.batch_size} (cut off)"
    best = cell.best
    return f"batch size {cell.batch_size}: " + (
        "all diverged" if best is None else f"best {rate_text(best.lr)}"
    )


def _diverged(cell: Cell) -> str:
    gone = [rate_text(lr) for i, lr in enumerate(cell.lrs) if any(run.diverged[i] for run in cell.runs)]
    return f"diverged: {', '.join(gone)}" if gone else ""


def _over(seeds: int) -> str:
    return "one seed" if seeds == 1 else f"mean of {seeds} seeds, band: ± one standard deviation"
