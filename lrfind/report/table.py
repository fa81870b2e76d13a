"""Lines of text and tables on the screen; a table fits 80 columns, 60, or whatever the terminal has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A line of text, which a terminal may break at words.

    Attributes:
        style: rich's style of it on a terminal.
        styled: How many characters at its start have the style; None: all.
        hang: How far the second line and those after it are indented where a terminal breaks the text.
    """

    text: str
    style: str = ""
    styled: int | None = None
    hang: int = 0


_LEAST_WORDS = 16
"""Characters that a last column of words must have to be broken at words."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        words: Whether it holds words, which begin at its left; numbers end at its right.
        rank: The column of the highest rank is left out first where the screen is narrow; 0: it stays.
    """

    head: str
    words: bool = False
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table.

    Attributes:
        chosen: Whether it is the one that the answer is taken from.
        style: rich's style of it on a terminal; None: green where it is chosen.
    """

    cells: Sequence[str]
    chosen: bool = False
    style: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under heads.

    Attributes:
        columns: From left to right. A last one of words may be broken over several lines.
        rows: From top to bottom.
    """

    columns: Sequence[Column]
    rows: Sequence[Row]

    def lines(self, width: int | None = None) -> list[Paragraph]:
        """The table as lines of so many characters; None: of as many as it needs."""
        shown = list(range(len(self.columns)))
        while width is not None and self._need(shown) > width:
            least = max(shown, key=lambda index: self.columns[index].rank)
            if self.columns[least].rank == 0:
                break
            shown.remove(least)
        start = self._start_of_last(shown) if self.columns[shown[-1]].words else 0
        lines = [Paragraph(self._line([column.head for column in self.columns], shown), "bold", hang=start)]
        for row in self.rows:
            style = ("green" if row.chosen else "") if row.style is None else row.style
            lines.append(Paragraph(self._line(row.cells, shown, row.chosen), style, hang=start))
        if len(shown) < len(self.columns):
            absent = ", ".join(each.head for i, each in enumerate(self.columns) if i not in shown)
            lines.append(Paragraph(f"  (too narrow for: {absent})", "dim"))
        return lines

    def _width(self, index: int) -> int:
        return max(len(self.columns[index].head), *(len(row.cells[index]) for row in self.rows), 0)

    def _start_of_last(self, shown: Sequence[int]) -> int:
        return 2 + sum(self._width(index) + 2 for index in shown[:-1])

    def _need(self, shown: Sequence[int]) -> int:
        last = self._width(shown[-1])
        if self.columns[shown[-1]].words:
            last = min(last, _LEAST_WORDS)
        return self._start_of_last(shown) + last

    def _line(self, cells: Sequence[str], shown: Sequence[int], chosen: bool = False) -> str:
        parts = [
            f"{cells[index]:<{self._width(index)}}"
            if self.columns[index].words
            else f"{cells[index]:>{self._width(index)}}"
            for index in shown
        ]
        return f"{'*' if chosen else ' '} {'  '.join(parts)}".rstrip()
