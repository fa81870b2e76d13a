"""What plain values that were read back must be: types, lengths and ranges, checked before they are used.

A check takes a value and the place it stands at, and raises a ValueError that names the place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Check = Callable[[Any, str], None]

_MOST_ITEMS = 10_000_000
_MOST_TEXT = 100_000


def whole(low: int = 0, high: int = 1 << 53) -> Check:
    """A whole number in a range."""

    def check(value: Any, place: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"{place} is no whole number from {low} to {high}")

    return check


def number(low: float = -math.inf, high: float = math.inf, *, finite: bool = False) -> Check:
    """A number in a range; NaN and infinities where they are not excluded."""

    def check(value: Any, place: str) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{place} is no number")
        known = float(value)
        if (finite and not math.isfinite(known)) or known < low or known > high:
            raise ValueError(f"{place} is out of range")

    return check


def rate(value: Any, place: str) -> None:
    """A learning rate."""
    number(finite=True)(value, place)
    if value <= 0:
        raise ValueError(f"{place} is no learning rate")


def flag(value: Any, place: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{place} is neither true nor false")


def text(value: Any, place: str) -> None:
    """A text that is not endless."""
    if not isinstance(value, str) or len(value) > _MOST_TEXT:
        raise ValueError(f"{place} is no text")


def one_of(*choices: str) -> Check:
    """One of these words."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"{place} is none of {', '.join(choices)}")

    return check


def items(of: Check, least: int = 0, most: int = _MOST_ITEMS) -> Check:
    """A list, every item of which passes."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise ValueError(f"{place} is no list of that length")
        for i, item in enumerate(value):
            of(item, f"{place}[{i}]")

    return check


def columns(*checks: Check) -> Check:
    """A list of as many items, each of its own kind."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, list) or len(value) != len(checks):
            raise ValueError(f"{place} does not have {len(checks)} items")
        for i, (each, item) in enumerate(zip(checks, value, strict=True)):
            each(item, f"{place}[{i}]")

    return check


def fields(**checks: Check) -> Check:
    """A mapping of exactly these keys."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{place} is no mapping")
        for name in checks:
            if name not in value:
                raise ValueError(f"{place}.{name} is missing")
        for name, item in value.items():
            if name not in checks:
                raise ValueError(f"{place} has a key that is not known")
            checks[name](item, f"{place}.{name}")

    return check


def mapping(of: Check) -> Check:
    """A mapping from texts, every value of which passes."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{place} is no mapping")
        for name, item in value.items():
            text(name, place)
            of(item, f"{place}[{name[:40]!r}]")

    return check


def anything(value: Any, place: str) -> None:
    """What is only compared."""
