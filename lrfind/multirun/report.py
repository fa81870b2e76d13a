"""What a multirun leaves beside the files of its jobs: `multirun.csv`, and a table on the screen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lrfind.multirun.results import FAILED, UNFINISHED
from lrfind.report.files import csv_text
from lrfind.report.formatting import counted
from lrfind.report.table import Column, Paragraph, Row, Table
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lrfind.multirun.results import MultirunJob

_WIDE = 80
"""Characters that a table takes on any terminal."""

_LONG = (20, 14, 8)
"""Characters of a value of an override that a table shows; fewer where it would be too wide."""


def multirun_csv(jobs: Sequence[MultirunJob]) -> str:
    """Makes the text of `multirun.csv`: one row a job, and a column for each key that any of them was given.

    `status` is what the curve shows where there is one (`healthy`), else that of the record; `failed` where
    the job could not be run, and `message` says why; `unfinished` where it did not come to its end. `loss`
    is there with `objective=loss`: infinite where there is no answer.
    """
    keys = _keys(jobs)
    loss = ["loss"] if _has_losses(jobs) else []
    header = ["job", *keys, "status", "lr", "low", "high", *loss, "message"]
    rows = [
        [
            job.folder,
            *(job.values.get(key) for key in keys),
            job.status,
            job.lr,
            job.low,
            job.high,
            *([job.loss] if loss else []),
            " ".join([job.message, *job.record.get("warnings", ())]),
        ]
        for job in jobs
    ]
    return csv_text(header, rows)


def varied(jobs: Sequence[MultirunJob]) -> list[str]:
    """The keys that the jobs differ in."""
    return [key for key in _keys(jobs) if len({job.values.get(key) for job in jobs}) > 1]


def multirun_lines(jobs: Sequence[MultirunJob]) -> list[Paragraph]:
    """Works out the table of all jobs: what they differ in, what they show, what they suggest."""
    keys = varied(jobs)
    cells = _cells(jobs, keys, _LONG[0])
    for most in _LONG:
        if _width(cells) > _WIDE:
            cells = _cells(jobs, keys, most)
    if _width(cells) > _WIDE:
        cells = [row[:-1] for row in cells]
    head, *rows = cells
    lines = [Row(row, style="red" if _is_lost(job) else "") for job, row in zip(jobs, rows, strict=True)]
    table = Table([Column(name, words=True) for name in head], lines)
    return [Paragraph(""), *(replace(line, hang=0) for line in table.lines())]


def count_text(jobs: Sequence[MultirunJob], planned: int | None, sweep: Path) -> str:
    """Says how many jobs suggest a rate; of a multirun that was cut off, what there is of the others.

    `jobs` are those that were begun, `planned` is how many there were to be; None where a sweeper makes them
    as it goes.
    """
    answered, ended = sum(job.lr is not None for job in jobs), sum(job.ended for job in jobs)
    left = max(0, (planned or 0) - len(jobs))
    if ended == len(jobs) and not left:
        return f"{answered} of {counted(len(jobs), 'job')} suggest{'s' * (len(jobs) == 1)} a learning rate"
    count = f"{ended or 'none'} of {counted(planned, 'job')}" if planned else counted(ended, "job")
    told = [f"{count} came to an end" + (f", {answered} with a learning rate" if ended else "")]
    told += [
        f"what job {job.number} had measured is in {sweep / job.folder}"
        for job in jobs
        if job.record and not job.ended
    ]
    if left:
        told.append(f"{left} {'was' if left == 1 else 'were'} not begun")
    return "; ".join(told)


def _cells(jobs: Sequence[MultirunJob], keys: Sequence[str], most: int) -> list[list[str]]:
    """The table with its header, no value of an override longer than that."""
    losses = _has_losses(jobs)
    cells = [["job", *_short(keys), "status", *(["loss"] if losses else []), "lr", "bracket"]]
    for job in jobs:
        values = [_cut(job.values.get(key, ""), most) for key in keys]
        lr = "none" if job.lr is None else rate_text(job.lr)
        known = job.low is not None and job.high is not None
        bracket = f"{rate_text(job.low)} to {rate_text(job.high)}" if known else ""  # type: ignore[arg-type]
        loss = [("" if job.loss is None else f"{job.loss:.4g}")] if losses else []
        cells.append([str(job.number), *values, job.status, *loss, "" if _is_lost(job) else lr, bracket])
    return cells


def _has_losses(jobs: Sequence[MultirunJob]) -> bool:
    return any(job.loss is not None for job in jobs)


def _is_lost(job: MultirunJob) -> bool:
    return job.status in (FAILED, UNFINISHED)


def _keys(jobs: Sequence[MultirunJob]) -> list[str]:
    return list(dict.fromkeys(key for job in jobs for key in job.values))


def _short(keys: Sequence[str]) -> list[str]:
    """The last part of each dotted key, where no other key ends so."""
    ends = [key.rpartition(".")[2] for key in keys]
    return [end if ends.count(end) == 1 else key for key, end in zip(keys, ends, strict=True)]


def _cut(value: str, most: int) -> str:
    return value if len(value) <= most else f"{value[: most - 3]}..."


def _width(cells: Sequence[Sequence[str]]) -> int:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return sum(widths) + 2 * len(widths)
