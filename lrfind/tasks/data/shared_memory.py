"""The memory that worker processes hand batches over in: whether there is room for them.

Containers often have 64 MB of it. A worker that finds it full is killed by the system, or its batch is lost
and the main process waits for it without end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch.utils.data import default_collate, get_worker_info

from lrfind.errors import DataError
from lrfind.tasks.data.machine import shared_bytes


def require_room(batch_bytes: int, num_workers: int) -> None:
    """Refuses a number of workers whose batches do not fit.

    Args:
        batch_bytes: Bytes of a batch.
        num_workers: Number of workers, each of which has a batch under way.

    Raises:
        DataError: They do not fit; the message says how many would.
    """
    free = shared_bytes()
    if batch_bytes * num_workers <= free:
        return
    fit = free // batch_bytes
    instead = f"num_workers={fit}" if fit else "num_workers=0"
    raise DataError(
        f"num_workers={num_workers}: batches of {batch_bytes / 2**20:.1f} MiB do not fit into the "
        f"{free / 2**20:.1f} MiB that are free in /dev/shm, where workers hand them over. Use {instead}, a "
        "smaller batch_size, or give the container more of it (docker run --shm-size=8g)."
    )


def collated(samples: Any) -> Any:
    """The batch of samples, as torch's loader makes it.

    Raises:
        DataError: This is a worker, and the batches of all workers do not fit; see `require_room`.
    """
    worker = get_worker_info()
    if worker is not None and isinstance(samples, list) and samples:
        require_room(_bytes_in(samples[0]) * len(samples) or 1, worker.num_workers)
    return default_collate(samples)


def _bytes_in(sample: Any) -> int:
    """Bytes of the tensors and arrays in a sample."""
    if isinstance(sample, Mapping):
        return sum(map(_bytes_in, sample.values()))
    if isinstance(sample, (list, tuple)):
        return sum(map(_bytes_in, sample))
    return int(getattr(sample, "nbytes", 0))
