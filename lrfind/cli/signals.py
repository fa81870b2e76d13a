"""Signals that end a run as Ctrl-C does, so that what was measured is written."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lrfind.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator


class Terminated(KeyboardInterrupt):
    """A signal that is treated as an interrupt."""


_CODES = {"SIGTERM": ExitCode.TERMINATED, "SIGHUP": ExitCode.HUNG_UP}


@contextmanager
def signals_as_interrupts() -> Iterator[list[ExitCode]]:
    """SIGTERM and SIGHUP raise `Terminated`; the list it yields holds the exit code of each that came.

    A terminal that goes sends SIGHUP, often more than once: what comes after the first signal of any kind is
    no wish to end still sooner, and is not raised. Where SIGHUP is ignored, as under nohup, it stays so.
    """
    came: list[ExitCode] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return

    def handle(number: int, frame: object) -> None:
        again = bool(came)
        name = signal.Signals(number).name
        came.append(_CODES[name])
        if not (again and name == "SIGHUP"):
            raise Terminated

    before = {}
    for name in _CODES:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and (name == "SIGTERM" or signal.getsignal(number) is not signal.SIG_IGN):
            before[number] = signal.signal(number, handle)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
