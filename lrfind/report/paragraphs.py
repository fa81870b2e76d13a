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

    from lrfind.suggestion import Group, Suggestion


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


def answer_lines(
    suggestion: Suggestion | None,
    verdict: str,
    files: Sequence[Path],
    groups: Sequence[Group] = (),
    *,
    purpose: str = "",
    more: Sequence[str] = (),
) -> list[Paragraph]:
    """The suggestion, the rates of the groups, the verdict and the files, as every command ends.

    Args:
        suggestion: Or None where there is none.
        verdict: What was measured, in words.
        files: Paths of the files.
        groups: The optimizer's groups with their rates.
        purpose: What the suggestion is for, where that is not as usual: ` for 2,000 steps`.
        more: What is said after the verdict.
    """
    lines = []
    if suggestion is None:
        # Why is said on stderr, where it is seen whatever becomes of stdout.
        lines.append(Paragraph("No learning rate can be suggested.", "bold red"))
    else:
        between = f"bracket {rate_text(suggestion.low)} to {rate_text(suggestion.high)}"
        found = f"Suggested learning rate{purpose}: {rate_text(suggestion.lr)} ({between})"
        lines.append(Paragraph(found, "bold green"))
        lines += group_lines(groups)
        lines.append(Paragraph(suggestion.reason))
        lines += [Paragraph(text) for text in (verdict, *more)]
    if files:
        lines.append(Paragraph(""))
        lines += [Paragraph(shortest(file), "dim") for file in files]
    return lines


def group_lines(groups: Sequence[Group]) -> list[Paragraph]:
    """A line a group: its rate, the ratio to the fastest as it was given, its size and what is in it."""
    if not groups:
        return []
    width = max(len("group"), *(len(group.name) for group in groups))
    lines = [Paragraph(f"  {'group':{width}}  {'lr':>8}  {'ratio':>7}  {'parameters':>10}", "bold")]
    for group in groups:
        lr = "none" if group.lr is None else rate_text(group.lr)
        told = f"  {group.name:{width}}  {lr:>8}  {group.ratio:>7.3g}  {group.parameters:>10,}"
        lines.append(Paragraph(told if group.prefix in (None, group.name) else f"{told}  {group.prefix}"))
    return lines


def shortest(path: str | os.PathLike[str]) -> str:
    """The path from the working directory where that is shorter."""
    whole = os.fspath(path)
    with suppress(ValueError):  # another drive
        return min(os.path.relpath(whole), whole, key=len)
    return whole
