"""Batches on their way to the device: moved whole, copied ahead, normalised, in their memory format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lrfind.errors import UserError
from lrfind.training.batch import on_device

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lrfind.tasks.data.dataset import Normalisation


def normaliser(normalisation: Normalisation | None, device: torch.device) -> Callable[[Any], Any]:
    """Make the function that turns the pictures of a batch on the device into what a model sees.

    The function takes `(images, target, ...)`, images of shape (batch, channels, height, width), and gives a
    tuple with images as float32, `x * scale / std - mean / std`, contiguous.

    Without a normalisation it returns the batch as it is.
    """
    if normalisation is None:
        return lambda batch: batch
    mean = torch.tensor(normalisation.mean, dtype=torch.float32).view(-1, 1, 1)
    std = torch.tensor(normalisation.std, dtype=torch.float32).view(-1, 1, 1)
    bias = (-mean / std).to(device)
    factor = (normalisation.scale / std).to(device)
    if bool((std == std[0]).all()):
        alpha = normalisation.scale / normalisation.std[0]
        # One operation from bytes to floats; a float factor costs a third of a conversion and two more.
        return lambda batch: (torch.add(bias, batch[0], alpha=alpha).contiguous(), *batch[1:])

    def per_channel(batch: Any) -> Any:
        images = batch[0].to(torch.float32, memory_format=torch.contiguous_format)
        # In place where the channels agree; grey pictures are spread over several by broadcasting.
        if images.shape[1] == len(factor):
            return (images.mul_(factor).add_(bias), *batch[1:])
        return (torch.addcmul(bias, images, factor), *batch[1:])

    return per_channel


def copied_ahead(batches: Iterator[Any], device: torch.device) -> Iterator[Any]:
    """Copy the next batch to a CUDA device on a stream of its own while the device works on this one.

    A failure to get the next batch is raised only once that batch is asked for.
    """
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    failure: UserError | None = None

    def start() -> Any:
        batch = next(batches)
        # Memory that a batch leaves behind is given to a later copy: that copy must wait for the steps so
        # far, which may still read it. The step in between, not given to the device yet, hides the copy.
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            return on_device(batch, device)

    ahead = start()
    while True:
        torch.cuda.current_stream(device).wait_stream(stream)
        ready = ahead
        try:
            ahead = start()
        except UserError as error:
            failure = error
        yield ready
        if failure is not None:
            raise failure


def batches_on_device(batches: Iterator[Any], device: torch.device) -> Iterator[Any]:
    """The batches on the device; to a GPU they are copied while the one before is computed on."""
    if device.type == "cuda":
        return copied_ahead(batches, device)
    return (on_device(batch, device) for batch in batches)


def channels_last(batch: Any) -> Any:
    """The batch with its pictures, and only them, in channels_last."""
    if isinstance(batch, Tensor):
        return batch.contiguous(memory_format=torch.channels_last) if batch.ndim == 4 else batch
    if isinstance(batch, (list, tuple)) and not hasattr(batch, "_fields"):
        return type(batch)(channels_last(item) for item in batch)
    if type(batch) is dict:
        return {key: channels_last(item) for key, item in batch.items()}
    return batch
