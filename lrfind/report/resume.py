"""How a run that was cut off is taken up: where its state is, and whether it is the same experiment.

What is kept is a room's own (`refine.checkpoint`, `compare.checkpoint`), in a file that `state_file` writes.
"""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrfind.errors import ConfigError
from lrfind.report.record import plain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping


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
