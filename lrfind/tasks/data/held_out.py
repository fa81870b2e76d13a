"""Samples set apart, and fixed batches on which a loss is read again and again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from lrfind.adapters.adapted import OF_A_MODULE
from lrfind.errors import ConfigError, DataError
from lrfind.tasks.data.dataset import OF_THE_MODEL
from lrfind.tasks.data.fetching import chosen_batches, restarted, stream_loader
from lrfind.tasks.data.in_memory import set_apart
from lrfind.tasks.data.own_loader import batch_size_of, can_be_parted, known_length
from lrfind.tasks.data.prefetch import normaliser
from lrfind.tasks.data.sources import Afresh, Source, length_of, source_of
from lrfind.training.batch import num_samples, on_device

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor

    from lrfind.tasks.data.dataset import Data


_SHARE = 0.2
"""Of the samples, where nothing else is asked for."""

_MOST = 2000
"""Samples, where nothing else is asked for: reading them should stay cheap beside training."""

_OF_A_STREAM = 512
"""Samples, where nobody knows how many there are."""


def is_counted(data: Data) -> bool:
    """Whether samples have an index, and are drawn by it."""
    return source_of(data.dataset) in (Source.TENSORS, Source.MAP)


def met_again(data: Data) -> str | None:
    """What the user should know where training meets the held-out samples; None: it never does."""
    if is_counted(data) or can_be_parted(data):
        return None
    return (
        f"samples cannot be kept out of {_called(data)}: the held-out loss is read on the first batches, "
        "which training meets too where the data begins again or is shuffled by a loader of its own."
    )


def _called(data: Data) -> str:
    """The data as the user knows them."""
    if data.name != OF_THE_MODEL:
        return f"data={data.name}"
    return getattr(data.dataset, "whose", OF_A_MODULE)


def held_out_samples(
    data: Data, asked: float | None, *, batch_size: int, key: str, size_key: str = "batch_size"
) -> int:
    """The number of samples to set apart.

    Args:
        data: What they are taken from.
        asked: A number of samples, a share below 1, or None: a fifth, at most 2,000 and at most what leaves a
            batch; 512 where nobody knows how many there are. Behind a loader that cannot be made anew
            without them, whole batches, of which one is the least.
        batch_size: Samples a batch of training.
        key: The dotted key that asks for it, for messages.
        size_key: The one that asks for the batch size.

    Raises:
        ConfigError: It leaves less than one batch, is a share of nobody knows how many samples, or the data
            are an iterator, which gives each batch once.
    """
    if source_of(data.dataset) is Source.BATCHES and isinstance(data.dataset, Iterator):
        raise ConfigError(
            f"{_called(data)} is an iterator, which gives each batch once: no samples can be kept out of it, "
            "and no second run can begin with the same batches. Let data._target_ give the DataLoader, the "
            "data set, or an object whose __iter__ makes a new iterator."
        )
    count = len(data.dataset) if is_counted(data) else known_length(data)
    name = _called(data)
    if count is None:
        if asked is not None and asked < 1:
            raise ConfigError(
                f"{key}={asked:g} is a share, and of {name} nobody knows how many samples there are: give a "
                f"number of samples, such as {key}=1000."
            )
        return _OF_A_STREAM if asked is None else int(asked)
    if not is_counted(data):
        batch_size = batch_size_of(data) or batch_size
        if not can_be_parted(data) and asked is None:
            whole = min(round(_SHARE * count), _MOST) // batch_size * batch_size
            return whole or min(batch_size, count)
    most = count - batch_size
    size = f"{size_key}={batch_size}" if size_key == "batch_size" else f"{batch_size} (of {size_key})"
    if asked is None:
        samples = max(1, min(round(_SHARE * count), _MOST))
    else:
        samples = max(1, round(asked * count)) if asked < 1 else int(asked)
    if most < 1:
        rest = max(count - samples, 1)
        remedy = f"A batch size of {rest} or less leaves {count - rest}." if count > 1 else "Give more data."
        raise ConfigError(
            f"{size} leaves none of the {count} samples of {name} to read a held-out loss on. {remedy}"
        )
    if asked is None:
        return min(samples, most)
    if samples > most:
        raise ConfigError(
            f"{key}={asked:g} leaves less than one batch of {size} of the {count} samples of "
            f"{name} for training. Choose {most} or less, or a smaller batch."
        )
    return samples


def spared_samples(data: Data, batch_size: int) -> int | None:
    """The number of samples to set apart where nothing asks for any; None where training would meet them.

    None, too, where that would leave less than a batch.
    """
    if met_again(data) is not None:
        return None
    try:
        return held_out_samples(data, None, batch_size=batch_size, key="samples")
    except ConfigError:
        return None


_NUMBERS_A_BATCH = 1 << 20
"""Numbers a batch is read in at most, beyond the batch size of training: a reading has no backward pass."""

_KEPT = 1 << 26
"""Numbers that are kept ready on the device; more are made anew for each reading."""


def fixed_batches(
    data: Data, samples: int | None, *, batch_size: int, seed: int, device: torch.device
) -> Iterable[Any]:
    """Make batches of the same samples again and again, on the device.

    They are a subset of so many samples, None: all, of what is trained on; in a stream, its first batches. A
    batch holds `batch_size` samples at least, where there are so many.

    Raises:
        DataError: The data has fewer samples, or no number of samples where the whole of it is asked for.
    """
    source = source_of(data.dataset)
    finish = normaliser(data.normalisation, device)
    if source not in (Source.TENSORS, Source.MAP):
        return _of_stream(data, samples, finish, batch_size=batch_size, seed=seed, device=device)
    count = len(data.dataset)
    if samples is not None and samples > count:
        raise DataError(
            f"refine.subset={samples} is more than data={data.name} holds: {count} samples. Choose a smaller "
            "one, or refine.read=train for all of them."
        )
    chosen = torch.arange(count) if samples is None else set_apart(count, samples, seed=seed)[0]
    if source is Source.TENSORS:
        return _of_tensors(data.dataset.tensors, chosen, batch_size, finish, device)

    def draw() -> Iterator[Any]:
        most = len(chosen) // batch_size + 1
        for batch in chosen_batches(data, chosen, batch_size, skipped=[], batches_per_epoch=most):
            yield finish(on_device(batch, device))

    return Afresh(draw) if samples is None else list(draw())


def _of_tensors(
    tensors: tuple[Tensor, ...],
    chosen: Tensor,
    batch_size: int,
    finish: Callable[[Any], Any],
    device: torch.device,
) -> Iterable[Any]:
    a_sample = max(sum(tensor[:1].numel() for tensor in tensors), 1)
    size = max(batch_size, _NUMBERS_A_BATCH // a_sample)

    def draw() -> Iterator[Any]:
        for index in torch.split(chosen, size):
            yield finish(on_device(tuple(tensor.index_select(0, index) for tensor in tensors), device))

    return list(draw()) if len(chosen) * a_sample <= _KEPT else Afresh(draw)


def _of_stream(
    data: Data,
    samples: int | None,
    finish: Callable[[Any], Any],
    *,
    batch_size: int,
    seed: int,
    device: torch.device,
) -> Iterable[Any]:
    stream: Iterable[Any] = data.dataset
    if source_of(stream) is Source.STREAM:
        stream = stream_loader(
            stream,
            collate=data.collate,
            batch_size=batch_size,
            seed=seed,
            num_workers=0,
            pin_memory=device.type == "cuda",
        )
    ends = samples is None and source_of(data.dataset) is not Source.STREAM
    count = length_of(data.dataset) if ends else None
    if samples is None and count is None:
        raise DataError(
            f"refine.read=train needs data whose end is known, and {data.name} has none: use "
            "refine.read=subset or refine.read=batch."
        )

    def draw() -> Iterator[Any]:
        batches = restarted(stream, name=data.name, hint="", timeout=data.timeout)
        drawn = seen = 0
        while (seen < samples) if samples is not None else (drawn < (count or 0)):
            batch = finish(on_device(next(batches), device))
            drawn, seen = drawn + 1, seen + num_samples(batch)
            yield batch
        batches.close()

    return Afresh(draw) if samples is None else list(draw())
