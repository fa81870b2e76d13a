"""Endless batches on the device, from any kind of data."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import torch

from lrfind.errors import DataError
from lrfind.report.formatting import counted
from lrfind.tasks.data.failures import unwrapped
from lrfind.tasks.data.fetching import (
    chosen_batches,
    map_loader,
    restarted,
    stream_loader,
    suitable_workers,
)
from lrfind.tasks.data.images import PictureFolder, none_readable, without_skipped
from lrfind.tasks.data.in_memory import WHOLE, Share, set_apart, shuffled_epochs, tensor_batches
from lrfind.tasks.data.own_loader import batch_size_of, can_be_parted, known_length, parted
from lrfind.tasks.data.prefetch import batches_on_device, normaliser
from lrfind.tasks.data.sources import Source, length_of, source_of
from lrfind.training.batch import num_samples, on_device

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from torch import Tensor

    from lrfind.tasks.data.dataset import Data


@dataclass(slots=True)
class Loaders:
    """Where training gets its batches.

    Attributes:
        batches: Batches on the device, without end.
        validation: Fixed batches on the device that training never sees (or, where samples have no index,
            that were drawn first); None where none were asked for.
        skipped: Paths of the pictures left out so far; grows as batches are drawn.
        per_epoch: Batches an epoch; None where that is not known.
    """

    batches: Iterator[Any]
    validation: list[Any] | None = None
    skipped: list[str] = field(default_factory=list)
    per_epoch: int | None = None
    _stop: Callable[[], None] = field(default=lambda: None, repr=False)

    def close(self) -> None:
        """Stop worker processes. No more batches can be drawn."""
        self._stop()


def make_batches(
    data: Data,
    *,
    batch_size: int,
    seed: int,
    device: torch.device,
    num_workers: int | None,
    validation_samples: int = 0,
    skip: int = 0,
    share: Share = WHOLE,
) -> Loaders:
    """Make endless batches of a data set, shuffled anew each epoch where samples have an index.

    The order depends on `seed` alone, and no global random stream is read or moved by it. (Random changes
    that a data set itself makes to its samples come from wherever it takes them: from the global streams in
    this process, from streams seeded by `seed` in workers.) The last incomplete batch of an epoch is dropped.

    With `num_workers` None there are none for data in memory and for streams, none on the CPU for strangers'
    data sets, and a number that suits the machine for pictures. Samples of the validation are set apart:
    behind a loader that cannot be made anew without them, and in an iterable, they are the first batches that
    hold so many, and one pass gives at most what it has. `skip` batches are left out at the start, as a run
    that goes on has drawn them already; where samples have an index, they are not read. Of a `DataLoader` or
    an iterable, whose batches keep their size, a `share` is one batch in so many.

    Raises:
        DataError: Where the data set cannot fill a batch; while drawing, whatever is wrong with the data.
    """
    source = source_of(data.dataset)
    if source in (Source.TENSORS, Source.MAP):
        return _indexed(data, source, batch_size, seed, device, num_workers, validation_samples, skip, share)
    stream: Iterable[Any] = data.dataset
    hint = ""
    if source is Source.STREAM:
        stream = stream_loader(
            data.dataset,
            collate=data.collate,
            batch_size=batch_size,
            seed=seed,
            num_workers=num_workers or 0,
            pin_memory=device.type == "cuda",
        )
        hint = f" A batch takes batch_size={batch_size} samples."
    apart: Iterable[Any] | None = None
    if validation_samples and can_be_parted(data):
        _require_rest(data, validation_samples)
        stream, apart = parted(stream, validation_samples, seed=seed)
    passes = _Passes(stream)
    endless = restarted(passes, name=data.name, hint=hint, timeout=data.timeout)
    drawn: Iterator[Any] = endless
    finish = normaliser(data.normalisation, device)
    validation = None
    if apart is not None:
        once = unwrapped(iter(apart), timeout=data.timeout)
        validation = [finish(on_device(batch, device)) for batch in once]
    elif validation_samples:
        first, drawn = _first_batches(endless, validation_samples, passes)
        validation = [finish(on_device(batch, device)) for batch in first]
    for _ in range(skip * share.ranks):
        next(drawn)
    own = drawn if share == WHOLE else islice(drawn, share.rank, None, share.ranks)
    length = length_of(stream)
    return Loaders(
        map(finish, batches_on_device(own, device)),
        validation,
        per_epoch=None if length is None else max(length // share.ranks, 1),
        _stop=endless.close,
    )


def _indexed(
    data: Data,
    source: Source,
    batch_size: int,
    seed: int,
    device: torch.device,
    num_workers: int | None,
    validation_samples: int,
    skip: int,
    share: Share,
) -> Loaders:
    count = len(data.dataset)
    _require_a_batch(data, count, validation_samples, batch_size, share)
    pool, apart_indices = torch.arange(count), None
    if validation_samples:  # rising, so that pictures are read in the order in which they lie on the disk
        apart_indices, pool = set_apart(count, validation_samples, seed=seed)
    per_epoch = len(pool) // (batch_size * share.ranks)
    finish = normaliser(data.normalisation, device)
    epochs = partial(shuffled_epochs, batch_size=batch_size, seed=seed, skip=skip, share=share)

    tensors = data.dataset.tensors if source is Source.TENSORS else None
    if tensors is None and isinstance(data.dataset, PictureFolder) and (cached := data.dataset.cached()):
        # A view that gathers whole rows and then looks like any other batch of pictures.
        tensors, finish = cached, _then(_channels_first, finish)
    if tensors is not None:
        batches, validation = tensor_batches(
            tensors, pool, apart_indices, epochs, batch_size=batch_size, device=device, finish=finish
        )
        return Loaders(batches, validation, per_epoch=per_epoch)

    if num_workers is None:
        num_workers = suitable_workers(data.dataset, batch_size=batch_size, device=device)
    loader = map_loader(
        data.dataset,
        (index for order in epochs(pool) for index in order.tolist()),
        collate=data.collate,
        batch_size=batch_size,
        seed=seed,
        num_workers=num_workers,
        pin_memory=device.type == "cuda",
    )
    drawn = _drawn(loader, data.timeout)
    skipped: list[str] = []
    batches = batches_on_device(without_skipped(drawn, skipped, data.name, per_epoch), device)
    validation = None
    if apart_indices is not None:
        kept = chosen_batches(data, apart_indices, batch_size, skipped=skipped, batches_per_epoch=per_epoch)
        validation = [finish(on_device(batch, device)) for batch in kept]
        if not validation:
            raise none_readable(data.name, skipped)
    return Loaders(map(finish, batches), validation, skipped, per_epoch, drawn.close)


def _require_a_batch(data: Data, count: int, validation_samples: int, batch_size: int, share: Share) -> None:
    """Refuses samples of which no batch is left for each rank, beside those that are set apart."""
    size = batch_size * share.ranks
    if count - validation_samples >= size:
        return
    of_all = f" on each of {share.ranks} ranks" if share.ranks > 1 else ""
    if count >= size:
        raise DataError(
            f"range.validation.samples={validation_samples} leaves less than one batch of "
            f"batch_size={batch_size}{of_all} of the {count} samples of data={data.name} for training. "
            f"Choose {count - size} or less."
        )
    if count < share.ranks:
        ranks = f", less than one for each of {share.ranks} ranks" if share.ranks > 1 else ""
        held = counted(count, "sample") if count else "no samples"
        raise DataError(f"data={data.name} holds {held}{ranks}: there is nothing to train on.")
    raise DataError(
        f"batch_size={batch_size}{of_all} is more than data={data.name} can fill: it holds "
        f"{counted(count, 'sample')}. Choose batch_size={count // share.ranks} or less."
    )


def _drawn(loader: Iterable[Any], timeout: float | None) -> Generator[Any]:
    # The only holder of the loader's iterator: closing this generator drops it, which ends the workers.
    yield from unwrapped(iter(loader), timeout=timeout)


class _Passes:
    """A source of batches that counts how often it was begun."""

    def __init__(self, source: Iterable[Any]) -> None:
        self.begun = 0
        self._source = source

    def __iter__(self) -> Iterator[Any]:
        self.begun += 1
        return iter(self._source)


def _require_rest(data: Data, samples: int) -> None:
    """Refuses to set so many samples apart that no batch is left."""
    count, size = known_length(data) or 0, batch_size_of(data) or 1
    if count - samples < min(size, count):
        raise DataError(
            f"{samples} samples set apart leave less than one batch of {size} of the {count} samples of "
            f"data={data.name} for training. Set {max(count - size, 0)} or less apart, or give more data."
        )


def _first_batches(batches: Iterator[Any], samples: int, passes: _Passes) -> tuple[list[Any], Iterator[Any]]:
    """The batches of the first pass that hold so many samples, or all of it, and those after them."""
    found: list[Any] = []
    drawn = 0
    while drawn < samples:
        batch = next(batches)
        if passes.begun > 1 and found:
            return found, chain([batch], batches)
        found.append(batch)
        drawn += num_samples(batch)
    return found, batches


def _channels_first(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    images, labels = batch
    return images.permute(0, 3, 1, 2), labels


def _then(first: Callable[[Any], Any], second: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda batch: second(first(batch))
