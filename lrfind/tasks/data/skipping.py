"""Pictures that could not be read: noted, left out, and an error where nothing is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lrfind.errors import DataError
from lrfind.tasks.data.images import PictureBatch

if TYPE_CHECKING:
    from collections.abc import Iterator


def without_skipped(
    batches: Iterator[Any], skipped: list[str], name: str, batches_per_epoch: int
) -> Iterator[Any]:
    """Note the pictures that were left out, and pass over batches of which nothing is left.

    Raises:
        DataError: Where a whole epoch gave no picture.
    """
    known = set(skipped)
    empty = 0
    for batch in batches:
        if not isinstance(batch, PictureBatch):
            yield batch
            continue
        for path in batch.skipped:
            if path not in known:
                known.add(path)
                skipped.append(path)
        if len(batch.labels):
            empty = 0
            yield batch.images, batch.labels
            continue
        empty += 1
        if empty >= batches_per_epoch:
            raise none_readable(name, skipped)


def none_readable(name: str, skipped: list[str]) -> DataError:
    """The message where no picture is left."""
    return DataError(
        f"data={name}: no picture could be read; {len(skipped)} were skipped, the first {skipped[0]}. Check "
        "that the files are pictures and whole (data.on_error=raise says what is wrong with the first)."
    )
