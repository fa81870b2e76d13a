"""The samples behind a DataLoader of the user's, for batches of other sizes than its own."""

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

from lrfind.tasks.data.sources import Source, source_of

if TYPE_CHECKING:
    from lrfind.tasks.data.dataset import Data


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
