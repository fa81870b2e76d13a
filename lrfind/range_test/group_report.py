"""What a range test of each group of parameters leaves for programs, and what it says on the screen."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from lrfind.range_test.report import curve_columns, range_record, repeats_line
from lrfind.report.answer import answer_lines
from lrfind.report.files import csv_text
from lrfind.report.record import plain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lrfind.range_test.group_sweeps import EachGroup
    from lrfind.range_test.run import RangeTest
    from lrfind.report.answer import Lines
    from lrfind.report.files import Cell


def each_csv(found: EachGroup) -> str:
    """Makes the text of `range.csv`: the rows of all groups together, then of each alone, and whose they are.

    `group` is empty where all groups are swept together. There `start_loss` is the loss of the model as it
    was at the start, and of a group alone that of its control. Else the columns are those of `range_csv`; a
    cell is empty where the sweep has no such column.
    """
    several = any(test.repeats is not None for test in (found.together, *(each.test for each in found.alone)))
    parts = _parts(found.together, None, several)
    for each in found.alone:
        parts += _parts(each.test, each.group.name, several)
    header = list(dict.fromkeys(chain.from_iterable(parts)))
    rows = chain.from_iterable(
        zip(*(part.get(name, [None] * len(part["lr"])) for name in header), strict=True) for part in parts
    )
    return csv_text(header, rows)


def _parts(test: RangeTest, group: str | None, several: bool) -> list[dict[str, Sequence[Cell]]]:
    """The columns of every sweep of a test."""
    curves = [(0, test.curve)]
    if test.repeats is not None:
        curves = list(zip(test.repeats.seeds, test.repeats.curves, strict=True))
    parts: list[dict[str, Sequence[Cell]]] = []
    for seed, curve in curves:
        seeds: dict[str, Sequence[Cell]] = {"seed": [seed] * len(curve)} if several else {}
        parts.append({"group": [group] * len(curve)} | curve_columns(curve) | seeds)
    return parts


def each_record(found: EachGroup) -> dict[str, Any]:
    """What the record has of every group's own sweeps, beside its rate (`groups`).

    `shape` and `repeats` are those of all groups together; what such answers are worth is in no benchmark of
    the rule (`measured`).
    """
    return range_record({}, found.together.reading, found.together.repeats) | {
        "each": [
            {
                "group": each.group.name,
                "status": plain(each.test.curve.status),
                "suggestion": plain(each.test.reading.suggestion),
                "rules": plain(each.test.reading.rules),
                "sweeps": 1 if each.test.repeats is None else len(each.test.repeats.curves),
                "verdict": each.test.reading.verdict,
            }
            for each in found.alone
        ],
        "together": plain(found.together.reading.suggestion),
    }


def each_lines(found: EachGroup, files: Sequence[Path]) -> Lines:
    """Works out what is written to stdout: the rate of each group, the verdict, the files."""
    verdict = f"{repeats_line(found.together.repeats)} {found.verdict}".strip()
    return answer_lines(found.suggestion, verdict, files, found.groups)
