"""How long a text is, in inches, and in which lines or where it has room."""

from __future__ import annotations

import re
import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING

from lrfind.plotting.panel import FONT_SIZE, Panel

if TYPE_CHECKING:
    from lrfind.plotting.axes import Axis

_CHARACTERS = 84
"""Of a line of a page."""

_NARROW, _WIDE = frozenset(" !'(),.:;I[]fijlrt|"), frozenset("%@GMOQWmw~")


def text_width(text: str, size: float = FONT_SIZE) -> float:
    """About how long a text is, in inches; rather too long than too short."""
    ems = sum(0.4 if each in _NARROW else 0.9 if each in _WIDE else 0.64 for each in text)
    return ems * size / 72


def room_for_labels(y: Axis, usual: float) -> float:
    """Inches that the labels of a vertical axis need beyond so many."""
    return max([usual, *map(text_width, y.tick_labels)]) - usual


def beside_labels(panel: Panel, usual: float) -> Panel:
    """The panel, as much narrower as its labels need beyond so many inches."""
    room = room_for_labels(panel.y, usual)
    return replace(panel, width=panel.width - room, room=panel.room + room)


def held_above(at: float, text: str, width: float) -> float:
    """Where to centre a text above a place, as a share of the panel's width, so that it stays above it."""
    half = min(text_width(text) / width / 2, 0.5)
    return min(max(at, half), 1 - half)


def wrapped(text: str, characters: int = _CHARACTERS) -> list[str]:
    """A text in lines of the page's width, or of so many characters, none a lone last word if it can be."""
    return [part for line in text.splitlines() for part in _lines_of(line, characters)]


def broken(name: str, characters: int) -> list[str]:
    """A name in lines of so many characters, broken behind what joins its parts, as underscores do."""
    lines = [""]
    for part in re.findall(r"[^ _.-]+[ _.-]*|[ _.-]+", name):
        for piece in textwrap.wrap(part, characters, drop_whitespace=False) or [part]:
            if lines[-1] and len(lines[-1] + piece.rstrip()) > characters:
                lines.append("")
            lines[-1] += piece
    return [line.rstrip() for line in lines]


def _lines_of(line: str, characters: int) -> list[str]:
    first = textwrap.wrap(line, characters, break_on_hyphens=False)
    for width in range(characters, 0, -1):
        parts = textwrap.wrap(line, width, break_on_hyphens=False)
        if len(parts) > len(first) or len(parts) == 1:
            break
        if " " in parts[-1]:
            return parts
    return first
