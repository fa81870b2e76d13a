"""What the numbers were made with: versions and the device's name."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

from lrfind.version import __version__


def environment(device_name: str | None = None) -> dict[str, str | None]:
    """Collects the record's `environment` without importing any of the packages it names.

    Args:
        device_name: What the accelerator calls itself; None is the processor, whose name is looked up.

    Returns:
        `lrfind`, `torch`, `torchvision`, `python` (versions; None where not installed), `device_name`.
    """
    return {
        "lrfind": __version__,
        "torch": _installed("torch"),
        "torchvision": _installed("torchvision"),
        "python": platform.python_version(),
        "device_name": processor_name() if device_name is None else device_name,
    }


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def processor_name() -> str:
    """Names the processor as its maker does where the system tells (Linux), or else its architecture."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as stream:
            for line in stream:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    # platform.processor() would start a process on some systems.
    return platform.machine() or "unknown"
