"""Batches of any make: again and again, on the device, their parts, and how many samples they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from lrfind.errors import BatchError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    import torch


def endless(loader: Iterable[Any], *, name: str = "the loader", hint: str = "") -> Generator[Any]:
    """The batches of a loader, again and again; an epoch shorter than the sweep is normal.

    Raises:
        DataError: It gives no batch, or is an iterator that ended and cannot begin again.
    """
    total = 0
    while True:
        before = total
        for batch in loader:
            total += 1
            yield batch
        if total == 0:
            raise DataError(
                f"{name} gave no batch at all.{hint} Check that it is not empty or used up already."
            )
        if total == before:
            raise DataError(
                f"{name} ended after {total} batches and gave nothing when it was started again. Give a "
                "DataLoader or an iterable that can be iterated over more than once, or ask for fewer steps."
            )


def on_device(batch: Any, device: torch.device) -> Any:
    """The batch with every tensor in it on the device: tuples, lists and mappings recursively.

    An object with a method `to` of its own moves itself; whatever else there is stays as it is.
    """
    if callable(getattr(batch, "to", None)):
        # Behind the computation on CUDA alone: on MPS the source may be gone before it is copied.
        if isinstance(batch, Tensor):
            return batch.to(device, non_blocking=device.type == "cuda")
        return batch.to(device)
    if isinstance(batch, Mapping) and not isinstance(batch, dict):
        batch = dict(batch)  # other mappings have no constructor that could be relied on
    return _rebuilt(batch, lambda item: on_device(item, device))


def own_batch(batch: Any, *, clone: bool) -> Any:
    """The batch in containers of its own, with `clone` of copied tensors, so that it may be taken apart."""
    if isinstance(batch, Tensor):
        return batch.clone() if clone else batch
    if not clone and type(batch) in (tuple, list):  # what batches mostly are, between any two steps
        for item in batch:
            if not isinstance(item, Tensor):
                break
        else:
            return batch if type(batch) is tuple else batch.copy()  # a tuple cannot be taken apart
    return _rebuilt(batch, lambda item: own_batch(item, clone=clone))


def _rebuilt(batch: Any, change: Callable[[Any], Any]) -> Any:
    """The same dict, named tuple, list or tuple, with every item changed; whatever else there is as it is."""
    if isinstance(batch, dict):
        own = batch.copy()  # which keeps what kind of dict it is
        own.update({key: change(item) for key, item in batch.items()})
        return own
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*map(change, batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)(map(change, batch))
    return batch


def tensors_in(batch: Any) -> list[Tensor]:
    """Every tensor in a batch."""
    if isinstance(batch, Tensor):
        return [batch]
    items = (
        batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, (list, tuple)) else ()
    )
    return [tensor for item in items for tensor in tensors_in(item)]


def num_samples(batch: Any) -> int:
    """Number of samples in a batch: the length of the first tensor in it, 1 where there is none."""
    return _first_length(batch) or 1


def _first_length(batch: Any) -> int | None:
    if isinstance(batch, Tensor):
        return len(batch) if batch.ndim else 1
    if isinstance(batch, Mapping):
        batch = list(batch.values())
    if isinstance(batch, (list, tuple)):
        lengths = (_first_length(item) for item in batch)
        return next((length for length in lengths if length is not None), None)
    return None


def inputs_of(batch: Any) -> Any:
    """What the model takes of a batch; of a mapping all of it."""
    # What batches are made of stands first: an abstract class takes ten times as long to tell.
    if isinstance(batch, (tuple, list)) and batch:
        return batch[0]
    if isinstance(batch, Mapping):
        return batch
    if isinstance(batch, Sequence) and not isinstance(batch, (str, bytes)) and batch:
        return batch[0]
    raise BatchError(
        f"data: a batch must be a tuple (inputs, target, ...) or a dict, and is {described(batch)}. Where "
        "the inputs are the target, it is (inputs, inputs)."
    )


def target_of(batch: Any) -> Any:
    """What the criterion takes of a batch; of a mapping all of it."""
    if isinstance(batch, (tuple, list)) and len(batch) > 1:
        return batch[1]
    if isinstance(batch, Mapping):
        return batch
    if isinstance(batch, Sequence) and len(batch) > 1:
        return batch[1]
    raise BatchError(
        f"data: a batch holds no target for the criterion: it is {described(batch)}, and (inputs, target) "
        "was expected; where the inputs are the target, (inputs, inputs). A model that returns its own loss "
        "needs criterion=None."
    )


def described(value: Any) -> str:
    """Shapes and types, for a message."""
    if isinstance(value, Tensor):
        return f"shape {tuple(value.shape)} ({str(value.dtype).removeprefix('torch.')})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {described(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(described(item) for item in value[:6]) + ")"
    return type(value).__name__
