"""A DataLoader of the user's in batches of another size than its own, and the samples behind it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    default_collate,
)

from lrfind.adapters.adapted import AdaptedBatches
from lrfind.errors import ConfigError
from lrfind.tasks.data.in_memory import set_apart
from lrfind.tasks.data.sources import Source, length_of, source_of

if TYPE_CHECKING:
    from lrfind.tasks.data.dataset import Data


_KEPT = (
    *("num_workers", "collate_fn", "pin_memory", "timeout", "worker_init_fn", "multiprocessing_context"),
    *("generator", "prefetch_factor", "persistent_workers"),
)
"""What a loader of other batches has as the first one has it, beside what its batch sampler has."""


def in_batches_of(size: int, data: Data) -> Data:
    """The data of a config in batches of a size; what comes as samples is put together elsewhere.

    Raises:
        ConfigError: They come in batches of another size, which cannot be made otherwise, or are too few.
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


def notes_of(data: Data) -> list[str]:
    """What the user should know of a loader: that its own batches are larger than all it draws."""
    size, most = getattr(data.dataset, "batch_size", None), batch_size_of(data)
    if most is None or size == most:
        return []
    return [
        f"data={data.name} asks for batches of {size} and draws {most} samples an epoch: every step trains "
        f"on these {most}, and the rate is one for batches of {most}."
    ]


def rebatched(loader: Any, size: int) -> Any:
    """A DataLoader that puts the samples of another together to batches of a size, in the order of its own.

    A loader of anything, with batches of that size, is returned as it is.

    Raises:
        ValueError: It cannot be rebuilt, or has too few samples; the message says what it is.
    """
    drawn = samples_of_a_pass(loader)
    if drawn is not None and drawn < size:
        raise ValueError(f"draws {drawn} samples an epoch, and a batch cannot hold more: {drawn} is the most")
    if getattr(loader, "batch_size", None) == size:
        return loader
    if isinstance(loader, AdaptedBatches):
        return loader.of(rebatched(loader.loader, size))
    if not isinstance(loader, DataLoader):
        raise ValueError("gives batches as they are, and is no DataLoader of torch")
    if type(loader) is not DataLoader:
        raise ValueError(f"is a DataLoader of a class of its own ({type(loader).__name__})")
    if type(loader.batch_sampler) is not BatchSampler:
        raise ValueError("is a DataLoader whose batches a sampler of its own, or its data set, puts together")
    kept = {name: getattr(loader, name) for name in _KEPT} | {"drop_last": loader.batch_sampler.drop_last}
    if not isinstance(loader.dataset, IterableDataset):
        kept["sampler"] = loader.batch_sampler.sampler  # a loader made with a batch sampler has another
    return DataLoader(loader.dataset, batch_size=size, **kept)


def samples_of_a_pass(loader: Any) -> int | None:
    """Samples that a DataLoader of torch draws in one pass; None where nobody knows."""
    batches = getattr(_innermost(loader), "batch_sampler", None)
    return length_of(batches.sampler) if type(batches) is BatchSampler else None


def known_length(data: Data) -> int | None:
    """Samples in the data set behind a loader that gives every one of them once; None: nobody knows."""
    samples = getattr(_innermost(data.dataset), "dataset", None)
    return None if isinstance(samples, IterableDataset) else length_of(samples)


def batch_size_of(data: Data) -> int | None:
    """Samples a batch of a loader, where it says it: no more than it draws in a pass."""
    size = getattr(data.dataset, "batch_size", None)
    if not isinstance(size, int) or size < 1:
        return None
    return min(size, samples_of_a_pass(data.dataset) or size)


def can_be_parted(data: Data) -> bool:
    """Whether some samples behind a loader can be kept from training, by a loader of the others.

    They can behind a plain DataLoader of a map-style data set that draws in order or at random.
    """
    loader = _innermost(data.dataset)
    return _is_plain(loader) and not _is_stream(loader) and known_length(data) is not None


def parted(loader: Any, samples: int, *, seed: int) -> tuple[Any, Any]:
    """A loader of all samples but some, as the given one draws them, and one of those, always the same.

    The given one `can_be_parted`, and has more than `samples` of them.
    """
    if isinstance(loader, AdaptedBatches):
        rest, apart = parted(loader.loader, samples, seed=seed)
        return loader.of(rest), loader.read(apart)
    parts = set_apart(len(loader.dataset), samples, seed=seed)
    held, left = (Subset(loader.dataset, indices.tolist()) for indices in parts)
    own = loader.batch_sampler
    sampler: SequentialSampler | RandomSampler = SequentialSampler(left)
    if isinstance(own.sampler, RandomSampler):
        sampler = RandomSampler(left, generator=own.sampler.generator)
    kept = {name: getattr(loader, name) for name in _KEPT}
    rest = DataLoader(left, batch_size=own.batch_size, drop_last=own.drop_last, sampler=sampler, **kept)
    apart = DataLoader(
        held,
        batch_size=own.batch_size,
        collate_fn=loader.collate_fn,
        generator=torch.Generator().manual_seed(seed),
    )
    return rest, apart


def _innermost(loader: Any) -> Any:
    """The loader itself, without what calls hooks or counts."""
    while isinstance(loader, AdaptedBatches):
        loader = loader.loader
    return loader


def samples_behind(data: Data) -> Data | None:
    """The samples of a DataLoader with its collator, to be drawn in batches of any size.

    None for data of another make, and for a loader that cannot be rebuilt: one of a class of its own, one
    that draws its samples by weights or any other sampler than torch's plain ones, or batches by a sampler.
    """
    loader = data.dataset
    if not _is_plain(loader):
        return None
    samples: Any = loader.dataset
    collate = loader.collate_fn
    if collate is default_collate:
        return dataclasses.replace(data, dataset=samples)
    if source_of(samples) is Source.TENSORS:  # which are gathered without any collator
        samples = Subset(samples, range(len(samples)))
    return dataclasses.replace(data, dataset=samples, collate=collate)


def _is_plain(loader: Any) -> bool:
    """Whether a loader, of torch's own make, gives every sample once an epoch, in order or at random."""
    if type(loader) is not DataLoader or type(loader.batch_sampler) is not BatchSampler:
        return False
    sampler = loader.batch_sampler.sampler
    if _is_stream(loader) or type(sampler) is SequentialSampler:
        return True
    samples: Any = loader.dataset
    return type(sampler) is RandomSampler and not sampler.replacement and len(sampler) == len(samples)


def _is_stream(loader: Any) -> bool:
    return isinstance(loader.dataset, IterableDataset)
