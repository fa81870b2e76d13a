"""What a run keeps so that it can go on where it was cut off, and how the next one takes it up.

What is kept is a room's own (`refine.checkpoint`, `compare.checkpoint`). Here is what they share: a file that
is saved now and then, whole or not at all and without pickles, and the check that the run that goes on is the
same experiment.
"""

from __future__ import annotations

import dataclasses
import io
import zipfile
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from lrfind.errors import ConfigError
from lrfind.report.files import write_whole
from lrfind.report.record import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from numpy.typing import NDArray

State = TypeVar("State")

_SHARE = 0.05
"""Share of the time that may go into saving."""


class StateFile:
    """Says when the state is to be saved, and saves it.

    Args:
        path: The file.
        every: Least time between two savings in seconds; None: never. A saving that takes long comes less
            often.
    """

    def __init__(self, path: Path, every: float | None) -> None:
        self._path = path
        self._every = every
        self._due = np.inf if every is None else perf_counter() + every

    @property
    def due(self) -> bool:
        """Whether it is time."""
        return perf_counter() >= self._due

    def write(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Saves the state in place of the one before.

        Raises:
            OutputError: It cannot be written.
        """
        began = perf_counter()
        stream = io.BytesIO()
        np.savez(stream, **dict(arrays))  # type: ignore[arg-type]
        write_whole(self._path, stream.getvalue())
        took = perf_counter() - began
        self._due = perf_counter() + (max(self._every, took / _SHARE) if self._every else 0.0)

    def give_up(self) -> None:
        """Never saves again."""
        self._due = np.inf

    def remove(self) -> None:
        """Takes the file away: there is nothing left to go on with."""
        self._path.unlink(missing_ok=True)


def read_state(path: Path, parse: Callable[[bytes], State]) -> State:
    """What a state file holds.

    Args:
        path: The file.
        parse: Makes the state of its content.

    Raises:
        ValueError: It is not there, or is none.
    """
    try:
        return parse(path.read_bytes())
    except FileNotFoundError:
        raise ValueError("it holds no saved state") from None
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from error


def arrays_of(content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays that a `StateFile` wrote."""
    with np.load(io.BytesIO(content), allow_pickle=False) as loaded:
        return {name: loaded[name] for name in loaded.files}


@dataclasses.dataclass(frozen=True, slots=True)
class CutOff:
    """A run that was cut off, as the config of the one that goes on with it names it.

    Attributes:
        where: Its run directory.
        key: The dotted key that names it.
        noun: What it is called: `sweep`.
    """

    where: str
    key: str
    noun: str

    @contextmanager
    def taken_up(self, unless: str) -> Iterator[Path]:
        """Yields the run directory; a ValueError inside says why the run cannot go on.

        Args:
            unless: Which runs leave no state, in a clause, for the message.

        Raises:
            ConfigError: There is no such directory, or the run cannot go on.
        """
        if not Path(self.where).is_dir():
            raise ConfigError(
                f"{self._said} is no directory: give the run directory of the {self.noun} to go on with."
            )
        try:
            yield Path(self.where)
        except ValueError as error:
            raise ConfigError(
                f"{self._said} cannot go on: {error}. A {self.noun} that was finished leaves none{unless}: "
                f"run it again without {self.key}."
            ) from error

    def check(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """Checks that both are the same experiment.

        Args:
            before: What the run that was cut off began with, as `comparable` makes it.
            now: What the run that is to go on with it is to begin with.

        Raises:
            ConfigError: They are not; the message says what differs.
        """
        clauses = differing(before, now)
        if clauses:
            raise ConfigError(
                f"{self._said} is another experiment: {'; '.join(clauses[:4])}"
                f"{'; ...' if len(clauses) > 4 else ''}. Give the overrides it was started with (they are in "
                f"{Path(self.where) / '.hydra' / 'overrides.yaml'})."
            )

    @property
    def _said(self) -> str:
        return f"{self.key}={self.where}"


def comparable(config: Any, *, free: Collection[str]) -> dict[str, Any]:
    """A config as dotted keys and plain values.

    Args:
        config: A dataclass.
        free: Dotted keys that a run may go on with otherwise than it began; they are left out.
    """
    flat = _flat(plain(dataclasses.asdict(config)), "")
    return {key: value for key, value in flat if key not in free}


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What differs between the config there and the one here, a clause each."""
    missing = object()
    return [
        f"{key} was {one.get(key)} there and is {other.get(key)} here"
        for key in sorted({*one, *other})
        if one.get(key, missing) != other.get(key, missing)
    ]


def _flat(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
