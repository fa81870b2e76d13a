"""The frames of a user's own code as a person reads them: file, line, function, and the source there."""

from __future__ import annotations

import linecache
from typing import TYPE_CHECKING

from lrfind.report.formatting import shortest
from lrfind.report.paragraphs import Paragraph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.own_code import Frame

_MOST = 6
"""Frames that are shown; of more the innermost."""

_AROUND = 2
"""Lines of source before the one that failed, and after it."""


def frame_lines(frames: Sequence[Frame]) -> list[Paragraph]:
    """A line a frame with its source, and of the innermost, the last, the lines around it as well."""
    lines: list[Paragraph] = []
    if len(frames) > _MOST:
        lines.append(Paragraph(f"  ... {len(frames) - _MOST} more of your calls", "dim"))
        frames = frames[-_MOST:]
    for frame in frames:
        inside = f", in {frame.function}" if frame.function else ""
        path = frame.file if frame.file.startswith("<") else shortest(frame.file)
        lines.append(Paragraph(f'  File "{path}", line {frame.line}{inside}', "bold"))
        around = _AROUND if frame is frames[-1] else 0
        lines += _source(frame, around)
    return lines


def _source(frame: Frame, around: int) -> list[Paragraph]:
    lines = []
    for number in range(max(1, frame.line - around), frame.line + around + 1):
        source = linecache.getline(frame.file, number).rstrip()
        if not source and number != frame.line:
            continue
        failed = around > 0 and number == frame.line
        lines.append(
            Paragraph(f"  {'>' if failed else ' '} {number:>4} | {source}", "bold red" if failed else "dim")
        )
    return lines
