"""What a command says at its end, as paragraphs: the suggestion, the verdict, the files."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lrfind.suggestion import Suggestion


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A line of text, which a terminal may break at words.

    Attributes:
        text: The text.
        style: rich's style of it on a terminal.
        styled: How many characters at its start have the style; None: all.
    """

    text: str
    style: str = ""
    styled: int | None = None


def answer_lines(suggestion: Suggestion | None, verdict: str, files: Sequence[Path]) -> list[Paragraph]:
    """The suggestion, the verdict and the files, as every command ends."""
    lines = []
    if suggestion is None:
        # Why is said on stderr, where it is seen whatever becomes of stdout.
        lines.append(Paragraph("No learning rate can be suggested.", "bold red"))
    else:
        between = f"bracket {rate_text(suggestion.low)} to {rate_text(suggestion.high)}"
        found = f"Suggested learning rate: {rate_text(suggestion.lr)} ({between})"
        lines.append(Paragraph(found, "bold green"))
        lines.append(Paragraph(suggestion.reason))
        lines.append(Paragraph(verdict))
    if files:
        lines.append(Paragraph(""))
        lines += [Paragraph(shortest(file), "dim") for file in files]
    return lines


def shortest(path: str | os.PathLike[str]) -> str:
    """The path from the working directory where that is shorter."""
    whole = os.fspath(path)
    with suppress(ValueError):  # another drive
        return min(os.path.relpath(whole), whole, key=len)
    return whole
