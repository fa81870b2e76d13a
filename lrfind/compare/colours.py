"""What colour stands for which rate, or which batch size, in the pictures of a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from lrfind.plotting.page import Entry, Key
from lrfind.plotting.panel import Line, shade
from lrfind.report.formatting import listed
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lrfind.compare.results import Cell, Comparison
    from lrfind.plotting.page import Row
    from lrfind.plotting.panel import Colour

_Item = TypeVar("_Item")

_SHARED = 12
"""Up to so many rates in all, each has its colour throughout; of more, neighbours would be hard to tell apart
and each optimizer has all colours for its own."""


def shades(items: Sequence[_Item]) -> dict[_Item, Colour]:
    """Things in an order and their colours, from the coldest to the warmest."""
    return {item: shade(i / max(len(items) - 1, 1)) for i, item in enumerate(items)}


def key_of_colours(heading: str, colours: Mapping[str, Colour]) -> Key:
    """A key of colours by what they stand for."""
    nothing = np.empty(0)
    entries = [Entry(name, Line(nothing, nothing, colour, width=2.2)) for name, colour in colours.items()]
    return Key(tuple(entries), heading, below=0.04)


def rates_of(cells: Iterable[Cell], optimizer: str) -> list[float]:
    """The rates of an optimizer at all its batch sizes, rising: they share their colours."""
    return sorted({lr for cell in cells if cell.optimizer == optimizer for lr in cell.lrs})


def colours_of_rates(comparison: Comparison) -> dict[str, dict[float, Colour]]:
    """The colour of each rate, by optimizer: the same for all of them as long as they can be told apart."""
    cells = comparison.measured
    rates = sorted({lr for cell in cells for lr in cell.lrs})
    names = {cell.optimizer for cell in cells}
    return {name: shades(rates if len(rates) <= _SHARED else rates_of(cells, name)) for name in names}


def keys_of_rates(
    block: Sequence[Cell],
    rows: Sequence[Row],
    colours: Mapping[str, Mapping[float, Colour]],
    *,
    several: bool,
) -> list[Key]:
    """What the colours stand for: a line for each optimizer, but one for those of the same rates."""
    alike: dict[tuple[float, ...], list[int]] = {}
    for i, cell in enumerate(block):
        alike.setdefault(tuple(rates_of(block, cell.optimizer)), []).append(i)
    keys = []
    for rates, places in alike.items():
        names = list(dict.fromkeys(block[i].optimizer for i in places))
        drawn = {layer.name for row in rows for i in places for layer in row.panels[i].named}
        own = {rate_text(lr): colours[names[0]][lr] for lr in rates if rate_text(lr) in drawn}
        keys.append(key_of_colours(f"{listed(names)}, learning rate" if several else "learning rate", own))
    return keys
