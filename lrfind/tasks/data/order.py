"""The order of the samples, epoch after epoch: it depends on the seed alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor


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
        yield pool[torch.randperm(len(pool), generator=generator).to(pool.device)]


def index_batches(pool: Tensor, *, batch_size: int, seed: int, skip: int = 0) -> Iterator[Tensor]:
    """Give the indices of every batch, epoch after epoch without end.

    Args:
        pool: The indices to draw from, shape (samples,), int64, at least `batch_size` of them.
        batch_size: Samples a batch.
        seed: Of the order.
        skip: Batches to leave out at the start.
    """
    per_epoch = len(pool) // batch_size
    epochs, first = divmod(skip, per_epoch)
    for order in index_epochs(pool, seed=seed, skip=epochs):
        yield from torch.split(order[first * batch_size : per_epoch * batch_size], batch_size)
        first = 0
