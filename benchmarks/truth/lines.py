"""Results as lines of JSON that a later run adds to: what is recorded is not measured again."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


def rounded(value: float | None, digits: int = 6) -> float | None:
    """So many significant digits; None where it is not finite, which JSON cannot say."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{digits}g}")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """All lines of a file; none where there is no file. A last line that was cut off is left out."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def append_line(path: Path, line: dict[str, Any]) -> None:
    """Adds a line, on a line of its own even where the last one was cut off."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(line).encode() + b"\n")


def rewrite(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    """Puts these lines in the place of the file, whole or not at all."""
    aside = path.with_suffix(".aside")
    aside.write_text("".join(json.dumps(line) + "\n" for line in lines))
    aside.replace(path)


def without(path: Path, drop: Callable[[dict[str, Any]], bool]) -> None:
    """Drops the lines that are to be measured anew."""
    if path.is_file():
        rewrite(path, [line for line in read_lines(path) if not drop(line)])
