"""A DataLoader of the user's in batches of another size than its own, and the samples behind it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    default_collate,
)

from lrfind.adapters.lightning import HookedBatches
from lrfind.adapters.transformers import CountedBatches
from lrfind.errors import ConfigError
from lrfind.tasks.data.sources import Source, source_of

if TYPE_CHECKING:
    from lrfind.tasks.data.dataset import Data


_KEPT = (
    *("sampler", "num_workers", "collate_fn", "pin_memory", "drop_last", "timeout", "worker_init_fn"),
    *("multiprocessing_context", "generator", "prefetch_factor", "persistent_workers"),
)
"""What a loader of another batch size has as the first one has it."""


def in_batches_of(size: int, data: Data) -> Data:
    """The data of a config in batches of a size; what comes as samples is put together elsewhere.

    Raises:
        ConfigError: They come in batches of another size, which cannot be made otherwise.
    """
    if source_of(data.dataset) not in (Source.LOADER, Source.BATCHES):
        return data
    try:
        return dataclasses.replace(data, dataset=rebatched(data.dataset, size))
    except ValueError as error:
        raise ConfigError(
            f"batch_size={size} cannot be had: data={data.name} {error}. Give the data set behind it, or "
            "leave batch_size out."
        ) from error


def rebatched(loader: Any, size: int) -> Any:
    """A DataLoader that puts the samples of another together to batches of a size, in the order of its own.

    A loader of anything, with batches of that size, is returned as it is.

    Raises:
        ValueError: It cannot be rebuilt; the message says what it is.
    """
    if getattr(loader, "batch_size", None) == size:
        return loader
    if isinstance(loader, (HookedBatches, CountedBatches)):
        return loader.of(rebatched(loader.loader, size))
    if not isinstance(loader, DataLoader):
        raise ValueError("gives batches as they are, and is no DataLoader of torch")
    if type(loader) is not DataLoader:
        raise ValueError(f"is a DataLoader of a class of its own ({type(loader).__name__})")
    if type(loader.batch_sampler) is not BatchSampler:
        raise ValueError("is a DataLoader whose batches a sampler of its own, or its data set, puts together")
    kept = {name: getattr(loader, name) for name in _KEPT}
    if isinstance(loader.dataset, IterableDataset):
        del kept["sampler"]
    return DataLoader(loader.dataset, batch_size=size, **kept)


def samples_behind(data: Data) -> Data | None:
    """The samples of a DataLoader with its collator, to be drawn in batches of any size.

    None for data of another make, and for a loader that cannot be rebuilt: one of a class of its own, one
    that draws its samples by weights or any other sampler than torch's plain ones, or batches by a sampler.
    """
    loader = data.dataset
    if type(loader) is not DataLoader or type(loader.batch_sampler) is not BatchSampler:
        return None
    if not (isinstance(loader.dataset, IterableDataset) or _is_plain(loader.sampler, loader.dataset)):
        return None
    samples: Any = loader.dataset
    collate = loader.collate_fn
    if collate is default_collate:
        return dataclasses.replace(data, dataset=samples)
    if source_of(samples) is Source.TENSORS:  # which are gathered without any collator
        samples = Subset(samples, range(len(samples)))
    return dataclasses.replace(data, dataset=samples, collate=collate)


def _is_plain(sampler: Any, samples: Any) -> bool:
    """Whether a sampler gives every sample once an epoch, in order or at random."""
    if type(sampler) is SequentialSampler:
        return True
    return type(sampler) is RandomSampler and not sampler.replacement and len(sampler) == len(samples)
