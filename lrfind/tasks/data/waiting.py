"""Waiting for a batch: the user is told of a long wait, and `data.timeout` ends it."""

from __future__ import annotations

import logging
import signal
import threading
from typing import TYPE_CHECKING, Any

from lrfind.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

TOLD_AFTER = 30.0
"""Seconds after which a wait is worth a word."""

_logger = logging.getLogger(__name__)


class TimeUpError(BaseException):
    """The wait is over; no Exception, which a data set that tries again and again would swallow."""


def next_batch(batches: Iterator[Any], timeout: float | None = None) -> Any:
    """The next batch; a wait that is long is told of, and ended where the user has said when.

    A timer of the process interrupts the wait, wherever it is: in a sleep, in a lock, in a queue of workers.
    Where there is none (another thread, another system, a timer of the data set's own) it is just waited.

    Args:
        batches: Where from.
        timeout: Seconds to wait at most; None: for ever.

    Raises:
        StopIteration: There are no more.
        DataError: It took longer than that.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        return next(batches)
    before = signal.getsignal(signal.SIGALRM)
    if before is not signal.SIG_DFL:
        return next(batches)
    first = TOLD_AFTER if timeout is None else min(TOLD_AFTER, timeout)
    left = None if timeout is None else timeout - first

    def ring(number: int, frame: object) -> None:
        nonlocal left
        if left is not None and left <= 0:
            raise TimeUpError
        _logger.warning(
            "the data set has given no batch for %g s. Ctrl-C ends the run, and data.timeout=SECONDS does it "
            "by itself; num_workers=0 shows where the data set hangs.",
            TOLD_AFTER,
        )
        if left is not None:
            signal.setitimer(signal.ITIMER_REAL, left)
            left = 0.0

    signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, first)
        return next(batches)
    except TimeUpError:
        raise DataError(
            f"data: the data set gave no batch within data.timeout={timeout:g} s. Does it wait for a "
            "network, for a lock, or for a worker that has none of what it needs? Give it more time, or "
            "repair it."
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
