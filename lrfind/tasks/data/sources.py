"""What kind of source of batches an object is, how long it is, and one that can be drawn from again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from lrfind.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Source(Enum):
    """How batches are taken out of an object."""

    TENSORS = "gathered by index"
    MAP = "a sample an index"
    STREAM = "samples, one after another"
    LOADER = "batches, as the loader makes them"
    BATCHES = "batches, one after another"


def source_of(obj: object) -> Source:
    """Say how batches are taken out of an object."""
    if isinstance(obj, DataLoader):
        return Source.LOADER
    # A subclass may have a __getitem__ of its own, so only the class itself is gathered.
    if type(obj) is TensorDataset:
        return Source.TENSORS
    if isinstance(obj, IterableDataset):
        return Source.STREAM
    # Text, arrays and tables can be iterated over, but what they give is no batch.
    alien = isinstance(obj, (str, bytes, Mapping, torch.Tensor, type)) or hasattr(obj, "__array__")
    if not alien:
        if isinstance(obj, (list, tuple, deque)):
            return Source.BATCHES
        if hasattr(obj, "__getitem__") and hasattr(obj, "__len__"):
            return Source.MAP
        if isinstance(obj, Iterable) and not isinstance(obj, Dataset):
            return Source.BATCHES
    raise DataError(
        f"data._target_ gave {kind_of(obj)}, which is no data set: it must give a data set with __getitem__ "
        "and __len__, an IterableDataset, a DataLoader or an iterable of batches."
    )


def kind_of(obj: object) -> str:
    """What an object is, for a message that it is none of what it should be."""
    return f"the class {obj.__name__} itself" if isinstance(obj, type) else f"a {type(obj).__name__}"


def length_of(obj: Any) -> int | None:
    """How many items an object says that it has; None where it does not say."""
    try:
        return len(obj)
    except TypeError:
        return None


class Afresh:
    """Batches that are drawn anew each time they are asked for."""

    def __init__(self, draw: Callable[[], Iterator[Any]]) -> None:
        self._draw = draw

    def __iter__(self) -> Iterator[Any]:
        return self._draw()
