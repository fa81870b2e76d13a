"""stdout kept for the results: what anybody else writes to it goes to stderr."""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_STDOUT, _STDERR = 1, 2

_kept: list[TextIO | None] = []
"""The stream for results while stdout leads to stderr."""


def results() -> TextIO | None:
    """The stream that results are written to; None where there is none."""
    return _kept[-1] if _kept else sys.stdout


@contextmanager
def stdout_kept_for_results() -> Iterator[None]:
    """While code of others runs, what it writes to stdout goes to stderr.

    That holds for `print`, for what C code writes and for processes that are started meanwhile: the file
    descriptor itself leads to stderr. What goes to `results()` still arrives.
    """
    if _kept or sys.stdout is None:
        # With stdout closed its descriptor may be that of any file by now.
        yield
        return
    before = sys.stdout
    _flush(before)
    saved = os.dup(_STDOUT) if _is_open(_STDOUT) else None
    own = _number(before) == _STDOUT and saved is not None
    _kept.append(_opened_like(before, saved) if own else before)
    if not own:
        # Somebody put another stream in the place of stdout: a test, a notebook.
        sys.stdout = sys.stderr if sys.stderr is not None else _nowhere()
    if saved is not None:
        _lead_to_stderr()
    try:
        yield
    finally:
        _flush(sys.stdout)
        stream = _kept.pop()
        if stream is not None:
            _flush(stream)
        if saved is not None:
            os.dup2(saved, _STDOUT)
            if own and stream is not None:
                with suppress(OSError, ValueError):
                    stream.close()
            else:
                os.close(saved)
        if not own:
            sys.stdout = before


def end_of_results() -> None:
    """From now on nothing arrives at stdout: code of others may still run while the process ends."""
    if sys.stdout is None or _number(sys.stdout) != _STDOUT:
        return
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        # What is still in the buffer must not turn up on stderr.
        give_up(sys.stdout)
        return
    _flush(None)
    with suppress(OSError):
        _lead_to_stderr()


def flush_all() -> bool:
    """What Python and C still hold back goes where it was meant to go; False where it cannot."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return False
    _flush(None)
    return True


def give_up(stream: TextIO) -> None:
    """Whoever read the stream has gone: what is left of it goes nowhere, and Python says nothing at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def is_device(stream: TextIO) -> bool:
    """Whether it leads to a terminal, even one that has gone, or to another device."""
    try:
        return stat.S_ISCHR(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def _lead_to_stderr() -> None:
    if sys.stderr is not None and _is_open(_STDERR):
        os.dup2(_STDERR, _STDOUT)
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDOUT)
    os.close(nowhere)


def _opened_like(stream: TextIO, number: int | None) -> TextIO:
    assert number is not None
    return os.fdopen(number, "w", encoding=stream.encoding, errors=stream.errors, newline="")


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - for as long as the process lives


def _flush(stream: TextIO | None) -> None:
    """What Python and C still hold back goes where it was meant to go."""
    if stream is not None:
        with suppress(OSError, ValueError):
            stream.flush()
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).fflush(None)


def _number(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
