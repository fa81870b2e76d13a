"""How many samples are set apart, to read a loss on that training never lowers by heart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfind.errors import ConfigError
from lrfind.tasks.data.sources import Source, source_of

if TYPE_CHECKING:
    from lrfind.tasks.data.dataset import Data

_SHARE = 0.2
"""Of the samples, where nothing else is asked for."""

_MOST = 2000
"""Samples, where nothing else is asked for: reading them should stay cheap beside training."""

_OF_A_STREAM = 512
"""Samples, where nobody knows how many there are."""


def is_counted(data: Data) -> bool:
    """Whether samples have an index, so that some can be set apart for good."""
    return source_of(data.dataset) in (Source.TENSORS, Source.MAP)


def held_out_samples(
    data: Data, asked: float | None, *, batch_size: int, key: str, size_key: str = "batch_size"
) -> int:
    """The number of samples to set apart.

    Args:
        data: What they are taken from.
        asked: A number of samples, a share below 1, or None: a fifth, at most 2,000 and at most what leaves a
            batch; 512 where the data has no index.
        batch_size: Samples a batch of training.
        key: The dotted key that asks for it, for messages.
        size_key: The one that asks for the batch size.

    Raises:
        ConfigError: It leaves less than one batch, or is a share of nobody knows how many samples.
    """
    if not is_counted(data):
        if asked is not None and asked < 1:
            raise ConfigError(
                f"{key}={asked:g} is a share, and data={data.name} does not say how many samples "
                f"it holds: give a number of samples, such as {key}=1000."
            )
        return _OF_A_STREAM if asked is None else int(asked)
    count = len(data.dataset)
    most = count - batch_size
    size = f"{size_key}={batch_size}" if size_key == "batch_size" else f"{batch_size} (of {size_key})"
    if most < 1:
        raise ConfigError(
            f"{size} leaves none of the {count} samples of data={data.name} to read a "
            f"held-out loss on. Choose a batch size of {max(count // 2, 1)} or less."
        )
    if asked is None:
        return max(1, min(round(_SHARE * count), _MOST, most))
    samples = max(1, round(asked * count)) if asked < 1 else int(asked)
    if samples > most:
        raise ConfigError(
            f"{key}={asked:g} leaves less than one batch of {size} of the {count} samples of "
            f"data={data.name} for training. Choose {most} or less, or a smaller batch."
        )
    return samples
