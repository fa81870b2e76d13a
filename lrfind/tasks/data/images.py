"""A data set of picture files, decoded once and then kept; those that cannot be read are skipped."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from lrfind.errors import DataError
from lrfind.tasks.data.decode import UnreadableError, jpeg_decoder, read_square
from lrfind.tasks.data.machine import available_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


MAX_CACHE_BYTES = 32 << 30
"""The cache is given up above this, or above half of the memory that is free."""

_UNKNOWN, _CACHED, _UNREADABLE = 0, 1, 2


class PictureBatch(NamedTuple):
    """What `PictureFolder.__getitems__` gives.

    Attributes:
        images: Shape (pictures, 3, size, size), uint8; in memory the channels come last.
        labels: Shape (pictures,), int64.
        skipped: Paths of the pictures left out.
    """

    images: Tensor
    labels: Tensor
    skipped: list[str]


class PictureFolder(Dataset[tuple[Tensor, Tensor]]):
    """Pictures from files, as uint8 squares, each decoded once where memory allows to keep them all.

    The cache lies in memory that worker processes made by fork share, so a picture is decoded once and not
    once a worker; pages of it are taken only as they are filled. Processes made by spawn do without.

    Args:
        image_size: Height and width of the squares in pixels.
        on_error: `raise`, or `skip` to leave out and name the pictures that cannot be read.
        cache_bytes: The most that the cache may take; None: half of the free memory, 32 GiB at most.
    """

    def __init__(
        self,
        paths: Sequence[str],
        labels: Sequence[int],
        classes: Sequence[str],
        *,
        image_size: int,
        on_error: str = "raise",
        cache_bytes: int | None = None,
    ) -> None:
        if image_size < 1:
            raise DataError(f"data.image_size must be at least 1, got {image_size}.")
        if on_error not in ("raise", "skip"):
            raise DataError(f"data.on_error must be raise or skip, got {on_error}.")
        self.paths = list(paths)
        self.labels = torch.tensor(labels, dtype=torch.int64)
        self.classes = list(classes)
        self.image_size = image_size
        self.on_error = on_error
        self._state: Tensor = _shared_memory(len(self.paths))
        self._cache: Tensor | None = None
        limit = min(available_bytes() // 2, MAX_CACHE_BYTES) if cache_bytes is None else cache_bytes
        needed = len(self.paths) * self.bytes_per_picture
        if needed <= limit:
            self._cache = _shared_memory(needed).view(len(self.paths), self.bytes_per_picture)
        # Imported here, so that workers inherit it instead of importing it each.
        jpeg_decoder()

    @property
    def bytes_per_picture(self) -> int:
        """Bytes of one decoded square."""
        return 3 * self.image_size**2

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """One picture, shape (3, size, size), and its label; `on_error` is for batches alone."""
        rows = torch.empty(1, self.bytes_per_picture, dtype=torch.uint8)
        self._read(index, rows[0])
        return self._as_pictures(rows)[0], self.labels[index]

    def __getitems__(self, indices: Sequence[int]) -> PictureBatch:
        """A whole batch, already stacked, without the pictures that `on_error=skip` leaves out."""
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        if self._cache is not None and bool((self._state[chosen] == _CACHED).all()):
            return PictureBatch(
                self._as_pictures(self._cache.index_select(0, chosen)), self.labels[chosen], []
            )
        rows = torch.empty(len(chosen), self.bytes_per_picture, dtype=torch.uint8)
        good: list[int] = []
        skipped: list[str] = []
        for index in chosen.tolist():
            try:
                self._read(index, rows[len(good)])
            except DataError:
                if self.on_error == "raise":
                    raise
                skipped.append(self.paths[index])
            else:
                good.append(index)
        return PictureBatch(self._as_pictures(rows[: len(good)]), self.labels[good], skipped)

    def cached(self) -> tuple[Tensor, Tensor] | None:
        """All pictures, shape (samples, size, size, 3), and labels, once all of them have been decoded."""
        if self._cache is None or not bool((self._state == _CACHED).all()):
            return None
        return self._cache.view(-1, self.image_size, self.image_size, 3), self.labels

    def _as_pictures(self, rows: Tensor) -> Tensor:
        return rows.view(-1, self.image_size, self.image_size, 3).permute(0, 3, 1, 2)

    def _read(self, index: int, row: Tensor) -> None:
        """Write one picture into `row`, shape (bytes,)."""
        state = int(self._state[index])
        if state == _CACHED and self._cache is not None:
            row.copy_(self._cache[index])
            return
        try:
            if state == _UNREADABLE:
                raise UnreadableError("it could not be read before")
            picture = read_square(self.paths[index], self.image_size)
        except UnreadableError as error:
            self._state[index] = _UNREADABLE
            raise DataError(
                f"{self.paths[index]} cannot be read as a picture: {error}. Repair or delete the file, or "
                "leave such pictures out with data.on_error=skip."
            ) from error
        row.view(self.image_size, self.image_size, 3).copy_(picture.permute(1, 2, 0))
        if self._cache is not None:
            self._cache[index] = row
            # Last, since another process may look at any moment.
            self._state[index] = _CACHED

    def __getstate__(self) -> dict[str, Any]:
        # Tensors handed to a spawned process are copied whole into shared memory; it decodes anew instead.
        return self.__dict__ | {"_cache": None, "_state": torch.zeros_like(self._state)}


def _shared_memory(num_bytes: int) -> Tensor:
    """Zeros that forked processes share, outside /dev/shm with its small limit; pages come with use."""
    return torch.frombuffer(mmap.mmap(-1, max(num_bytes, 1)), dtype=torch.uint8)[:num_bytes]


def without_skipped(
    batches: Iterator[Any], skipped: list[str], name: str, batches_per_epoch: int
) -> Iterator[Any]:
    """Note the pictures that were left out, and pass over batches of which nothing is left."""
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
