"""What the machine has left: memory, shared memory, cores."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch.utils.data import default_collate, get_worker_info

from lrfind.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

_UNKNOWN = 4 << 30
"""Bytes assumed where a system says nothing: what most machines of today can spare."""


def available_bytes() -> int:
    """Bytes of main memory that can be taken without swapping, the container's limit regarded."""
    free = _UNKNOWN
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        if limit != "max":
            free = min(free, int(limit) - used)
    except (OSError, ValueError):
        pass
    return max(free, 0)


def shared_bytes() -> int:
    """Bytes left in /dev/shm, through which workers hand over batches; containers often have 64 MB."""
    try:
        return shutil.disk_usage("/dev/shm").free
    except OSError:
        return _UNKNOWN


def num_cores() -> int:
    """Cores this process may run on, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def require_room(batch_bytes: int, num_workers: int) -> None:
    """Refuses a number of workers, each with a batch of so many bytes under way, that do not fit."""
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


def collated(samples: Any, collate: Callable[[list[Any]], Any] | None = None) -> Any:
    """The batch of samples, as torch's loader makes it, or a function of the user's.

    Raises:
        DataError: This is a worker, and the batches of all workers do not fit; see `require_room`.
    """
    worker = get_worker_info()
    if worker is not None and isinstance(samples, list) and samples:
        require_room(_bytes_in(samples[0]) * len(samples) or 1, worker.num_workers)
    return default_collate(samples) if collate is None else collate(samples)


def _bytes_in(sample: Any) -> int:
    """Bytes of the tensors and arrays in a sample."""
    if isinstance(sample, Mapping):
        return sum(map(_bytes_in, sample.values()))
    if isinstance(sample, (list, tuple)):
        return sum(map(_bytes_in, sample))
    return int(getattr(sample, "nbytes", 0))
