"""What a schedule leaves for programs, and what it says on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lrfind.report.answer import file_lines
from lrfind.report.files import csv_text
from lrfind.report.formatting import counted
from lrfind.report.table import Column, Paragraph, Row, Table
from lrfind.schedule.trial_report import tried_record
from lrfind.schedules.policy import Policy
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lrfind.report.answer import Lines
    from lrfind.report.files import Cell
    from lrfind.schedule.peak import Peak
    from lrfind.schedule.results import Tried
    from lrfind.schedules.schedule import ScheduleTable

_COLUMNS = 6
"""Intervals between the steps of the table on the screen."""


def schedule_csv(courses: Sequence[ScheduleTable]) -> str:
    """Makes the text of `schedule.csv`: a row a step, policy after policy.

    Step i is the rate of update i, counted from 0; the last row, step `num_steps`, is where the policy has
    arrived after the last update. The column `momentum` is there where a policy moves it, its cells empty for
    the others.
    """
    moved = any(course.momenta is not None for course in courses)
    return csv_text(["policy", "step", "lr", *(["momentum"] if moved else [])], _rows(courses, moved=moved))


def _rows(courses: Sequence[ScheduleTable], *, moved: bool) -> Iterator[Sequence[Cell]]:
    for course in courses:
        name = course.schedule.policy.value
        rates = course.rates.tolist()
        momenta = [None] * len(rates) if course.momenta is None else course.momenta.tolist()
        for step, (rate, momentum) in enumerate(zip(rates, momenta, strict=True)):
            yield [name, step, rate, momentum] if moved else [name, step, rate]


def schedule_record(
    courses: Sequence[ScheduleTable], tried: Tried | None, *, held_out: int
) -> dict[str, Any]:
    """What the record of `lrfind schedule` has beside that of the other commands.

    Args:
        courses: The schedules.
        tried: What was measured under them; None where they were not tried.
        held_out: Samples that it was measured on.
    """
    content: dict[str, Any] = {"policies": policy_records(courses)}
    if tried is not None:
        content |= {"held_out_samples": held_out, "tried": tried_record(tried)}
    return content


def policy_records(courses: Sequence[ScheduleTable]) -> list[dict[str, Any]]:
    """The record's `policies`: what each is made of, and the PyTorch code that gives its rates."""
    return [
        {
            "policy": course.schedule.policy,
            "lr": course.schedule.lr,
            "num_steps": course.schedule.num_steps,
            "parameters": dict(course.schedule.parameters),
            "code": course.torch_code,
        }
        for course in courses
    ]


def schedule_verdict(courses: Sequence[ScheduleTable]) -> str:
    """What the rates do, in a sentence."""
    steps = courses[0].schedule.num_steps
    return f"Over {counted(steps, 'step')}: {'; '.join(map(_words, courses))}."


def _words(course: ScheduleTable) -> str:
    rates = course.rates
    first, last = rate_text(float(rates[0])), rate_text(float(rates[-1]))
    highest = int(np.argmax(rates))
    name = course.schedule.policy.value
    if rates.min() == rates.max():
        return f"{name} stays at {first}"
    if course.schedule.policy is Policy.CYCLIC:
        return f"{name} goes between {rate_text(float(rates.min()))} and {rate_text(float(rates.max()))}"
    if highest == 0:
        return f"{name} falls from {first} to {last}"
    peak = rate_text(float(rates[highest]))
    return f"{name} rises from {first} to {peak} at step {highest:,}, then falls to {last}"


def schedule_lines(
    courses: Sequence[ScheduleTable],
    peak: Peak,
    files: Sequence[Path],
    *,
    trial: Sequence[Paragraph | Table] = (),
) -> Lines:
    """Works out what is written to stdout: rates at a few steps, the code of each policy, the files.

    Args:
        courses: The schedules, all of as many steps.
        peak: Where their rates come from.
        files: Paths of the files.
        trial: What was measured under the policies, where they were tried.
    """
    policies = [course.schedule.policy for course in courses]
    said = ", ".join(filter(None, (peak.text(policies), peak.origin(policies))))
    cycles = [course for course in courses if course.schedule.policy is Policy.CYCLIC]
    said = "; ".join([said, *map(_words, cycles)])
    name = "Peak learning" if peak.is_reached_by(each.schedule for each in courses) else "Learning"
    lines: Lines = [
        Paragraph(f"{name} rate: {said}", "bold green"),
        *trial,
        Paragraph(""),
        _rate_table(courses),
    ]
    for course in courses:
        # Not indented, so that it can be pasted.
        lines += [Paragraph(""), Paragraph(f"{course.schedule.policy.value} in PyTorch:", "bold")]
        lines += [Paragraph(line) for line in course.torch_code.splitlines()]
    after = "scheduler.step() belongs after every optimizer.step(): the steps are updates, not epochs."
    return [*lines, Paragraph(after), *file_lines(files)]


def _rate_table(courses: Sequence[ScheduleTable]) -> Table:
    """The rates at a few steps; of many columns every second one goes first where the screen is narrow."""
    steps = table_steps(courses[0].schedule.num_steps)
    ranks = [0 if i in (0, len(steps) - 1) else 2 - i % 2 for i in range(len(steps))]
    columns = [Column("at step", words=True)]
    columns += [Column(f"{step}", rank=rank) for step, rank in zip(steps, ranks, strict=True)]
    rows = []
    for course in courses:
        rates = [rate_text(float(course.rates[step]), 4) for step in steps]
        rows.append(Row([course.schedule.policy.value, *rates]))
        if course.momenta is not None:
            momenta = [f"{course.momenta[step]:.4g}" for step in steps]
            rows.append(Row([" momentum", *momenta], style="dim"))
    return Table(columns, rows)


def table_steps(num_steps: int) -> list[int]:
    """A handful of steps, evenly spread, from the first to where the training ends."""
    return sorted({round(k * num_steps / _COLUMNS) for k in range(_COLUMNS + 1)})
