"""`lrfind range`: the learning-rate range test."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from lrfind.range_test.config import Groups, RangeConfig
from lrfind.report.output import Report
from lrfind.report.record import Findings, plain

if TYPE_CHECKING:
    from pathlib import Path

    from lrfind.range_test.run import RangeTest
    from lrfind.report.observers import Observer


def run(config: RangeConfig, directory: Path, observer: Observer) -> Report:
    """The job: builds the task, sweeps, reads the curve.

    Raises:
        UserError: Something cannot be used as given.
    """
    # torch is imported only for a config that can be run.
    if config.range.groups is Groups.EACH:
        return _report_of_each(config, observer)
    from lrfind.plotting.draw import picture
    from lrfind.range_test.plot import range_page
    from lrfind.range_test.report import range_csv, range_lines, range_record
    from lrfind.range_test.run import range_test_of

    found = range_test_of(config, observer=observer)
    curve, reading, repeats = found.curve, found.reading, found.repeats
    own = range_record(plain(config.range), reading, repeats)
    return Report(
        findings=_findings(
            config,
            found,
            status=curve.status,
            suggestion=reading.suggestion,
            rules=reading.rules,
            verdict=reading.verdict,
            steps=found.steps,
            own=own,
            groups=found.groups,
        ),
        files={
            "range.csv": partial(range_csv, curve, repeats),
            "range.png": partial(picture, range_page, curve, reading, found.title, repeats),
            "range.json": None,
        },
        loss=float(reading.smoothed.drawn[reading.smoothed.lowest_drawn]) if reading.suggestion else None,
        lines=partial(
            range_lines,
            reading,
            repeats,
            groups=found.groups,
            peaks=own.get("peaks", ()),
            measured=own["measured"],
        ),
    )


def _report_of_each(config: RangeConfig, observer: Observer) -> Report:
    """The job where every group of parameters is swept alone too."""
    from lrfind.plotting.draw import picture
    from lrfind.range_test.group_plot import each_page
    from lrfind.range_test.group_sweeps import each_group_of
    from lrfind.range_test.report import each_csv, each_lines, each_record

    found = each_group_of(config, observer=observer)
    return Report(
        findings=_findings(
            config,
            found.together,
            status=found.status,
            suggestion=found.suggestion,
            rules=found.rules,
            verdict=found.verdict,
            steps=found.steps,
            own=each_record(found),
            groups=found.groups,
        ),
        files={
            "range.csv": partial(each_csv, found),
            "range.png": partial(picture, each_page, found),
            "range.json": None,
        },
        lines=partial(each_lines, found),
    )


def _findings(config: RangeConfig, found: RangeTest, **read: Any) -> Findings:
    """What a record is made of: what the task says, and what was read."""
    return Findings(
        command="range",
        seed=config.seed,
        device=found.device,
        config=config,
        notes=[*found.notes, *filter(None, [found.reading.no_learning])],
        skipped=found.skipped,
        **read,
    )
