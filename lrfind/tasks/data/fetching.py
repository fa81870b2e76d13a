"""Loaders of a stranger's data, and batches out of them without end."""

from __future__ import annotations

import itertools
import os
import random
import signal
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

from lrfind.interrupts import OF_A_TERMINAL, hide_ended_connections
from lrfind.tasks.data.failures import COLLATOR_RAISED, NOT_STACKED, Failure, failure_of, unwrapped
from lrfind.tasks.data.images import PictureFolder, without_skipped
from lrfind.tasks.data.machine import collated, num_cores, require_room, shared_bytes
from lrfind.tasks.data.sources import Afresh
from lrfind.training.batch import endless

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from lrfind.tasks.data.dataset import Data


Collate = Callable[[list[Any]], Any]
"""Makes a batch of samples."""

_BATCHES_PER_WORKER = 3
"""Batches a worker process has under way at most: two prefetched and one in the making."""


class BatchedMap(Dataset[Any]):
    """A map-style data set that gives collated batches, or a `Failure`, and never raises."""

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
            return failure_of(error, under_way)
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
                break_off = failure_of(error, index)
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
        **_of_workers(num_workers, pin_memory, seed),
    )


def chosen_batches(
    data: Data, chosen: torch.Tensor, batch_size: int, *, skipped: list[str], batches_per_epoch: int
) -> Iterator[Any]:
    """The samples at some indices once, in batches; see `without_skipped` for pictures that are left out."""
    fetch = BatchedMap(data.dataset, data.collate).__getitems__
    fetched = (fetch(index.tolist()) for index in torch.split(chosen, batch_size))
    return without_skipped(unwrapped(fetched, timeout=data.timeout), skipped, data.name, batches_per_epoch)


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
        **_of_workers(num_workers, pin_memory, seed),
    )


def _of_workers(num_workers: int, pin_memory: bool, seed: int) -> dict[str, Any]:
    """What both loaders are told of their worker processes."""
    return {
        "num_workers": num_workers,
        "pin_memory": pin_memory,
        "worker_init_fn": _start_worker if num_workers else None,
        "generator": torch.Generator().manual_seed(seed),
    }


def restarted(
    source: Iterable[Any], *, name: str, hint: str = "", timeout: float | None = None
) -> Generator[Any]:
    """Give the batches of a source, and begin again whenever it ends; see `lrfind.training.batch.endless`."""
    guarded = Afresh(lambda: unwrapped(_begin(source), timeout=timeout))
    return endless(guarded, name=f"data={name}", hint=hint)


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
        return failure_of(error, wording=NOT_STACKED if collate is None else COLLATOR_RAISED)


def _start_worker(worker_id: int) -> None:
    hide_ended_connections()
    # Ctrl-C reaches the whole process group; the main process ends its workers in its own time.
    for number in OF_A_TERMINAL:
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):  # macOS and Windows have none
        # Before there is another thread, so that none takes the signal.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_for_parent, args=(os.getppid(),), daemon=True).start()
    seed = torch.initial_seed()
    random.seed(seed)
    np.random.seed(seed % 2**32)


def _end_for_parent(parent: int) -> None:
    """Ends this worker at a SIGTERM of its parent; one to the whole process group is for the parent alone.

    A worker that went by itself would be a fault of the data to the main process, and may be gone before the
    main process has come to look at its own signal.
    """
    while True:
        sender = signal.sigwaitinfo({signal.SIGTERM}).si_pid
        if sender == parent or os.getppid() != parent:
            os._exit(0)
