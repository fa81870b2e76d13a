"""A line of text on the screen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A line of text, which a terminal may break at words.

    Attributes:
        text: The text.
        style: rich's style of it on a terminal.
        styled: How many characters at its start have the style; None: all.
        hang: How far the second line and those after it are indented where a terminal breaks the text.
    """

    text: str
    style: str = ""
    styled: int | None = None
    hang: int = 0
