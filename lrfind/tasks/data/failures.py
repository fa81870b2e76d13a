"""What goes wrong in a stranger's data, on its way out of a worker process, told as an error in the data."""

from __future__ import annotations

import pickle
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch.utils.data import get_worker_info

from lrfind.errors import DataError, UserError
from lrfind.own_code import own_frames, place_text, raised_text, sample_index
from lrfind.tasks.data.waiting import next_batch
from lrfind.training.step_errors import dead_worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lrfind.own_code import Frame

_WORKERS_TRACEBACK = "Original Traceback"
"""What torch writes into the message of an exception that it carried out of a worker process."""


@dataclass(frozen=True, slots=True)
class Told:
    """How a message about an exception begins, and how it ends."""

    what: str
    remedy: str


DATA_SET_RAISED = Told("data: the data set raised", "Repair the data set, or leave such samples out of it.")
COLLATOR_RAISED = Told(
    "data.collate_fn raised", "It is called with the list of a batch's samples and returns the batch."
)
NOT_STACKED = Told(
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

    Args:
        batches: Where from.
        timeout: Seconds to wait for a batch at most; None: for ever.

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


def failure_of(error: BaseException, sample: int | None = None, told: Told = DATA_SET_RAISED) -> Failure:
    """An exception, ready to travel.

    Args:
        error: The exception.
        sample: The index of the sample that was asked for, where it is known.
        told: Which code of the user's raised it.
    """
    text = "" if get_worker_info() is None else "".join(traceback.format_exception(error))
    own: BaseException | None = error
    try:
        # Exceptions with arguments of their own often pickle well and fail to come back.
        pickle.loads(pickle.dumps(error))
    except Exception:
        own = None
    return Failure(_explained(error, sample, told), own, _frames_of(error), text)


def _frames_of(error: BaseException) -> tuple[Frame, ...]:
    return () if isinstance(error, UserError) else own_frames(error)


def _explained(error: BaseException, sample: int | None = None, told: Told = DATA_SET_RAISED) -> str:
    """What the user is told.

    Args:
        error: What his code raised.
        sample: The index that it was asked for, or how many samples its stream had given, where known.
        told: Which code of his it was.
    """
    if isinstance(error, UserError) and "Traceback" not in str(error):
        return str(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Of a DataLoader with workers of its own the exception is the last line of the text.
    what = lines[-1] if lines and _WORKERS_TRACEBACK in str(error) else raised_text(error)
    at = "" if sample is None else f" at sample {sample}"
    where = place_text(_frames_of(error))
    return f"{told.what} {what.rstrip('.')}{at}{where}. {told.remedy}"
