"""Batches of tensors in memory, gathered by index in an order that depends on the seed alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from lrfind.tasks.data.prefetch import batches_on_device
from lrfind.training.batch import on_device

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor


_RESIDENT_FRACTION = 0.25
"""Part of the free device memory that a data set may take."""

_SHUFFLED_WHOLE = 1 << 20
"""Bytes up to which a data set is gathered an epoch at a time."""


class Share(NamedTuple):
    """The part of every global batch that is drawn here.

    Attributes:
        rank: Which part, counted from 0.
        ranks: How many parts there are; the others are drawn by other ranks.
    """

    rank: int = 0
    ranks: int = 1


WHOLE = Share()
"""All of it."""


def tensor_batches(
    tensors: tuple[Tensor, ...],
    pool: Tensor,
    apart: Tensor | None,
    batch_size: int,
    seed: int,
    device: torch.device,
    finish: Callable[[Any], Any],
    skip: int,
    share: Share,
) -> tuple[Iterator[Any], list[Any] | None]:
    """Endless batches, and the fixed ones that are set apart, where some are."""
    home = device
    if device.type == "cuda":
        needed = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        if needed > _RESIDENT_FRACTION * torch.cuda.mem_get_info(device)[0]:
            home = torch.device("cpu")
    tensors = tuple(tensor.to(home) for tensor in tensors)

    def gather(index: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensor.index_select(0, index) for tensor in tensors)

    validation = None
    if apart is not None:
        validation = [
            finish(on_device(gather(index), device)) for index in torch.split(apart.to(home), batch_size)
        ]
    pool = pool.to(home)
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    batches: Iterator[Any]
    if size <= _SHUFFLED_WHOLE:
        batches = _shuffled_whole(tensors, pool, batch_size=batch_size, seed=seed, skip=skip, share=share)
    else:
        order = index_batches(pool, batch_size=batch_size, seed=seed, skip=skip, share=share)
        batches = map(gather, order)
    if home != device:
        pinned = (tuple(tensor.pin_memory() for tensor in batch) for batch in batches)
        batches = batches_on_device(pinned, device)
    return map(finish, batches), validation


def _shuffled_whole(
    tensors: tuple[Tensor, ...], pool: Tensor, *, batch_size: int, seed: int, skip: int, share: Share
) -> Iterator[tuple[Tensor, ...]]:
    """The same batches, gathered an epoch at a time: a batch is then a view, which costs next to nothing."""
    for order in _index_of_epochs(pool, batch_size=batch_size, seed=seed, skip=skip, share=share):
        whole = order.flatten()
        yield from zip(*(torch.split(t.index_select(0, whole), batch_size) for t in tensors), strict=True)


def index_epochs(pool: Tensor, *, seed: int, skip: int = 0) -> Iterator[Tensor]:
    """Give the shuffled indices of epoch after epoch without end.

    Args:
        pool: The indices to draw from, shape (samples,), int64. The order lies on its device; it is drawn on
            the CPU, so that it is the same on every device.
        seed: Of the order.
        skip: Epochs to leave out at the start.
    """
    generator = torch.Generator().manual_seed(seed)
    for _ in range(skip):
        torch.randperm(len(pool), generator=generator)
    while True:
        order = torch.randperm(len(pool), generator=generator)
        if pool.device.type == "cuda":  # from pinned memory, or the copy waits for all that the GPU has to do
            order = order.pin_memory()
        yield pool[on_device(order, pool.device)]


def index_batches(
    pool: Tensor, *, batch_size: int, seed: int, skip: int = 0, share: Share = WHOLE
) -> Iterator[Tensor]:
    """Give the indices of every batch, epoch after epoch without end.

    Args:
        pool: The indices to draw from, shape (samples,), int64, at least a global batch of them.
        batch_size: Samples a batch.
        seed: Of the order.
        skip: Batches to leave out at the start.
        share: The part of every global batch that is drawn.
    """
    for order in _index_of_epochs(pool, batch_size=batch_size, seed=seed, skip=skip, share=share):
        yield from order.unbind()


def _index_of_epochs(
    pool: Tensor, *, batch_size: int, seed: int, skip: int, share: Share
) -> Iterator[Tensor]:
    """The indices of the batches of each epoch, shape (batches, batch_size); the first epoch lacks `skip`."""
    size = batch_size * share.ranks
    per_epoch = len(pool) // size
    epochs, first = divmod(skip, per_epoch)
    for order in index_epochs(pool, seed=seed, skip=epochs):
        yield order[first * size : per_epoch * size].view(-1, share.ranks, batch_size)[:, share.rank]
        first = 0
