"""The JSON record that every command, and every Python function, leaves for programs."""

from __future__ import annotations

import dataclasses
import json
import math
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from importlib import metadata
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from lrfind.version import __version__

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from lrfind.suggestion import Group, Status, Suggestion


SCHEMA_VERSION = 1
"""Version of the JSON record; a key that changes its meaning or goes raises it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a command, or the Python function of the same name, found: all that its record is made of.

    Attributes:
        rules: Every rule's own answer, or None where it has none.
        seed: The seed, or None where none was set.
        device: The device as torch spells it, `cuda:0`.
        config: The whole config, or the arguments of the call: mappings, sequences, numbers, strings, enums,
            paths, dataclasses.
        skipped: Pictures that could not be read.
        own: What the record of this command alone has.
        groups: The optimizer's groups with their rates; none where there is only one.
    """

    command: str
    status: Status
    suggestion: Suggestion | None
    rules: Mapping[str, float | None]
    verdict: str
    steps: int
    seed: int | None
    device: str
    config: object
    notes: Sequence[str] = ()
    skipped: Sequence[str] = ()
    own: Mapping[str, Any] = field(default_factory=dict)
    groups: Sequence[Group] = ()

    @property
    def warnings(self) -> list[str]:
        """What a reader of the numbers should know, each once."""
        skipped = list(dict.fromkeys(self.skipped))
        warnings = list(dict.fromkeys(self.notes))
        if skipped:
            named = ", ".join(skipped[:3]) + (", ..." if len(skipped) > 3 else "")
            warnings.append(f"{len(skipped)} pictures could not be read and were skipped: {named}")
        return warnings


def record(
    found: Findings, *, seconds: float, files: Sequence[str | os.PathLike[str]] = ()
) -> dict[str, Any]:
    """Makes the JSON record of a run, `schema_version` 1 (`record.schema.json`).

    Returns:
        The record in the contract's order of keys, of plain dicts, lists, strings and finite numbers: NaN
        and infinities are None, however deep. `warnings` is left out where there are none.
    """
    content = {
        "schema_version": SCHEMA_VERSION,
        "command": found.command,
        "status": found.status,
        "suggestion": found.suggestion,
        "rules": found.rules,
        "verdict": found.verdict,
        "steps": found.steps,
        "seconds": seconds,
        "seed": found.seed,
        "device": found.device,
        "config": found.config,
        "environment": environment(found.device),
        "files": list(files),
    }
    if found.groups:
        content["groups"] = found.groups
    if found.warnings:
        content["warnings"] = found.warnings
    return {key: plain(value) for key, value in (content | dict(found.own)).items()}


def plain(value: object) -> Any:
    """Turns a value into what JSON can say; NaN and infinities, which it cannot, become None.

    Raises:
        TypeError: The value has no place in a record.
    """
    # An Enum that is also a str must lose its class before the test for str.
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dict(_fields(value))
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays, without importing NumPy
        return plain(value.tolist())
    raise TypeError(f"a record holds no {type(value).__name__}, got {value!r}")


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    for each in dataclasses.fields(value):
        # As the key of a config is spelled: a field has an underscore where the key is a word of Python.
        yield each.name.removesuffix("_"), plain(getattr(value, each.name))


def to_json(content: Mapping[str, Any]) -> str:
    """Spells a record as JSON text: indented, in the order of its keys, ASCII only, a newline at its end."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def environment(device: str = "cpu") -> dict[str, str | int | None]:
    """Collects the record's `environment` without importing any of the packages it names.

    Args:
        device: As torch spells it; of an accelerator other than a GPU of CUDA the processor is named.

    Returns:
        `lrfind`, `torch`, `torchvision`, `python` (versions; None where not installed), `device_name`, and
        `threads` of the processor that torch computes with (None where it was not loaded).
    """
    torch = sys.modules.get("torch")
    name = torch.cuda.get_device_name(device) if torch and device.startswith("cuda") else processor_name()
    return {
        "lrfind": __version__,
        "torch": _installed("torch"),
        "torchvision": _installed("torchvision"),
        "python": platform.python_version(),
        "device_name": name,
        "threads": None if torch is None else torch.get_num_threads(),
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
