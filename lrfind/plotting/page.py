"""A page: a title, rows of panels and keys from top to bottom, and where in inches each of them comes to lie.

It is laid out here because matplotlib would have to draw a text to know how long it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from lrfind.plotting.text import text_width, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lrfind.plotting.panel import Named, Panel

WIDTH = 7.2
"""Inches, of every page: a printed page's text width, so that a font size is what it says."""

TITLE_LINE, KEY_LINE = 0.18, 0.17
"""Inches: heights of a line of the title and of a key."""

_TOP, _BOTTOM = 0.1, 0.06
_DASH, _BEHIND_DASH, _BETWEEN = 0.2, 0.06, 0.16
"""Inches: length of a key's sample, gaps between it and its text and between two entries."""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A line of a key: what a layer is; of the layer only the looks count."""

    text: str
    sample: Named
    bold: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """An entry of a key, or the words before it where it has no sample, and where on the page it stands.

    Attributes:
        sample: Left and right end of its sample, in inches.
        text: Left end of its text, in inches.
        middle: Height of its middle above the lower edge, in inches.
    """

    entry: Entry
    sample: tuple[float, float]
    text: float
    middle: float


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """What the lines and points of panels stand for.

    Attributes:
        entries: In the order of reading.
        heading: Words before the first.
        columns: Entries in a row, one below the other, or fewer where they are too long; 0: as many as there
            is room for, one behind the other.
        below: Inches kept free below.
    """

    entries: tuple[Entry, ...]
    heading: str = ""
    columns: int = 0
    below: float = 0.02

    def heading_lines(self, width: float) -> list[str]:
        """The heading where it stands above the entries: one of more than half of so many inches."""
        if text_width(self.heading) <= width / 2:
            return []
        return wrapped(self.heading, int(width / text_width("0")))

    def rows(self, width: float) -> list[list[tuple[float, Entry]]]:
        """The entries in rows of so many inches, each with the inches from the left end of the key."""
        widths = [_DASH + _BEHIND_DASH + text_width(entry.text) + _BETWEEN for entry in self.entries]
        if self.columns:
            starts = self._columns(widths, width)
            count = len(starts)
            placed = [(starts[i % count], entry) for i, entry in enumerate(self.entries)]
            return [placed[i : i + count] for i in range(0, len(placed), count)]
        rows: list[list[tuple[float, Entry]]] = []
        beside = self.heading and not self.heading_lines(width)
        indent = at = text_width(self.heading) + 0.12 if beside else 0.0
        for entry, needed in zip(self.entries, widths, strict=True):
            if not rows or at + needed - _BETWEEN > width:
                rows.append([])
                at = indent
            rows[-1].append((at, entry))
            at += needed
        return rows

    def _columns(self, widths: Sequence[float], width: float) -> list[float]:
        """Where the columns begin: as many as are wanted and have room."""
        for count in range(self.columns, 0, -1):
            each = [max(widths[i::count], default=0.0) + _BETWEEN for i in range(count)]
            if sum(each) - 2 * _BETWEEN <= width:
                break
        return [sum(each[:i]) for i in range(count)]

    def height(self, width: float) -> float:
        """Inches that the key takes where a row may have so many."""
        rows = len(self.heading_lines(width)) + len(self.rows(width))
        return rows * KEY_LINE + self.below if rows else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """Panels side by side.

    Attributes:
        panels: From left to right, all equally high.
        above: Inches for what is written above the frames.
        below: Inches for the text of the horizontal axes.
        gap: Inches between two frames.
    """

    panels: tuple[Panel, ...]
    above: float
    below: float
    gap: float = 0.7

    @property
    def height(self) -> float:
        """Inches from the upper end of what is above the frames to the lower end of what is below."""
        return self.above + max((panel.height for panel in self.panels), default=0.0) + self.below


Box: TypeAlias = tuple[float, float, float, float]
"""Left, lower edge, width and height of a frame, as shares of the page."""


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """A whole picture.

    Attributes:
        title: What is trained on what and how.
        parts: From top to bottom.
        note: What is to be read below the title; may be empty.
        left: Inches before the first panel.
        right: Inches after the last.
    """

    title: str
    parts: tuple[Row | Key, ...]
    note: str = ""
    left: float = 0.62
    right: float = 0.1

    @property
    def title_lines(self) -> list[str]:
        """The title in lines of the page's width."""
        return wrapped(self.title)

    @property
    def note_lines(self) -> list[str]:
        """The note in lines of the page's width."""
        return wrapped(self.note)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        return WIDTH, self._head + sum(height for _, height in self._heights()) + _BOTTOM

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels, row by row."""
        return tuple(panel for part in self.parts if isinstance(part, Row) for panel in part.panels)

    @property
    def frames(self) -> list[tuple[Panel, Box]]:
        """Each panel with its frame."""
        width, height = self.size
        found = []
        for row, top in self._tops():
            if not isinstance(row, Row):
                continue
            left = self.left
            for panel in row.panels:
                left += panel.room
                low = top - row.above - panel.height
                found.append(
                    (panel, (left / width, low / height, panel.width / width, panel.height / height))
                )
                left += panel.width + row.gap
        return found

    @property
    def entries(self) -> list[Placed]:
        """The entries of all keys."""
        found = []
        for key, top in self._tops():
            if isinstance(key, Key):
                for i, row in enumerate(key.rows(self.inside), len(key.heading_lines(self.inside))):
                    middle = top - (i + 0.5) * KEY_LINE
                    for offset, entry in row:
                        left = self.left + offset
                        ends = (left, left + _DASH)
                        found.append(Placed(entry, ends, left + _DASH + _BEHIND_DASH, middle))
        return found

    @property
    def headings(self) -> list[tuple[str, float]]:
        """The lines before or above the entries of keys, and the heights of their middles in inches."""
        found = []
        for key, top in self._tops():
            if isinstance(key, Key) and key.heading:
                lines = key.heading_lines(self.inside) or [key.heading]
                found += [(line, top - (i + 0.5) * KEY_LINE) for i, line in enumerate(lines)]
        return found

    @property
    def inside(self) -> float:
        """Inches between the margins."""
        return WIDTH - self.left - self.right

    @property
    def _head(self) -> float:
        return _TOP + TITLE_LINE * (len(self.title_lines) + len(self.note_lines))

    def _heights(self) -> Iterator[tuple[Row | Key, float]]:
        for part in self.parts:
            yield part, part.height(self.inside) if isinstance(part, Key) else part.height

    def _tops(self) -> Iterator[tuple[Row | Key, float]]:
        """Each part and its upper edge, in inches from below."""
        top = self.size[1] - self._head
        for part, height in self._heights():
            yield part, top
            top -= height


def key_of(panels: Iterable[Panel], *, below: float = 0.02) -> Key:
    """The key of all that is named and to be seen in panels, one entry a name."""
    layers: dict[str, Named] = {}
    for panel in panels:
        for layer in panel.named:
            layers.setdefault(layer.name, layer)
    return Key(tuple(Entry(name, layer) for name, layer in layers.items()), below=below)


def column_width(count: int, gap: float, *, left: float = 0.62, right: float = 0.1) -> float:
    """Inches a panel where so many share the width of a page."""
    return (WIDTH - left - right - (count - 1) * gap) / count
