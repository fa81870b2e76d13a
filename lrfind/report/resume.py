"""Whether a run that was cut off and the one that is to go on with it are the same experiment."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from lrfind.report.record import plain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping


def comparable(config: Any, *, free: Collection[str]) -> dict[str, Any]:
    """A config as dotted keys and plain values.

    Args:
        config: A dataclass.
        free: Dotted keys that a run may go on with otherwise than it began; they are left out.
    """
    flat = _flat(plain(dataclasses.asdict(config)), "")
    return {key: value for key, value in flat if key not in free}


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What differs between the config there and the one here, a clause each."""
    missing = object()
    return [
        f"{key} was {one.get(key)} there and is {other.get(key)} here"
        for key in sorted({*one, *other})
        if one.get(key, missing) != other.get(key, missing)
    ]


def _flat(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
