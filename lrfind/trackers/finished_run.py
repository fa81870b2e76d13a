"""A run directory that is finished, as a tracker takes it: curves over the learning rate, numbers, files."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_COUNTED = ("step", "iteration")
"""Columns along which a run goes on at one rate: what is read is the last."""

_MEASURED = ("loss", "accuracy")
"""How the names of columns end that hold what was measured."""

_NO_RESULTS = (".lrfind", "tensorboard", "events.out", "wandb")
"""How the names of files and folders begin that are none of the run's results."""


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """What a command left."""

    directory: Path
    record: Mapping[str, Any]

    @classmethod
    def newest(cls, directory: Path, *, since: float) -> FinishedRun | None:
        """The run whose record was written last, but not before `since`, seconds since the epoch; or None."""
        # Clocks of file systems are coarse.
        written = [path for path in directory.glob("*.json") if path.stat().st_mtime >= since - 2]
        for path in sorted(written, key=lambda path: path.stat().st_mtime, reverse=True):
            record = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(record, dict) and "schema_version" in record:
                return cls(directory, record)
        return None

    @property
    def command(self) -> str:
        """Which command it was."""
        return str(self.record["command"])

    @property
    def name(self) -> str:
        """A short name: the command and the run directory."""
        return f"{self.command} {self.directory.parent.name}/{self.directory.name}"

    @property
    def numbers(self) -> dict[str, float]:
        """The suggestion and its bracket where there is one, steps and seconds."""
        suggestion = self.record["suggestion"] or {}
        found = {f"suggested_{key}": suggestion.get(key) for key in ("lr", "low", "high")}
        found |= {"steps": self.record["steps"], "seconds": self.record["seconds"]}
        return {key: float(value) for key, value in found.items() if value is not None}

    @property
    def words(self) -> dict[str, str]:
        """How it ended, what shape its curve has, by what rule the suggestion was made, and the verdict."""
        suggestion = self.record["suggestion"] or {}
        found = {
            "command": self.command,
            "status": self.record["status"],
            "shape": self.record.get("shape"),
            "rule": suggestion.get("rule"),
        }
        return {key: str(value) for key, value in found.items() if value} | {
            "verdict": str(self.record["verdict"])
        }

    @property
    def settings(self) -> dict[str, str | int | float | bool]:
        """The whole config, one value a dotted key."""
        return dict(_flat(self.record["config"]))

    @property
    def curves(self) -> dict[str, list[tuple[float, float]]]:
        """Learning rates and what was measured at each, rising, by the name of the curve.

        Of several rounds, seeds, batch sizes or optimizers each has a curve of its own,
        `loss/round_1/seed_0`; of several steps at one rate the last counts. What is not finite is left out.
        """
        found: dict[str, dict[float, float]] = {}
        path = self.directory / f"{self.command}.csv"
        if not path.is_file():
            return {}
        with path.open(encoding="utf-8", newline="") as stream:
            rows = csv.DictReader(stream)
            header = list(rows.fieldnames or ())
            if "lr" not in header:
                return {}
            measured = [name for name in header if name.endswith(_MEASURED)]
            kinds = [name for name in header if name not in (*measured, *_COUNTED, "lr", "segment")]
            for row in rows:
                of = "".join(f"/{kind}_{row[kind]}" for kind in kinds if row[kind])
                lr = float(row["lr"])
                for name in measured:
                    value = float(row[name] or "nan")
                    if math.isfinite(value) and lr > 0:
                        found.setdefault(f"{name}{of}", {})[lr] = value
        return {name: sorted(values.items()) for name, values in found.items()}

    @property
    def pictures(self) -> list[Path]:
        """Its pictures."""
        return [path for path in self.files if path.suffix == ".png"]

    @property
    def files(self) -> list[Path]:
        """All files of the run, its config among them."""
        found = (path for path in self.directory.rglob("*") if path.is_file() and not path.is_symlink())
        parts = {path: path.relative_to(self.directory).parts for path in found}
        return sorted(p for p in parts if not any(part.startswith(_NO_RESULTS) for part in parts[p]))


def step_of(lr: float) -> int:
    """A learning rate as the whole number that trackers want for a step: a thousand to a decade."""
    return round(1000 * math.log10(lr))


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str | int | float | bool]]:
    for key, value in config.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, (bool, int, float, str)) else json.dumps(value)
