"""The suggested rate in a config file of the user's: one number of it, and nothing else, is changed."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrfind.errors import ConfigError, OutputError
from lrfind.report.config_text import EXAMPLE, EXTRA, FLAG, READERS, KeyTextError, NumberPlace
from lrfind.report.files import replace_file
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lrfind.suggestion import Group


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """A key of a config file that a suggested rate is to be written to.

    Attributes:
        file: The file; a link is followed.
        key: The dotted key; a list's elements are counted from 0.
    """

    file: Path
    key: str

    @classmethod
    def of(cls, given: str) -> ConfigKey:
        """The key that `FILE:KEY` names, found to hold a number in a file that can be written.

        Raises:
            ConfigError: It is not so spelled, the format is not known, or there is no number.
            OutputError: The file cannot be written.
        """
        file, colon, key = given.rpartition(":")
        if not (colon and file and key) or not all(key.split(".")):
            raise ConfigError(f"{FLAG} needs a file and a key of it, got {given!r}: {EXAMPLE}.")
        found = cls(Path(file).expanduser(), key)
        found.check()
        return found

    def check(self) -> None:
        """Looks whether the rate could be written now.

        Raises:
            ConfigError: There is no number.
            OutputError: The file cannot be written.
        """
        self._place(self._text())
        target = self.file.resolve()
        for path, why in ((target, "it is read-only"), (target.parent, "its folder cannot be written to")):
            if not os.access(path, os.W_OK):
                raise OutputError(f"{FLAG}: {self.file} cannot be written: {why}.")

    def entry(self, lr: float) -> dict[str, str | float]:
        """What the record says of the rate being written there, the number that stands there now included.

        Raises:
            ConfigError: There is none any more.
        """
        old = self._place(self._text()).value
        return {"file": str(self.file), "key": self.key, "old": old, "new": lr}

    def write(self, lr: float) -> None:
        """Puts the rate there: the file is replaced whole, or stays as it was.

        Its permissions stay, and a link stays a link. Where the number is there already nothing is written.

        Raises:
            ConfigError: The number is no longer there.
            OutputError: The file cannot be written.
        """
        text = self._text()
        place = self._place(text)
        if place.value == lr:
            return
        target = self.file.resolve()
        try:
            mode = stat.S_IMODE(target.stat().st_mode)
            replace_file(target, place.replaced(text, lr).encode("utf-8"), mode=mode)
        except OSError as error:
            raise OutputError(f"{FLAG}: {self.file} cannot be written: {error.strerror or error}.") from error

    def told(self, entry: Mapping[str, Any] | None, groups: Sequence[Group]) -> str:
        """What became of the file, in a sentence or two; `entry` is what the record says of it."""
        where = f"{self.file}: {self.key}"
        if entry is None:
            return f"{where} is as it was."
        now = f"{where} is {rate_text(entry['new'])}"
        said = f"{now} already." if entry["old"] == entry["new"] else f"{now} now, and was {entry['old']:g}."
        if groups:
            fastest = max(groups, key=lambda group: group.ratio)
            said += f" It is the rate of {fastest.name}; the record has those of the other groups."
        return said

    def _text(self) -> str:
        if self.file.suffix.lower() not in READERS:
            raise ConfigError(
                f"{FLAG}: {self.file} is of no format that lrfind can write to: its name must end in "
                f"{', '.join(READERS)}."
            )
        try:
            if not stat.S_ISREG(self.file.stat().st_mode):
                raise ConfigError(f"{FLAG}: {self.file} is no file.")
            return self.file.read_bytes().decode("utf-8")
        except FileNotFoundError as error:
            raise ConfigError(f"{FLAG}: {self.file} is not there.") from error
        except OSError as error:
            raise ConfigError(f"{FLAG}: {self.file} cannot be read: {error.strerror or error}.") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{FLAG}: {self.file} is no text in UTF-8.") from error

    def _place(self, text: str) -> NumberPlace:
        try:
            return READERS[self.file.suffix.lower()](text, self.key.split("."))
        except KeyTextError as error:
            raise ConfigError(f"{FLAG}: {self.file} {error}.") from error
        except ImportError as error:
            raise ConfigError(
                f"{FLAG}: TOML files need tomlkit, which keeps comments and layout: pip install "
                f"'lrfind[{EXTRA}]'."
            ) from error
