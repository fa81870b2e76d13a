"""A data set, and what a model must know of the data it will meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from lrfind.tasks.data.sources import Source, source_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

OF_THE_MODEL = "its own data"
"""Name of the data that a model of a framework brings."""


@dataclass(frozen=True, slots=True)
class Normalisation:
    """How raw pictures become what a model sees, on the device: `(x * scale - mean) / std`, a channel each.

    A picture of one channel meets as many channels as there are means: grey becomes three equal channels.

    Attributes:
        scale: Factor on the raw values, 1/255 for uint8.
        mean: Mean a channel after scaling.
        std: Standard deviation a channel after scaling.
    """

    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """A data set and what is known of it without training.

    Attributes:
        dataset: A `TensorDataset`, a map-style `Dataset`, an `IterableDataset`, a `DataLoader` or any
            iterable of batches.
        input_shape: Shape of one input as the model sees it, without the batch axis; None where unknown.
        num_outputs: Number of classes, or width of the target of a regression; None where unknown.
        labels: All class labels, shape (samples,), int64; None where the target is no class or is unknown.
        normalisation: Applied to inputs on the device; None where the inputs come ready.
        timeout: Seconds that a batch may take; None: as long as it takes.
        collate: Makes a batch of samples; None: torch's own. Of no effect on a `DataLoader`, an iterable of
            batches and a `TensorDataset`.
    """

    dataset: Any
    name: str
    input_shape: tuple[int, ...] | None = None
    num_outputs: int | None = None
    labels: Tensor | None = None
    normalisation: Normalisation | None = None
    timeout: float | None = None
    collate: Callable[[list[Any]], Any] | None = None


def wrap(obj: object, name: str) -> Data:
    """Make a `Data` of a stranger's object.

    Args:
        obj: A map-style data set (anything with `__getitem__` and `__len__` that is no plain sequence), an
            `IterableDataset`, a `DataLoader`, or any iterable of batches. A `Data` is returned as it is.
        name: What the figure's title calls it.

    Raises:
        DataError: Where it is none of these.
    """
    if isinstance(obj, Data):
        return obj
    source = source_of(obj)
    # A DataLoader keeps what is known of the data on its data set.
    inner = getattr(obj, "dataset", obj) if source is Source.LOADER else obj
    classes = getattr(inner, "classes", None)
    num_outputs = len(classes) if isinstance(classes, (list, tuple, dict)) and classes else None
    if source is not Source.TENSORS:
        return Data(obj, name=name, num_outputs=num_outputs)
    tensors: tuple[Tensor, ...] = obj.tensors  # type: ignore[attr-defined]
    is_class = len(tensors) > 1 and tensors[1].dtype == torch.int64 and tensors[1].ndim == 1
    return Data(
        obj,
        name=name,
        input_shape=tuple(tensors[0].shape[1:]),
        num_outputs=num_outputs,
        labels=tensors[1] if is_class else None,
    )
