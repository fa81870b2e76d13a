"""Widths of a model's layers: as a config gives them, or as the data asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lrfind.errors import ModelError

if TYPE_CHECKING:
    from lrfind.tasks.data.dataset import Data


def output_width(num_outputs: int | None, data: Data) -> int:
    """The width of the output: what the config says, else what the data says."""
    width = data.num_outputs if num_outputs is None else num_outputs
    if width is None:
        raise ModelError(
            f"model.num_outputs is null, and {data.name} does not say how many classes it has; type "
            "model.num_outputs=N (classes, or width of the target)."
        )
    return positive("model.num_outputs", width)


def sizes_of(key: str, sizes: object) -> list[int]:
    """The sizes that a key gives, each checked."""
    # A string is a sequence, too: model.channels=abc.
    if not isinstance(sizes, Sequence) or isinstance(sizes, str):
        raise ModelError(f"{key} must be a list of sizes, got {sizes!r}; type {key}=[64,64].")
    return [positive(f"{key}[{index}]", size) for index, size in enumerate(sizes)]


def positive(key: str, value: object) -> int:
    """The size that a key gives, checked."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ModelError(f"{key} must be a whole number of at least 1, got {value!r}.")
    return value
