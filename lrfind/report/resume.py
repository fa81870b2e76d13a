"""How a run that was cut off is taken up: where its state is, and whether it is the same experiment.

What is kept is a room's own (`refine.checkpoint`, `compare.checkpoint`), in a file that `state_file` writes.
"""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrfind.errors import ConfigError
from lrfind.report.formatting import listed
from lrfind.report.record import plain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_GROUPS = ("model.", "data.", "optimizer.", "criterion.")
"""What begins the keys of groups, which are those of whatever was chosen."""


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

        `unless` says in a clause which runs leave no state, for the message.

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

    def check(
        self, before: Mapping[str, Any], now: Mapping[str, Any], *, versions: bool = False
    ) -> list[str]:
        """Checks that both are the same experiment.

        `before` is what the run that was cut off began with, as `comparable` makes it. With `versions` a run
        of another version, whose settings have other keys, can go on.

        Returns:
            The keys of settings that only one of the two versions has.

        Raises:
            ConfigError: They are not; the message says what differs.
        """
        # Another model or optimizer has other keys, too; the settings have the same ones in every run of one.
        single = [key for key in sorted({*before} ^ {*now}) if not key.startswith(_GROUPS)]
        if single and not versions:
            raise ConfigError(
                f"{self._said} was begun by another version of lrfind, whose settings are not these ("
                f"{listed(single[:4])}): go on with that version, or run it again without {self.key}. What "
                f"it had measured stays in {self.where}."
            )
        clauses = [clause for key, clause in differing(before, now).items() if key not in single]
        if clauses:
            more = "; and others" if len(clauses) > 4 else ""
            overrides = Path(self.where) / ".hydra" / "overrides.yaml"
            raise ConfigError(
                f"{self._said} is another experiment: {'; '.join(clauses[:4])}{more}. Give the overrides it "
                f"was started with (they are in {overrides})."
            )
        return single

    @property
    def _said(self) -> str:
        return f"{self.key}={self.where}"


def comparable(config: Any, *, free: Collection[str]) -> dict[str, Any]:
    """A config as dotted keys and plain values, but for the `free` ones, which may change meanwhile."""
    flat = _flat(plain(dataclasses.asdict(config)), "")
    return {key: value for key, value in flat if key not in free}


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, str]:
    """What differs between the config there and the one here: a clause each, by its key."""
    missing = object()
    return {
        key: f"{key} was {_value(one, key)} there and is {_value(other, key)} here"
        for key in sorted({*one, *other})
        if one.get(key, missing) != other.get(key, missing)
    }


def _value(config: Mapping[str, Any], key: str) -> str:
    value = config.get(key, "missing")
    return "null" if value is None else str(value)


def _flat(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
