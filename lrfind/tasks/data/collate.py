"""How samples become batches: by a function of the user's, `data.collate_fn`, or by torch's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from torch.utils.data import IterableDataset

from lrfind.errors import ConfigError, DataError
from lrfind.tasks.instantiate import call, callable_of, function_of

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
    function = make if value.get("_partial_") else call("data", value, make, error=DataError)
    if not callable(function):
        raise DataError(
            f"data.{COLLATE}._target_={value['_target_']} must make a function of a list of samples, and "
            f"made a {type(function).__name__}."
        )
    return function


_REMEDY = (
    'end the function that makes it with .with_format("torch"), or name a collator: data.collate_fn=my.f'
)


def require_tensors(obj: Any) -> None:
    """Refuses a data set of Hugging Face that holds several splits, or lists where torch wants tensors."""
    kind = type(obj)
    if kind.__module__.split(".")[0] != "datasets":
        return
    if isinstance(obj, dict):
        splits = list(obj)
        raise DataError(
            f"data: a {kind.__name__} holds several data sets ({', '.join(map(str, splits[:5]))}): give one "
            f"of them, such as dataset[{splits[0] if splits else 'train'!r}]."
        )
    formatted = obj.format["type"] if hasattr(obj, "format") else getattr(obj, "_formatting", True)
    column = _listed(getattr(obj, "features", None))
    if formatted is None and column is not None:
        raise DataError(
            f"data: the data set of Hugging Face gives column {column} as Python lists, of which torch makes "
            f"no tensors: {_REMEDY}."
        )
    if not hasattr(obj, "__getitem__") and not isinstance(obj, IterableDataset):
        raise DataError(
            f"data: the {kind.__name__} of Hugging Face gives single samples, and not as one of torch's: end "
            'the function that makes it with .with_format("torch").'
        )


def _listed(features: Any) -> str | None:
    """The first column whose values are no plain numbers or texts; None: there is none, or who knows."""
    plain = ("Value", "ClassLabel")
    if not features:
        return None
    return next((name for name, feature in features.items() if type(feature).__name__ not in plain), None)
