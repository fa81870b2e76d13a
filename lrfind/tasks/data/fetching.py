"""Batches out of a stranger's data, with whatever goes wrong there told as an error in the data."""

from __future__ import annotations

import itertools
import pickle
import random
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

from lrfind.errors import DataError, UserError
from lrfind.own_code import own_frames, place_text, raised_text, sample_index
from lrfind.tasks.data.images import PictureFolder
from lrfind.tasks.data.machine import collated, num_cores, require_room, shared_bytes
from lrfind.tasks.data.waiting import next_batch
from lrfind.training.batch import endless
from lrfind.training.step_errors import dead_worker

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from lrfind.own_code import Frame


Collate = Callable[[list[Any]], Any]
"""Makes a batch of samples."""

_BATCHES_PER_WORKER = 3
"""Batches a worker process has under way at most: two prefetched and one in the making."""


_WORKERS_TRACEBACK = "Original Traceback"
"""What torch writes into the message of an exception that it carried out of a worker process."""


@dataclass(frozen=True, slots=True)
class _Told:
    """How a message about an exception begins, and how it ends."""

    what: str
    remedy: str


_DATA_SET_RAISED = _Told("data: the data set raised", "Repair the data set, or leave such samples out of it.")
_COLLATOR_RAISED = _Told(
    "data.collate_fn raised", "It is called with the list of a batch's samples and returns the batch."
)
_NOT_STACKED = _Told(
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


class BatchedMap(Dataset[Any]):
    """A map-style data set that gives collated batches, or a `Failure`, and never raises.

    Args:
        dataset: Where samples come from.
        collate: Makes a batch of them; None: torch's own.
    """

    def __init__(self, dataset: Any, collate: Collate | None = None) -> None:
        self.dataset = dataset
        self._collate = collate

    def __getitems__(self, indices: list[int]) -> Any:
        """The batch of these samples."""
        under_way = None
        try:
            if isinstance(self.dataset, PictureFolder):
                return self.dataset.__getitems__(indices)
            if callable(getattr(self.dataset, "__getitems__", None)):
                samples = self.dataset.__getitems__(indices)
            else:
                samples = []
                for under_way in indices:
                    samples.append(self.dataset[under_way])
        except (Exception, GeneratorExit) as error:
            return _failure(error, under_way)
        return _batch_of(samples, self._collate)


class GuardedStream(IterableDataset[Any]):
    """A stream of samples that ends with a `Failure` where the stranger's stream raises."""

    def __init__(self, dataset: Iterable[Any]) -> None:
        self.dataset = dataset

    def __iter__(self) -> Iterator[Any]:
        samples = _begin(self.dataset)
        for index in itertools.count():
            try:
                sample = next(samples)
            except StopIteration:
                return
            # Whoever closes this generator does so at a yield, outside of this.
            except (Exception, GeneratorExit) as error:
                break_off = _failure(error, index)
                break
            yield sample
        while True:
            # Again and again, since an incomplete batch would be dropped with the failure in it.
            yield break_off


def map_loader(
    dataset: Any,
    indices: Iterable[list[int]],
    *,
    collate: Collate | None = None,
    batch_size: int,
    seed: int,
    num_workers: int,
    pin_memory: bool,
) -> DataLoader[Any]:
    """Make a loader of the batches at `indices`, which may go on for ever: workers then know no epochs.

    Raises:
        DataError: The batches that workers have under way do not fit into the memory they hand them over in.
    """
    if num_workers and isinstance(dataset, PictureFolder):
        require_room(batch_size * dataset.bytes_per_picture, num_workers)
    return DataLoader(
        BatchedMap(dataset, collate),
        batch_sampler=indices,
        collate_fn=_as_it_is,
        num_workers=num_workers,
        pin_memory=pin_memory,
        worker_init_fn=_start_worker if num_workers else None,
        generator=torch.Generator().manual_seed(seed),
    )


def stream_loader(
    dataset: Iterable[Any],
    *,
    collate: Collate | None = None,
    batch_size: int,
    seed: int,
    num_workers: int,
    pin_memory: bool,
) -> DataLoader[Any]:
    """Make a loader of one pass through an `IterableDataset`, without the last incomplete batch."""
    return DataLoader(
        GuardedStream(dataset),
        batch_size=batch_size,
        drop_last=True,
        collate_fn=partial(_collated_stream, collate),
        num_workers=num_workers,
        pin_memory=pin_memory,
        worker_init_fn=_start_worker if num_workers else None,
        generator=torch.Generator().manual_seed(seed),
    )


def restarted(
    source: Iterable[Any], *, name: str, hint: str = "", timeout: float | None = None
) -> Generator[Any]:
    """Give the batches of a source, and begin again whenever it ends; see `lrfind.training.batch.endless`.

    Raises:
        DataError: Where it gives no batch, raises, or is an iterator that ended and cannot begin again.
    """
    return endless(_Guarded(source, timeout), name=f"data={name}", hint=hint)


class _Guarded:
    """A source of batches whose exceptions come as `DataError`."""

    def __init__(self, source: Iterable[Any], timeout: float | None) -> None:
        self._source = source
        self._timeout = timeout

    def __iter__(self) -> Iterator[Any]:
        return unwrapped(_begin(self._source), timeout=self._timeout)


def suitable_workers(dataset: Any, *, batch_size: int, device: torch.device) -> int:
    """Number of worker processes for a map-style data set, where the user gives none."""
    cores = num_cores()
    if not isinstance(dataset, PictureFolder):
        return min(4, cores) if device.type == "cuda" else 0
    # On the CPU the training itself wants the cores; on a device there is little else for them to do.
    wanted = min(16, cores) if device.type == "cuda" else min(4, cores // 2)
    under_way = _BATCHES_PER_WORKER * batch_size * dataset.bytes_per_picture
    return min(wanted, int(0.8 * shared_bytes()) // under_way)


def _begin(source: Iterable[Any]) -> Iterator[Any]:
    # Inside a generator, so that an exception out of __iter__ meets the same guard as one out of __next__.
    yield from source


def _as_it_is(batch: Any) -> Any:
    return batch


def _collated_stream(collate: Collate | None, samples: list[Any]) -> Any:
    for sample in samples:
        if isinstance(sample, Failure):
            return sample
    return _batch_of(samples, collate)


def _batch_of(samples: list[Any], collate: Collate | None) -> Any:
    try:
        return collated(samples, collate)
    except (Exception, GeneratorExit) as error:
        return _failure(error, told=_NOT_STACKED if collate is None else _COLLATOR_RAISED)


def _start_worker(worker_id: int) -> None:
    # Ctrl-C reaches the whole process group; the main process ends its workers in its own time.
    for number in (signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT)):
        signal.signal(number, signal.SIG_IGN)
    seed = torch.initial_seed()
    random.seed(seed)
    np.random.seed(seed % 2**32)


def _failure(error: BaseException, sample: int | None = None, told: _Told = _DATA_SET_RAISED) -> Failure:
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


def _explained(error: BaseException, sample: int | None = None, told: _Told = _DATA_SET_RAISED) -> str:
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
