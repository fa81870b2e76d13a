"""What colour stands for which rate, or which batch size, in the pictures of a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from lrfind.plotting.page import Entry, Key
from lrfind.plotting.panel import DASHED, DOT_DASHED, DOTTED, Line, shade
from lrfind.report.formatting import listed
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lrfind.compare.results import Cell, Comparison
    from lrfind.plotting.page import Row
    from lrfind.plotting.panel import Colour, Dash

_Item = TypeVar("_Item")

_SHARED = 12
"""Up to so many rates in all, each has its colour throughout; of more, neighbours would be hard to tell apart
and each optimizer has all colours for its own, and strokes of its own."""

_DASHES: tuple[Dash, ...] = ((), DASHED, DOT_DASHED, DOTTED)
"""As many as there are panels side by side: of those no two lines look alike."""


@dataclass(frozen=True, slots=True)
class Colours:
    """How the lines of an optimizer look: the colour of each of its rates, and strokes and gaps."""

    shades: Mapping[float, Colour]
    dash: Dash = ()


def shades(items: Sequence[_Item]) -> dict[_Item, Colour]:
    """Things in an order and their colours, from the coldest to the warmest."""
    return {item: shade(i / max(len(items) - 1, 1)) for i, item in enumerate(items)}


def key_of_colours(heading: str, colours: Mapping[str, Colour], dash: Dash = ()) -> Key:
    """A key of colours by what they stand for."""
    nothing = np.empty(0)
    width = 1.3 if dash else 2.2  # strokes grow with it, and a sample is short
    entries = [
        Entry(name, Line(nothing, nothing, each, width=width, dash=dash)) for name, each in colours.items()
    ]
    return Key(tuple(entries), heading, below=0.04)


def rates_of(cells: Iterable[Cell], optimizer: str) -> list[float]:
    """The rates of an optimizer at all its batch sizes, rising: they share their colours."""
    return sorted({lr for cell in cells if cell.optimizer == optimizer for lr in cell.lrs})


def colours_of_rates(comparison: Comparison) -> dict[str, Colours]:
    """The colours of each optimizer's rates: the same for all of them as long as they can be told apart."""
    cells = comparison.measured
    rates = sorted({lr for cell in cells for lr in cell.lrs})
    names = dict.fromkeys(cell.optimizer for cell in cells)
    if len(rates) <= _SHARED or len(names) == 1:
        return dict.fromkeys(names, Colours(shades(rates)))
    if comparison.budget.readings == 1:  # points, without strokes
        return {name: Colours(shades(rates_of(cells, name))) for name in names}
    return {
        name: Colours(shades(rates_of(cells, name)), _DASHES[i % len(_DASHES)])
        for i, name in enumerate(names)
    }


def keys_of_rates(
    block: Sequence[Cell],
    rows: Sequence[Row],
    colours: Mapping[str, Colours],
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
        looks = colours[names[0]]
        own = {rate_text(lr): looks.shades[lr] for lr in rates if rate_text(lr) in drawn}
        heading = f"{listed(names)}, learning rate" if several else "learning rate"
        if own:
            keys.append(key_of_colours(heading, own, looks.dash))
    return keys
