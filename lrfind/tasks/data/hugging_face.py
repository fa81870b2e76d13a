"""Data sets of Hugging Face's package datasets, which give Python's lists unless they are told otherwise."""

from __future__ import annotations

from typing import Any

from torch.utils.data import IterableDataset

from lrfind.errors import DataError

_REMEDY = (
    'end the function that makes it with .with_format("torch"), or name a collator: data.collate_fn=my.f'
)


def require_tensors(obj: Any) -> None:
    """Refuses a data set of Hugging Face whose samples torch cannot put together as batches.

    Args:
        obj: Anything; what is not theirs passes.

    Raises:
        DataError: It holds several splits, or gives lists where tensors are wanted.
    """
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
