"""The loss or accuracy over the learning rate that each job of a multirun measured, read from its CSV."""

from __future__ import annotations

import csv
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrfind.range_test.plot import drawn_points
from lrfind.range_test.saved import saved_tests
from lrfind.report.load import compared_cell
from lrfind.report.saved_ends import ends_of, means_of
from lrfind.suggestion import Suggestion

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

ACCURACY = "training accuracy, smoothed"
"""What is drawn of a range test that is read from it."""


@dataclass(frozen=True, slots=True, eq=False)
class JobCurve:
    """A curve of a job.

    Attributes:
        lrs: Learning rates, rising, shape (points,).
        values: Shape (points,); NaN where a rate diverged.
        measured: What they are.
        part: Which of the job's curves it is, where there are several; may be empty.
        answers: Whether the suggested rate is one for it.
    """

    job: MultirunJob
    lrs: Floats
    values: Floats
    measured: str
    part: str = ""
    answers: bool = True


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
    test = saved_tests(rows, job.record)[0]
    accuracy = test.curve.accuracies is not None
    lrs, values = drawn_points(test.smoothed, accuracy=accuracy)
    return [JobCurve(job, lrs, values, ACCURACY if accuracy else MEASURED["range"])] if len(lrs) else []


def _of_runs(job: MultirunJob, rows: Sequence[Row]) -> list[JobCurve]:
    """The mean over the seeds of the loss that each rate came to."""
    ends = ends_of(job.command, rows, job.record, last_round=True)
    several = len(ends) > 1
    return [
        JobCurve(
            job, *means_of(runs), MEASURED[job.command], name if several else "", answers=_answers(job, name)
        )
        for name, runs in ends.items()
    ]


def _answers(job: MultirunJob, name: str) -> bool:
    """Whether the suggestion is read from a line: of a comparison one is, of two sweeps the restarted one."""
    if job.lr is None or job.command != "compare":
        return not name.endswith("continued")
    cell = compared_cell(job.record, Suggestion(**job.record["suggestion"]))
    words = {"optimizer": f"{cell.get('optimizer')} ", "batch_size": f"batch size {cell.get('batch_size')} "}
    return all(words[key] in f"{name} " for key in cell)
