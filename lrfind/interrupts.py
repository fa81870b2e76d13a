"""Ctrl-C held back while something must not be left half done, and no word of a connection that it ends."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Inside, Ctrl-C, SIGTERM and SIGHUP wait until the end. In other threads they do not arrive anyway."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before: dict[int, Any] = {
        number: signal.signal(number, lambda number, frame: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
        if callable(signal.getsignal(number))
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in dict.fromkeys(came):
            signal.raise_signal(number)


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
