"""The loss over the learning rate that each job of a multirun measured, read back from its CSV."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrfind.range_test.saved import saved_tests

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from lrfind.multirun.results import MultirunJob
    from lrfind.statistics import Floats

    Row = dict[str, str]

MEASURED = {
    "range": "training loss, smoothed",
    "refine": "loss of the last round",
    "verify": "held-out loss at the end",
    "compare": "held-out loss at the end",
}
"""What is drawn of each command; a schedule has no loss at a rate."""


@dataclass(frozen=True, slots=True, eq=False)
class JobCurve:
    """A curve of a job.

    Attributes:
        job: The job.
        lrs: Learning rates, rising, shape (points,).
        losses: Losses, shape (points,); NaN where a rate diverged.
        part: Which of the job's curves it is, where there are several; may be empty.
    """

    job: MultirunJob
    lrs: Floats
    losses: Floats
    part: str = ""


def curves_of(jobs: Iterable[MultirunJob], sweep: Path) -> list[JobCurve]:
    """The curves of jobs that left one; a file that is gone, or is no table, is passed over."""
    found: list[JobCurve] = []
    for job in jobs:
        if job.command not in MEASURED or not job.record:
            continue
        with suppress(OSError, ValueError, KeyError, IndexError, csv.Error):
            with (sweep / job.folder / f"{job.command}.csv").open(newline="", encoding="utf-8") as stream:
                rows = list(csv.DictReader(stream))
            found += _of_range(job, rows) if job.command == "range" else _of_runs(job, rows)
    return found


def _of_range(job: MultirunJob, rows: Sequence[Row]) -> list[JobCurve]:
    """The line that is drawn, as in the job's own picture, of all groups of parameters together."""
    line = saved_tests(rows, job.record)[0].smoothed
    return [JobCurve(job, line.lrs, line.drawn)] if len(line) else []


_PARTS = ("optimizer", "batch_size")
"""Columns by which the rows of `compare.csv` are told apart."""


def _of_runs(job: MultirunJob, rows: Sequence[Row]) -> list[JobCurve]:
    """The mean over the seeds of the loss that each rate came to."""
    if job.command == "refine":
        last = max(int(row["round"]) for row in rows)
        rows = [row for row in rows if int(row["round"]) == last]
    loss = "loss"
    if job.command == "verify":
        loss = "held_out_loss"
        # Those of runs that were given up or left are losses on the way; one that diverged has no number.
        end = str(job.record["judged_after"]["steps"])
        rows = [row for row in rows if not row["loss"] and (row["step"] == end or row[loss] == "inf")]
    at_end: dict[tuple[str, ...], dict[tuple[float, str], float]] = defaultdict(dict)
    for row in rows:
        value = float(row[loss]) if row[loss] else math.nan
        run = (float(row["lr"]), row.get("seed", ""))
        if row[loss] or run not in at_end[_part(row)]:
            at_end[_part(row)][run] = value if math.isfinite(value) else math.nan  # the last row counts
    return [_mean_curve(job, part, runs, several=len(at_end) > 1) for part, runs in at_end.items()]


def _part(row: Row) -> tuple[str, ...]:
    return tuple(row[name] for name in _PARTS if name in row)


def _mean_curve(
    job: MultirunJob, part: tuple[str, ...], runs: dict[tuple[float, str], float], *, several: bool
) -> JobCurve:
    losses: dict[float, list[float]] = defaultdict(list)
    for (lr, _), loss in runs.items():
        losses[lr].append(loss)
    lrs = sorted(losses)
    means = np.array([float(np.mean(losses[lr])) for lr in lrs])
    return JobCurve(job, np.array(lrs), means, " ".join(part) if several else "")
