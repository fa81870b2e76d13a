"""What a run leaves for programs: the CSV of a range test and the JSON record."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from lrfind.report.files import csv_text

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from lrfind.range_test.curve import Curve
    from lrfind.report.files import Cell
    from lrfind.suggestion import Status, Suggestion

SCHEMA_VERSION = 1
"""Version of the JSON record; a key that changes its meaning or goes raises it."""


def range_csv(curve: Curve) -> str:
    """Makes the text of `range.csv`: one row a step, counted from 0.

    `start_loss` (of the model as it was at the start, on the same batch), `accuracy`, `start_accuracy` and
    `validation_loss` are columns only where they were measured; between two measurements
    of the validation loss the cell is empty, and a validation loss that was measured as NaN reads the same.
    """
    columns = range_columns(curve)
    return csv_text(list(columns), zip(*columns.values(), strict=True))


def range_columns(curve: Curve) -> dict[str, Sequence[Cell]]:
    """The columns of `range.csv` by name; see `range_csv`."""
    columns: dict[str, Sequence[Cell]] = {
        "step": range(len(curve)),
        "lr": curve.lrs.tolist(),
        "loss": curve.losses.tolist(),
        "smoothed_loss": curve.smoothed.tolist(),
    }
    for name, values in (
        ("start_loss", curve.start_losses),
        ("accuracy", curve.accuracies),
        ("start_accuracy", curve.start_accuracies),
    ):
        if values is not None:
            columns[name] = values.tolist()
    if curve.validation_losses is not None:
        known = curve.validation_losses.tolist()
        columns["validation_loss"] = [None if math.isnan(loss) else loss for loss in known]
    return columns


def record(
    *,
    command: str,
    status: Status,
    suggestion: Suggestion | None,
    rules: Mapping[str, float | None],
    verdict: str,
    steps: int,
    seconds: float,
    seed: int | None,
    device: str,
    config: Mapping[str, Any],
    environment: Mapping[str, str | None],
    files: Sequence[str | os.PathLike[str]],
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    """Makes the JSON record of a run, `schema_version` 1 (`record.schema.json`).

    Args:
        command: `range`, `refine`, ...
        status: Why the sweep ended.
        suggestion: The suggestion, or None where the curve allows none.
        rules: Every rule's own answer, or None where it has none.
        verdict: What the curve shows and what to do, in a sentence.
        steps: Training steps taken.
        seconds: Wall-clock time of the run.
        seed: The seed, or None where none was set.
        device: The device as torch spells it, `cuda:0`.
        config: The whole composed config: mappings, sequences, numbers, strings, enums, paths, dataclasses.
        environment: As `lrfind.report.environment.environment` returns it.
        files: Paths of the files of the run, as the reader should see them.
        warnings: Sentences a reader should know of; the key is left out where there are none.

    Returns:
        The record in the contract's order of keys, of plain dicts, lists, strings and finite numbers: NaN
        and infinities are None, however deep.
    """
    content = {
        "schema_version": SCHEMA_VERSION,
        "command": command,
        "status": status,
        "suggestion": suggestion,
        "rules": rules,
        "verdict": verdict,
        "steps": steps,
        "seconds": seconds,
        "seed": seed,
        "device": device,
        "config": config,
        "environment": environment,
        "files": list(files),
    }
    if warnings:
        content["warnings"] = list(warnings)
    return {key: plain(value) for key, value in content.items()}


def plain(value: object) -> Any:
    """Turns a value into what JSON can say; NaN and infinities, which it cannot, become None.

    Raises:
        TypeError: The value has no place in a record.
    """
    # An Enum that is also a str must lose its class before the test for str.
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dict(_fields(value))
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays, without importing NumPy
        return plain(value.tolist())
    raise TypeError(f"a record holds no {type(value).__name__}, got {value!r}")


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(value):
        # As the key of a config is spelled: a field has an underscore where the key is a word of Python.
        yield field.name.removesuffix("_"), plain(getattr(value, field.name))


def to_json(content: Mapping[str, Any]) -> str:
    """Spells a record as JSON text: indented, in the order of its keys, ASCII only, a newline at its end."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"
