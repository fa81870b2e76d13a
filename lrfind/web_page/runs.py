"""Finished runs, read back from their folders: the record, and the measurements as lines of a chart."""

from __future__ import annotations

import csv
import json
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrfind.errors import UserError
from lrfind.multirun.results import ERROR_FILE
from lrfind.range_test.group_plot import without_others
from lrfind.range_test.plot import drawn_points
from lrfind.range_test.saved import saved_tests
from lrfind.report.load import task_of
from lrfind.report.saved_ends import ends_of, means_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

COMMANDS = ("range", "refine", "verify", "compare", "schedule")
_NEEDED = {"command", "status", "suggestion", "verdict", "rules", "config"}
_MOST_POINTS = 2000
"""Points of a line; of more, every so many-th is drawn."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """A line or a cloud of points.

    Attributes:
        name: What it is called where the pointer rests.
        points: From left to right, finite.
        joined: Whether they are joined by a line.
        marked: Whether each is a mark of its own that is to be seen, as the end of a training.
    """

    name: str
    points: list[Point]
    joined: bool = True
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """What was measured.

    Attributes:
        x: Name of the axis; logarithmic where it is a learning rate.
        y: Name of the other axis.
        series: Clouds first, lines and marks above them.
    """

    x: str
    y: str
    series: list[Series]


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run.

    Attributes:
        name: Its folder, from where the page is made.
        folder: The same, whole.
        chart: What was measured, or None where the CSV is not there.
    """

    name: str
    folder: Path
    record: Mapping[str, Any]
    chart: Chart | None

    @property
    def task(self) -> str:
        """What was trained on what."""
        return str(self.record.get("task") or task_of(self.record["config"]))

    @property
    def repeat(self) -> str:
        """The command line that repeats it; empty where none does, as for a function called in Python."""
        saved = self.folder / ".hydra"
        if not (saved / "config.yaml").is_file():
            return ""
        return f"lrfind {self.record['command']} --config-dir {saved} --config-name config"


@dataclass(frozen=True, slots=True)
class Failure:
    """A job of a multirun that could not be run.

    Attributes:
        name: Its folder, from where the page is made.
    """

    name: str
    message: str


def runs_in(folders: Sequence[Path]) -> list[Run]:
    """The finished runs in some folders and all folders below them, oldest first.

    Raises:
        UserError: A folder is not there, a record cannot be read, or there is no run.
    """
    found: dict[Path, None] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UserError(
                f"{folder} is no folder: give the run directory of an earlier run, or one above several."
            )
        for command in COMMANDS:
            found |= dict.fromkeys(path.resolve() for path in folder.rglob(f"{command}.json"))
    by_age = sorted(found, key=lambda path: (path.stat().st_mtime, path))
    runs = [run for path in by_age if (run := _run(path))]
    if not runs:
        named = ", ".join(map(str, folders))
        raise UserError(
            f"{named}: no finished run is in there ({', '.join(f'{each}.json' for each in COMMANDS)}): give "
            "the run directory that lrfind named at the end of a run, or a folder above several."
        )
    return runs


def failures_in(folders: Sequence[Path]) -> list[Failure]:
    """The jobs of multiruns in some folders, and below them, that could not be run."""
    found = dict.fromkeys(path.resolve() for folder in folders for path in sorted(folder.rglob(ERROR_FILE)))
    return [Failure(_name_of(path.parent), path.read_text("utf-8", "replace").strip()) for path in found]


def newest_folder() -> Path:
    """The folder of the newest run below `outputs` and `multirun`; a UserError where there is none."""
    records = [
        path
        for root in ("outputs", "multirun")
        for command in COMMANDS
        for path in Path(root).rglob(f"{command}.json")
    ]
    if not records:
        raise UserError("no run is below outputs or multirun: give a run directory, lrfind report DIR.")
    return max(records, key=lambda path: path.stat().st_mtime).parent


def _run(path: Path) -> Run | None:
    """The run of a record; None for another program's file of that name."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read as a record of lrfind: {error}.") from error
    if not isinstance(record, dict) or not record.keys() >= _NEEDED or record["command"] != path.stem:
        return None
    return Run(_name_of(path.parent), path.parent, record, _chart(path.with_suffix(".csv"), record))


def _name_of(folder: Path) -> str:
    try:
        return folder.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(folder)


def _chart(path: Path, record: Mapping[str, Any]) -> Chart | None:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        if not rows:
            return None
        if path.stem == "range":
            return _of_range(rows, record)
        return _of_schedule(rows) if path.stem == "schedule" else _of_runs(path.stem, rows, record)
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return None  # not there, or cut short: the record says what was found


def _of_range(rows: list[dict[str, str]], record: Mapping[str, Any]) -> Chart:
    """What was read and the line through it, as in the picture of the run."""
    clouds, lines = [], []
    for test in saved_tests(rows, record):
        about = f" ({test.group} alone)" if test.group else ""
        curve = without_others(test.curve, test.smoothed.start) if test.group else test.curve
        accuracy = curve.accuracies is not None
        measured = curve.losses if curve.accuracies is None else curve.accuracies
        line = drawn_points(test.smoothed, accuracy=accuracy)
        clouds.append(_series(f"batch{about}", zip(curve.causes, measured, strict=True), joined=False))
        lines.append(_series(f"smoothed{about}", zip(*line, strict=True)))
    ends: dict[int, list[Point]] = defaultdict(list)
    for run in (record.get("trials") or {}).get("runs", []):
        if run["loss"] is not None:
            ends[run["steps"]].append((run["lr"], 1 - run["loss"] if accuracy else run["loss"]))
    lines += [
        Series(f"after {steps} steps at one rate", each, joined=False, marked=True)
        for steps, each in ends.items()
    ]
    return Chart("learning rate", "training accuracy" if accuracy else "training loss", clouds + lines)


def _of_runs(command: str, rows: list[dict[str, str]], record: Mapping[str, Any]) -> Chart:
    """What each rate came to, and its mean over the seeds, a line a round or batch size."""
    ends = ends_of(command, rows, record)
    lines = [
        _series(name or "mean over the seeds", zip(*means_of(runs), strict=True))
        for name, runs in ends.items()
    ]
    if command == "refine":
        cloud = _series("iteration", ((row["lr"], row["loss"]) for row in rows), joined=False)
        return Chart("learning rate", "loss", [cloud, *lines])
    each = ((lr, loss) for runs in ends.values() for (lr, _), loss in runs.items())
    cloud = _series("run", each, joined=False)
    return Chart("learning rate", "held-out loss at the end", [cloud, *lines])


def _of_schedule(rows: list[dict[str, str]]) -> Chart:
    by_policy: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        by_policy[row["policy"]].append(row)
    lines = [_series(name, ((row["step"], row["lr"]) for row in each)) for name, each in by_policy.items()]
    return Chart("step", "learning rate", lines)


def _series(name: str, points: Iterable[tuple[Any, Any]], *, joined: bool = True) -> Series:
    known = [(float(x), float(y)) for x, y in points]
    finite = [(x, y) for x, y in known if math.isfinite(x) and math.isfinite(y)]
    return Series(name, finite[:: max(1, math.ceil(len(finite) / _MOST_POINTS))], joined)
