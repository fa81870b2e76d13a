"""Signals: Ctrl-C held back while something must not be left half done, and others that count as one."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


OF_A_TERMINAL = {signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT)}
"""Signals that a terminal sends to every process started from it; Windows has no SIGHUP."""

ENDING = {*OF_A_TERMINAL, signal.SIGTERM}
"""Signals that ask a process to end."""


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Inside, Ctrl-C, SIGTERM and SIGHUP wait until the end. In other threads they do not arrive anyway."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before: dict[int, Any] = {
        number: signal.signal(number, lambda number, frame: came.append(number))
        for number in ENDING
        if callable(signal.getsignal(number))
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in dict.fromkeys(came):
            signal.raise_signal(number)


class Terminated(KeyboardInterrupt):
    """A signal that is treated as an interrupt."""


@contextmanager
def signals_as_interrupts() -> Iterator[list[int]]:
    """SIGTERM and SIGHUP raise `Terminated`; the list it yields holds the number of each that came.

    A terminal that goes sends SIGHUP, often more than once: what comes after the first signal of any kind is
    no wish to end still sooner, and is not raised. Where SIGHUP is ignored, as under nohup, it stays so.
    Processes forked inside, such as those of a loader that nobody but the user knows of, have its excepthook.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return

    def handle(number: int, frame: object) -> None:
        again = bool(came)
        came.append(number)
        if hasattr(signal, "SIGCHLD"):
            # Torch's handler raises wherever the process is, and of a worker that reads data and got the
            # same signal there is nothing to tell. With no handler at all Python prints of the signal of a
            # worker that came together with this one.
            signal.signal(signal.SIGCHLD, lambda *_: None)
        if not again or number == signal.SIGTERM:
            raise Terminated

    shown, before = sys.excepthook, {}
    hide_ended_connections()
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and (name == "SIGTERM" or signal.getsignal(number) is not signal.SIG_IGN):
            before[number] = signal.signal(number, handle)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.excepthook = shown


def hide_ended_connections() -> None:
    """Keeps this process, and those forked from it, from telling that who was to take a tensor has gone.

    A worker process hands its tensors over in a thread of `multiprocessing`. A signal raises in the main
    process wherever that is, in the midst of taking one, too; the thread then shows a traceback on stderr,
    of a connection at whose other end there is nobody any more. Every other exception is shown as before.
    """
    before = sys.excepthook

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        of = "" if trace is None else trace.tb_frame.f_globals.get("__name__")
        if of == "multiprocessing.resource_sharer" and isinstance(error, (EOFError, ConnectionError)):
            return
        before(kind, error, trace)

    sys.excepthook = show
