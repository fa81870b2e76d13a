"""Batches of any make: again and again, on the device, and how many samples they hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

from torch import Tensor

from lrfind.errors import DataError

if TYPE_CHECKING:
    import torch

_NOTHING = object()


def endless(loader: Iterable[Any]) -> Iterator[Any]:
    """The batches of a loader, again and again; an epoch shorter than the sweep is normal.

    Raises:
        DataError: The loader gives no batch, or ended and cannot start again.
    """
    seen = 0
    while True:
        iterator = iter(loader)
        first = next(iterator, _NOTHING)
        if first is _NOTHING:
            raise DataError(
                "data: the loader gives no batch; is it empty, or smaller than one batch?"
                if not seen
                else f"data: the batches ended after {seen} and cannot start again; give a loader, "
                "or fewer range.num_steps."
            )
        for batch in chain((first,), iterator):
            seen += 1
            yield batch


def on_device(batch: Any, device: torch.device) -> Any:
    """The batch with every tensor in it on the device, in the same containers."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, Mapping):
        moved = {key: on_device(item, device) for key, item in batch.items()}
        return moved if type(batch) is dict else type(batch)(moved)  # type: ignore[call-arg]
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(on_device(item, device) for item in batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)(on_device(item, device) for item in batch)
    return batch


def num_samples(batch: Any) -> int:
    """Number of samples in a batch: the length of the first tensor found."""
    if isinstance(batch, Tensor):
        return len(batch) if batch.ndim else 1
    if isinstance(batch, Mapping):
        batch = list(batch.values())
    if isinstance(batch, (list, tuple)):
        return next(
            (num_samples(item) for item in batch if isinstance(item, (Tensor, Mapping, list, tuple))), 1
        )
    return 1
