"""The file that a run leaves now and then so that it can go on where it was cut off.

It is whole or not there, holds no pickles, and says by a checksum that it is as it was written. What is in it
is the room's own (`refine.checkpoint`, `compare.checkpoint`).
"""

from __future__ import annotations

import hashlib
import io
import math
import stat
import zipfile
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from lrfind.errors import OutputError
from lrfind.report.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

State = TypeVar("State")

_SHARE = 0.05
"""Share of the time that may go into saving."""

_RETRY = 1.0
"""Least seconds after which a state that could not be saved is saved again."""

_CHECKSUM = "checksum"
"""Name of the array that holds the checksum of the others."""

DAMAGED = (
    *(OSError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError),
    *(MemoryError, RuntimeError, zipfile.BadZipFile),
)
"""What reading a file that is damaged, or was never one of ours, may raise."""


class StateFile:
    """Says when the state is to be saved, and saves it.

    Args:
        every: Least time between two savings in seconds; None: never. A saving that takes long comes less
            often.
        warn: Told, once, of a state that cannot be saved. The run goes on, and so does the saving: a disk
            that is full now may have room later.
    """

    def __init__(self, path: Path, every: float | None, warn: Callable[[str], None]) -> None:
        self._path = path
        self._every = every
        self._warn = warn
        self._failed = False
        self._due = np.inf if every is None else perf_counter() + every

    @property
    def path(self) -> Path | None:
        """The file; None where nothing is ever saved."""
        return None if self._every is None else self._path

    @property
    def due(self) -> bool:
        """Whether it is time."""
        return perf_counter() >= self._due

    def write(self, content: Callable[[], bytes]) -> None:
        """Saves the state in place of the one before, which stays where that cannot be done.

        `content` makes all of the file, as `arrays_as_bytes` does.
        """
        began = perf_counter()
        every = self._every or 0.0
        try:
            write_whole(self._path, content())
        except OutputError as error:
            if not self._failed:
                self._warn(f"{error} The run goes on, and its state will be saved when that can be done.")
            self._failed = True
            self._due = perf_counter() + max(every, _RETRY)
        else:
            self._failed = False
            took = perf_counter() - began
            self._due = perf_counter() + (max(every, took / _SHARE) if every else 0.0)

    def give_up(self) -> None:
        """Never saves again."""
        self._due = np.inf

    def remove(self) -> None:
        """Takes the file away: there is nothing left to go on with."""
        self._path.unlink(missing_ok=True)


def read_state(path: Path, parse: Callable[[bytes], State]) -> State:
    """What a state file holds, as `parse` makes it of the content.

    Raises:
        ValueError: It is not there, or is none.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ValueError("it is no ordinary file")  # a pipe or a device might never end
        return parse(path.read_bytes())
    except FileNotFoundError:
        raise ValueError("it holds no saved state") from None
    except DAMAGED as error:
        raise ValueError(f"{path.name} cannot be read: {in_words(error)}") from error


def in_words(error: BaseException) -> str:
    """What an error says, in one line and without the point at its end."""
    if isinstance(error, KeyError) and error.args:
        return f"{error.args[0]} is missing"
    said = " ".join(str(error).split()).rstrip(".")
    return said[:200] if said else type(error).__name__


def arrays_as_bytes(arrays: Arrays) -> bytes:
    """A state file of arrays, in NumPy's format `npz`."""
    stream = io.BytesIO()
    # First, for a damaged archive may end early.
    np.savez(stream, **{_CHECKSUM: _digest(arrays)}, **dict(arrays))  # type: ignore[arg-type]
    return stream.getvalue()


def arrays_of(content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of a file that `arrays_as_bytes` made; of older ones, which have no checksum, too.

    Raises:
        ValueError: It is another one, or is damaged. So do the others of `DAMAGED`.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist():
            # Packed, a few bytes may fill the memory; ours are not.
            if member.compress_type != zipfile.ZIP_STORED or member.file_size > len(content):
                raise ValueError(f"{member.filename} is larger than the file")
            with archive.open(member) as stream:
                _check_size(stream, member)
    with np.load(io.BytesIO(content), allow_pickle=False) as loaded:
        arrays = {name: np.asarray(loaded[name]) for name in loaded.files}
    if not arrays:
        raise ValueError("it holds no state")
    saved = arrays.pop(_CHECKSUM, None)
    if saved is not None and not np.array_equal(saved, _digest(arrays)):
        raise ValueError("it is damaged: its checksum is another")
    return arrays


def _check_size(stream: Any, member: zipfile.ZipInfo) -> None:
    """Whether an array is as large as its head says: NumPy would make room for it before it looks."""
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError(f"{member.filename} is of another format")
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.hasobject:
        raise ValueError(f"{member.filename} holds a pickle")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != member.file_size - stream.tell():
        raise ValueError(f"{member.filename} is not as long as it says")


def _digest(arrays: Arrays) -> NDArray[np.uint8]:
    made = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        made.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        made.update(array.reshape(-1).view(np.uint8).data)
    return np.frombuffer(made.digest(), dtype=np.uint8)
