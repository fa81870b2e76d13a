"""`lrfind range`: the learning-rate range test."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lrfind.range_test.config import RangeConfig
from lrfind.report.output import Report
from lrfind.report.record import Findings, plain

if TYPE_CHECKING:
    from pathlib import Path

    from lrfind.range_test.run import RangeTest
    from lrfind.report.observers import Observer

CONFIG = RangeConfig
"""What the composed config has to be."""


def run(config: RangeConfig, directory: Path, observer: Observer) -> Report:
    """The job: builds the task, sweeps, reads the curve.

    Raises:
        UserError: Something cannot be used as given.
    """
    # torch is imported only for a config that can be run.
    from lrfind.range_test.report import range_csv, range_lines, range_record
    from lrfind.range_test.run import range_test_of
    from lrfind.tasks.devices import name_of, resolve

    found = range_test_of(config, observer=observer)
    curve, reading, repeats = found.curve, found.reading, found.repeats
    own = range_record(plain(config.range), reading, repeats)
    return Report(
        findings=Findings(
            command="range",
            status=curve.status,
            suggestion=reading.suggestion,
            rules=reading.rules,
            verdict=reading.verdict,
            steps=found.steps,
            seed=config.seed,
            device=found.device,
            device_name=name_of(resolve(config.device)),
            config=config,
            notes=found.notes,
            skipped=found.skipped,
            own=own,
            groups=found.groups,
        ),
        files={
            "range.csv": partial(range_csv, curve, repeats),
            "range.png": partial(_picture, found),
            "range.json": None,
        },
        lines=partial(range_lines, reading, repeats, groups=found.groups, peaks=own.get("peaks", ())),
    )


def _picture(found: RangeTest) -> bytes:
    from lrfind.plotting.draw import draw, png
    from lrfind.range_test.plot import range_page

    return png(draw(range_page(found.curve, found.reading, found.title, found.repeats)))
