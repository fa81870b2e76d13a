"""What a command says at its end: the answer, then what it was read from, then the files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfind.report.formatting import shortest
from lrfind.report.table import Column, Paragraph, Row, Table
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lrfind.suggestion import Group, Suggestion

    Lines = list[Paragraph | Table]

NEARLY_AS_WELL = "rates that should do nearly as well"
"""What most brackets hold."""


def answer_lines(
    suggestion: Suggestion | None,
    verdict: str,
    files: Sequence[Path],
    groups: Sequence[Group] = (),
    *,
    purpose: str = "",
    bracket: str = NEARLY_AS_WELL,
    between: str = "",
    more: Sequence[str] = (),
    details: Sequence[Paragraph | Table] = (),
) -> Lines:
    """The suggestion, the rates of the groups, the verdict, the details and the files.

    `purpose` says what the suggestion is for, where that is not as usual: ` for 2,000 steps`; `bracket` what
    its bracket holds; `between` its ends, where they are more than two rates: `0.1 to >0.4`; `more` is said
    after the verdict; `details` is what the answer was read from.
    """
    lines: Lines = []
    if suggestion is None:
        # Why is said on stderr, where it is seen whatever becomes of stdout.
        lines.append(Paragraph("No learning rate can be suggested.", "bold red"))
    else:
        between = between or f"{rate_text(suggestion.low)} to {rate_text(suggestion.high)}"
        held = "no bracket" if suggestion.low == suggestion.high else f"bracket {between}: {bracket}"
        found = f"Suggested learning rate{purpose}: {rate_text(suggestion.lr)}"
        lines.append(Paragraph(f"{found} ({held})", "bold green", len(found)))
        if groups:
            lines.append(group_table(groups))
        lines += [Paragraph(text) for text in (suggestion.reason, verdict, *more)]
    if details:
        lines += [Paragraph(""), *details]
    return lines + file_lines(files)


def file_lines(files: Sequence[Path]) -> Lines:
    """The files, after a line of space."""
    return [Paragraph(""), *(Paragraph(shortest(file), "dim") for file in files)] if files else []


def group_table(groups: Sequence[Group]) -> Table:
    """A line a group: its rate, the ratio to the fastest as it was given, its size and what is in it."""
    columns = [Column("group", words=True), Column("lr"), Column("ratio"), Column("parameters", rank=1)]
    rows = [
        [
            group.name,
            "none" if group.lr is None else rate_text(group.lr),
            f"{group.ratio:.3g}",
            f"{group.parameters:,}",
        ]
        for group in groups
    ]
    prefixes = ["" if group.prefix in (None, group.name) else str(group.prefix) for group in groups]
    if any(prefixes):
        columns.append(Column("holds", words=True))
        rows = [[*row, prefix] for row, prefix in zip(rows, prefixes, strict=True)]
    return Table(columns, [Row(row) for row in rows])
