"""The screen: results on stdout, everything else on stderr.

Where the stream is a terminal, rich draws the bar and the colours (it obeys NO_COLOR), and lines are broken
at words. Elsewhere a message is one line however long, so that a path can be copied whole and a log searched,
and rich, whose import takes longer than the writing, is not touched.

What is written may name files, classes and records of others, and those hold whatever they like: signs that
steer a terminal, or begin a line of their own, are spelled out here and nowhere else.
"""

from __future__ import annotations

import errno
import linecache
import sys
import textwrap
import traceback
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from lrfind.report.files import output_error
from lrfind.report.formatting import shortest
from lrfind.report.progress import is_terminal
from lrfind.report.streams import give_up, is_device, results
from lrfind.report.table import Paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lrfind.own_code import Frame
    from lrfind.report.table import Table


_quiet: list[bool] = [False]
"""Whether errors alone are written to stderr; the last one counts."""


_warned: list[set[str]] = []
"""What `warn_once` has said, within each `each_warning_once`."""


@contextmanager
def errors_only(wanted: bool) -> Iterator[None]:
    """Where it is wanted, stderr gets errors alone: no progress, no notes, no warnings of anybody's."""
    _quiet.append(wanted or _quiet[-1])
    try:
        with warnings.catch_warnings():
            if wanted:
                warnings.simplefilter("ignore")
            yield
    finally:
        _quiet.pop()


def is_quiet() -> bool:
    """Whether stderr gets errors alone."""
    return _quiet[-1]


def write(text: str) -> None:
    """Writes to stdout exactly `text`; the form for scripts."""
    _write(results(), text)


def error(*paragraphs: str) -> None:
    """Says on stderr what went wrong, as a rule in one paragraph; it appears as it is, brackets and all."""
    _say("lrfind: error: ", *paragraphs, style="bold red")


def traceback_of(error: BaseException) -> None:
    """Writes the traceback of an exception to stderr."""
    with suppress(OSError, ValueError):
        _write(sys.stderr, _spelled_out("".join(traceback.format_exception(error)), lines=True))


def own_code(frames: Sequence[Frame]) -> None:
    """Shows on stderr where the user's own code failed: the innermost frame with the lines around it."""
    with suppress(OSError, ValueError):
        _show(sys.stderr, frame_lines(frames))


def warn(message: str) -> None:
    """Says on stderr what the user should know of, though the run goes on."""
    if not is_quiet():
        _say("lrfind: warning: ", message, style="bold yellow")


@contextmanager
def each_warning_once() -> Iterator[None]:
    """Inside, `warn_once` says what it is given the first time alone, however many jobs and runs give it."""
    _warned.append(set())
    try:
        yield
    finally:
        _warned.pop()


def warn_once(message: str) -> None:
    """Warns of what is true of the task: it is met whenever the task is built, and once more at the end."""
    if _warned and message in _warned[-1]:
        return
    if _warned:
        _warned[-1].add(message)
    warn(message)


def note(message: str) -> None:
    """Says on stderr what is going on."""
    if not is_quiet():
        _say("lrfind: ", message, style="bold")


def show(paragraphs: Sequence[Paragraph | Table]) -> None:
    """Writes paragraphs and tables to stdout."""
    _show(results(), paragraphs)


def _say(prefix: str, message: str, *more: str, style: str) -> None:
    first = Paragraph(prefix + message, style, len(prefix))
    # With stderr gone there is no one left to tell; the exit code still speaks.
    with suppress(OSError, ValueError):
        _show(sys.stderr, [first, *map(Paragraph, more)])


def _show(stream: TextIO | None, paragraphs: Sequence[Paragraph | Table]) -> None:
    if stream is None or not is_terminal(stream):
        lines = _lines(paragraphs, None)
        _write(stream, "".join(f"{_spelled_out(line.text)}\n" for line in lines))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    for paragraph in _lines(paragraphs, console.width):
        text = Text(_wrapped(_spelled_out(paragraph.text), console.width, paragraph.hang))
        # A Text, not a string: in a string rich would take the [/foo] of a message for markup.
        text.stylize(paragraph.style, 0, paragraph.styled)
        console.print(text, soft_wrap=True)


_STEERING = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in (
        *range(0x20),  # with the escape that begins a sequence
        *range(0x7F, 0xA0),  # with the same in one sign
        *(0x061C, 0x200E, 0x200F, 0x2028, 0x2029),
        *range(0x202A, 0x202F),  # which turn the direction of what follows
        *range(0x2066, 0x206A),
        *range(0xDC80, 0xDD00),  # bytes of a file name that is no text
    )
} | {ord("\t"): "\t", ord("\n"): "\\n", ord("\r"): "\\r"}
"""What does something to a terminal, and how it is spelled instead."""


def _spelled_out(text: str, *, lines: bool = False) -> str:
    """A text, which may have `lines` of its own, without what steers a terminal."""
    if lines:
        return "\n".join(line.translate(_STEERING) for line in text.split("\n"))
    return text.translate(_STEERING)


def _lines(paragraphs: Sequence[Paragraph | Table], width: int | None) -> list[Paragraph]:
    """The paragraphs, and those of the tables."""
    return [
        line for each in paragraphs for line in ([each] if isinstance(each, Paragraph) else each.lines(width))
    ]


def _wrapped(text: str, width: int, hang: int = 0) -> str:
    """Broken at spaces only: rich would break a long path, and a path is there to be copied."""
    lines = text.splitlines() or [""]
    if len(text) <= width:
        return "\n".join(lines)
    wrapper = textwrap.TextWrapper(
        width,
        subsequent_indent=" " * hang,
        expand_tabs=False,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(wrapper.fill(line) for line in lines)


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:
        return
    try:
        _write_known(stream, text)
        stream.flush()
    except BrokenPipeError:
        give_up(stream)
    except OSError as error:
        terminal_gone = error.errno == errno.EIO and is_device(stream)
        give_up(stream)
        if not terminal_gone:
            raise output_error("standard output", error) from error


def _write_known(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:
        # A file name that is no text, or a stream that knows ASCII only, must not cost the user the result.
        known = stream.encoding or "ascii"
        stream.write(text.encode(known, "backslashreplace").decode(known))


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
