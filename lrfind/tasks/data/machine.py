"""How much memory may still be taken, as far as the system says."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

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
