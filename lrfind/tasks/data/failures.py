"""What goes wrong in a stranger's data, in a worker too, and waits that are too long, told as its errors."""

from __future__ import annotations

import logging
import pickle
import signal
import threading
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch.utils.data import get_worker_info

from lrfind.errors import DataError, UserError
from lrfind.own_code import own_frames, place_text, raised_text, sample_index
from lrfind.training.step_errors import dead_worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lrfind.own_code import Frame

_WORKERS_TRACEBACK = "Original Traceback"
"""What torch writes into the message of an exception that it carried out of a worker process."""


@dataclass(frozen=True, slots=True)
class Wording:
    """How a message about an exception begins, and how it ends."""

    what: str
    remedy: str


DATA_SET_RAISED = Wording(
    "data: the data set raised", "Repair the data set, or leave such samples out of it."
)
COLLATOR_RAISED = Wording(
    "data.collate_fn raised", "It is called with the list of a batch's samples and returns the batch."
)
NOT_STACKED = Wording(
    "data: samples of the data set cannot be put together as a batch:",
    "Give data.collate_fn a function that does, such as one that pads them (data.collate_fn=mymodule.pad).",
)


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception on its way out of a worker process, in which it would only survive as a traceback in text.

    Attributes:
        message: What the user is told.
        error: The exception itself, where it can travel.
        frames: Where the user's own code raised it.
        text: Its traceback, which would not survive otherwise; empty in the main process.
    """

    message: str
    error: BaseException | None
    frames: tuple[Frame, ...] = ()
    text: str = ""

    def raised(self) -> DataError:
        """What the main process raises, with the exception as its cause, and the text as that of it."""
        told = DataError(self.message, frames=self.frames)
        told.__cause__ = self.error
        if self.text:
            (self.error or told).__cause__ = WorkersTraceback(f"in a worker process:\n{self.text}")
        return told


class WorkersTraceback(Exception):  # noqa: N818 - no error: the cause of one that travelled
    """The traceback of an exception in a worker process, as text."""


def unwrapped(batches: Iterator[Any], *, timeout: float | None = None) -> Iterator[Any]:
    """Pass batches on; raise what a `Failure` holds, and every exception, as a `DataError` with its cause.

    Raises:
        DataError: With the type and the message of the stranger's exception, in one paragraph.
    """
    while True:
        try:
            batch = next_batch(batches, timeout)
        except StopIteration:
            return
        except (Exception, GeneratorExit) as error:
            del batches
            if isinstance(error, DataError):
                raise
            dead = dead_worker(error)
            if dead is not None:
                raise dead from error
            told = DataError(_explained(error, sample_index(error)), frames=_frames_of(error))
            if _WORKERS_TRACEBACK in str(error):
                # The text tells where it happened; the frames here would only keep the loader.
                error.__traceback__ = None
            raise told from error
        if isinstance(batch, Failure):
            # A loader still held by this frame, and so by the traceback, takes five seconds to end workers
            # once the garbage collector finds it.
            del batches
            raise batch.raised()
        yield batch


def failure_of(
    error: BaseException, sample: int | None = None, wording: Wording = DATA_SET_RAISED
) -> Failure:
    """An exception, ready to travel; `sample` is the index that was asked for, where it is known."""
    text = "" if get_worker_info() is None else "".join(traceback.format_exception(error))
    own: BaseException | None = error
    try:
        # Exceptions with arguments of their own often pickle well and fail to come back.
        pickle.loads(pickle.dumps(error))
    except Exception:
        own = None
    return Failure(_explained(error, sample, wording), own, _frames_of(error), text)


def _frames_of(error: BaseException) -> tuple[Frame, ...]:
    return () if isinstance(error, UserError) else own_frames(error)


def _explained(error: BaseException, sample: int | None = None, wording: Wording = DATA_SET_RAISED) -> str:
    """What the user is told."""
    if isinstance(error, UserError) and "Traceback" not in str(error):
        return str(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Of a DataLoader with workers of its own the exception is the last line of the text.
    what = lines[-1] if lines and _WORKERS_TRACEBACK in str(error) else raised_text(error)
    at = "" if sample is None else f" at sample {sample}"
    where = place_text(_frames_of(error))
    return f"{wording.what} {what.rstrip('.')}{at}{where}. {wording.remedy}"


TOLD_AFTER = 30.0
"""Seconds after which a wait is worth a word."""

_logger = logging.getLogger(__name__)


class TimeUpError(BaseException):
    """The wait is over; no Exception, which a data set that tries again and again would swallow."""


def next_batch(batches: Iterator[Any], timeout: float | None = None) -> Any:
    """The next batch; a wait that is long is told of, and ended where the user has said when.

    A timer of the process interrupts the wait, wherever it is: in a sleep, in a lock, in a queue of workers.
    Where there is none (another thread, another system, a timer of the data set's own) it is just waited.

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
