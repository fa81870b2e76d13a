"""What a value must satisfy beyond its type: metadata of the field, `Annotated[int, at_least(1)]`.

A bound made by a lambda stands beside the dataclass, not in the annotation, where it would not see the names
of its module. What holds between several fields is said by a method of their dataclass, `problems`.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Bound:
    """What a value must satisfy.

    Attributes:
        message: What is said after the key where it does not, with a place for the value:
            `must be at least 1, got {}.`
        holds: Whether a value satisfies it; not asked of None, which a field has to allow by its type.
    """

    message: str
    holds: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Options:
    """Words to offer for a value whose type does not list them; they are not checked."""

    names: tuple[str, ...]


def offers(*names: str) -> Options:
    """The words that help and completion offer."""
    return Options(names)


def at_least(least: int) -> Bound:
    """The bound of a count."""
    return Bound(f"must be at least {least}, got {{}}.", lambda value: value >= least)


def positive_rate() -> Bound:
    """The bound of a learning rate."""
    return Bound("must be greater than 0 and finite, got {:g}.", lambda value: 0 < value < math.inf)


def samples_or_share() -> Bound:
    """The bound of a number of held-out samples, which is a share of them all where it is below 1."""
    return Bound("must be a share between 0 and 1, or a whole number of samples, got {:g}.", _share_or_count)


def samples_or_null() -> Bound:
    """The same where a field may be null."""
    return Bound(
        "must be a number of samples, a share between 0 and 1, or null for a fifth, got {:g}.",
        _share_or_count,
    )


def problems_of(config: Any, prefix: str = "") -> list[str]:
    """All that is wrong with the values of a config, one sentence or two each.

    What holds between several of them is asked only where each is right by itself.

    `prefix` stands before the name of each key: `range.`. Fields that are dataclasses are gone through as
    well.
    """
    found: list[str] = []
    for name, bounds in bounds_of(type(config)).items():
        value = getattr(config, name)
        key = prefix + key_of(name)
        if dataclasses.is_dataclass(value):
            found += problems_of(value, f"{key}.")
        elif value is not None:
            found += value_problems(key, value, bounds)
    return found or (config.problems() if hasattr(config, "problems") else [])


def key_of(field: str) -> str:
    """The key of a field; one that is a word of Python's, such as from, has an underscore after it."""
    return field.removesuffix("_")


def value_problems(key: str, value: Any, bounds: tuple[Bound, ...]) -> list[str]:
    """What is wrong with a value by itself: the first bound that it does not satisfy."""
    broken = next((bound for bound in bounds if not bound.holds(value)), None)
    return [] if broken is None else [f"{key} {broken.message.format(value)}"]


def bounds_of(schema: type[Any]) -> dict[str, tuple[Bound, ...]]:
    """The bounds of each field of a dataclass, by its name."""
    hints = typing.get_type_hints(schema, include_extras=True)
    return {
        field.name: tuple(
            each for each in getattr(hints[field.name], "__metadata__", ()) if isinstance(each, Bound)
        )
        for field in dataclasses.fields(schema)
    }


def _share_or_count(value: float) -> bool:
    return 0 < value < 1 or (1 <= value < math.inf and value.is_integer())
