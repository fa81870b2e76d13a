"""The learning curves of a comparison: one line a rate, one panel a batch size and optimizer.

Of what was read only once there is no curve: then it is drawn over the learning rate.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from lrfind.compare.colours import colours_of_rates, keys_of_rates, rates_of
from lrfind.compare.curves import (
    diverged_crosses,
    learning_curves,
    means_of,
    single_reading_axis,
    single_readings,
    time_axis,
    untrained_line,
    value_axis,
)
from lrfind.plotting.page import Key, Page, Row, column_width
from lrfind.plotting.panel import BLACK, FONT_SIZE, MIDDLE, Panel, above
from lrfind.plotting.text import broken, text_width, wrapped
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lrfind.compare.colours import Colours
    from lrfind.compare.curves import Kind
    from lrfind.compare.results import Cell, Comparison
    from lrfind.plotting.axes import Axis
    from lrfind.statistics import Floats

_Item = TypeVar("_Item")

_RIGHT, _GAP, _PANEL, _BELOW, _BETWEEN, _LINE = 0.08, 0.16, 1.75, 0.5, 0.12, 0.165
"""Inches: after the last panel, between two that share an axis; height of a panel, of the axis below the last
row, between the two rows of a block, of a line above the panels."""

_COLUMNS = 4
"""Panels side by side; of more batch sizes or optimizers, the others begin a new block."""


def curves_page(comparison: Comparison, title: str) -> Page:
    """Works out the picture; runs that were cut off are shown as far as they came."""
    kinds = ["accuracy", "loss"] if comparison.accuracies else ["loss"]
    sizes = {cell.batch_size for cell in comparison.measured}
    several = len({cell.optimizer for cell in comparison.measured}) > 1
    if several and len(sizes) == 1:  # which is then said once
        title = f"{title}, batch size {sizes.pop()}"
    colours = colours_of_rates(comparison)
    parts: list[Row | Key] = []
    for block in _blocks(comparison):
        rows = _rows(block, comparison, kinds, colours, several=several)
        parts += [*keys_of_rates(block, rows, colours, several=several), *rows]
    return Page(f"{title}; {_over(comparison)}", tuple(parts), right=_RIGHT)


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


def _rows(
    block: Sequence[Cell],
    comparison: Comparison,
    kinds: Sequence[Kind],
    colours: Mapping[str, Colours],
    *,
    several: bool,
) -> list[Row]:
    """A row a kind: same axes, labelled once, and above the first row what is to be said of each panel."""
    width = column_width(len(block), _GAP, right=_RIGHT)
    curves = [[means_of(cell, kind) for cell in block] for kind in kinds]
    once = comparison.budget.readings == 1
    axis_of = single_reading_axis if once else value_axis
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
            x = time_axis(comparison, rates_of(block, cell.optimizer), width, _GAP / 2)
            looks = colours[cell.optimizer]
            if once:
                layers = single_readings(cell, kind, looks.shades)
                layers += diverged_crosses(cell, ys[i], MIDDLE, accuracy=kind == "accuracy")
            else:
                layers = learning_curves(cell, comparison, kind, looks.shades, looks.dash)
            layers += untrained_line(cell, kind, x, ys[i])
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


def _heading(cell: Cell, comparison: Comparison, width: float, *, several: bool) -> list[str]:
    """Which optimizer and batch size a panel shows, and its best rate, in one line or in several."""
    sizes = {each.batch_size for each in comparison.measured}
    where = [cell.optimizer] if several else []
    where += [f"batch size {cell.batch_size}"] if not several or len(sizes) > 1 else []
    best, name = cell.best, ", ".join(where)
    if not all(run.whole for run in cell.runs):
        whole, said = f"{name} (cut off)", "cut off"
    elif best is not None and len(cell.lrs) == 1:  # of a single rate it is no news that it is the best
        whole, said = name, ""
    else:
        said = "all diverged" if cell.diverged else "nothing learnt"
        said = said if best is None else f"best {rate_text(best.lr)}"
        whole = f"{name}: {said}"
    if text_width(whole) <= width:
        return [whole]
    letters = int(width / text_width("0"))
    names = (
        [name] if text_width(name) <= width else [line for part in where for line in broken(part, letters)]
    )
    return [*names, *filter(None, [said])]


def _over(comparison: Comparison) -> str:
    seeds = len({run.seed for cell in comparison.measured for run in cell.runs})
    if not seeds:
        return "cut off before anything was read"
    once = comparison.budget.readings == 1
    over = f"after {comparison.budget.words}, " if once else ""
    if seeds == 1:
        return f"{over}one seed"
    return f"{over}mean of {seeds} seeds, {'bar' if once else 'band'}: ± one standard deviation"
