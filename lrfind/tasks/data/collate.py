"""`data.collate_fn`: how the user puts samples together to a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from lrfind.errors import ConfigError, DataError
from lrfind.tasks.instantiate import callable_of, called, function_of

if TYPE_CHECKING:
    from collections.abc import Callable

COLLATE = "collate_fn"
"""Key of the data group that is ours, unless a class of the user's takes an argument of that name."""


def collate_of(value: Any, trust: list[str]) -> Callable[[list[Any]], Any] | None:
    """The function that a value of `data.collate_fn` names.

    Args:
        value: A dotted name, which is the function itself; or a group with a `_target_`, which is called once
            and makes it (`_partial_: true` binds arguments instead); None for none.
        trust: Packages the user trusts.

    Raises:
        UserError: It names none.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return cast("Callable[[list[Any]], Any]", function_of(f"data.{COLLATE}", "data", value, trust))
    if not (isinstance(value, dict) and "_target_" in value):
        raise ConfigError(
            f"data.{COLLATE} must be the dotted name of a function, or a group with a _target_ that makes "
            f"one, got {value!r}."
        )
    make = callable_of("data", value, trust)
    function = make if value.get("_partial_") else called("data", value, make, error=DataError)
    if not callable(function):
        raise DataError(
            f"data.{COLLATE}._target_={value['_target_']} must make a function of a list of samples, and "
            f"made a {type(function).__name__}."
        )
    return function
