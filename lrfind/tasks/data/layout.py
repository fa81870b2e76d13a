"""Pictures in the memory format channels_last, which convolutions may run faster on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Mapped:
    """Batches in channels_last, as often as they are asked for."""

    def __init__(self, batches: Iterable[Any]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[Any]:
        return map(channels_last, self._batches)


def channels_last(batch: Any) -> Any:
    """The batch with its pictures, and only them, in channels_last."""
    if isinstance(batch, Tensor):
        return batch.contiguous(memory_format=torch.channels_last) if batch.ndim == 4 else batch
    if isinstance(batch, (list, tuple)) and not hasattr(batch, "_fields"):
        return type(batch)(channels_last(item) for item in batch)
    if type(batch) is dict:
        return {key: channels_last(item) for key, item in batch.items()}
    return batch
