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
    epochs: Callable[[Tensor], Iterator[Tensor]],
    *,
    batch_size: int,
    device: torch.device,
    finish: Callable[[Any], Any],
) -> tuple[Iterator[Any], list[Any] | None]:
    """Endless batches, and the fixed ones that are set apart, where some are; `epochs` orders the pool."""
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    home = device
    if device.type == "cuda" and size > _RESIDENT_FRACTION * torch.cuda.mem_get_info(device)[0]:
        home = torch.device("cpu")
    tensors = tuple(tensor.to(home) for tensor in tensors)

    def gather(index: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensor.index_select(0, index) for tensor in tensors)

    validation = None
    if apart is not None:
        validation = [
            finish(on_device(gather(index), device)) for index in torch.split(apart.to(home), batch_size)
        ]
    orders = epochs(pool.to(home))
    batches: Iterator[Any]
    if size <= _SHUFFLED_WHOLE:  # a batch is then a view, which costs next to nothing
        wholes = (gather(order.flatten()) for order in orders)
        batches = (
            batch
            for whole in wholes
            for batch in zip(*(torch.split(each, batch_size) for each in whole), strict=True)
        )
    else:
        batches = (gather(index) for order in orders for index in order)
    if home != device:
        pinned = (tuple(tensor.pin_memory() for tensor in batch) for batch in batches)
        batches = batches_on_device(pinned, device)
    return map(finish, batches), validation


def set_apart(count: int, samples: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """The indices of some of so many samples, drawn by chance, and of the others, both rising."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return order[:samples].sort().values, order[samples:].sort().values


def shuffled_epochs(
    pool: Tensor, *, batch_size: int, seed: int, skip: int = 0, share: Share = WHOLE
) -> Iterator[Tensor]:
    """The indices of the batches of epoch after epoch without end, shape (batches, batch_size) each.

    Args:
        pool: The indices to draw from, shape (samples,), int64, at least a global batch of them. The order
            lies on its device; it is drawn on the CPU, so that it is the same on every device.
        batch_size: Samples a batch.
        seed: Of the order.
        skip: Batches to leave out at the start.
        share: The part of every global batch that is drawn.
    """
    generator = torch.Generator().manual_seed(seed)
    size = batch_size * share.ranks
    per_epoch = len(pool) // size
    epochs, first = divmod(skip, per_epoch)
    for _ in range(epochs):
        torch.randperm(len(pool), generator=generator)
    while True:
        order = torch.randperm(len(pool), generator=generator)
        if pool.device.type == "cuda":  # from pinned memory, or the copy waits for all that the GPU has to do
            order = order.pin_memory()
        order = pool[on_device(order, pool.device)]
        yield order[first * size : per_epoch * size].view(-1, share.ranks, batch_size)[:, share.rank]
        first = 0
