"""`lrfind range`: the learning-rate range test."""

from __future__ import annotations

import dataclasses
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from lrfind.report.output import Outcome, Show, finish, warnings_of

if TYPE_CHECKING:
    from pathlib import Path

    from omegaconf import DictConfig

    from lrfind.config.schema import RangeConfig
    from lrfind.range_test.run import Swept


def run(composed: DictConfig, directory: Path, *, show: Show) -> Outcome:
    """The job: builds the task, sweeps, reads the curve, writes the files, shows the result.

    Raises:
        UserError: Something cannot be used as given, or the results cannot be written.
    """
    from lrfind.config.schema import RangeConfig
    from lrfind.config.validate import validated
    from lrfind.report import console

    started = time.perf_counter()
    config = validated(composed, RangeConfig)

    # Behind the door: torch is imported only for a config that can be run.
    from lrfind.plotting.draw import draw, png
    from lrfind.range_test.plot import picture_of
    from lrfind.range_test.repeats_report import repeats_csv, repeats_line
    from lrfind.range_test.run import swept
    from lrfind.report.observers import Screen
    from lrfind.report.record import range_csv, to_json

    found = swept(config, observer=Screen())
    curve, reading, repeats = found.curve, found.reading, found.repeats
    content = record_of(config, found, directory, time.perf_counter() - started)
    return finish(
        directory,
        {
            "range.csv": lambda: range_csv(curve) if repeats is None else repeats_csv(repeats),
            "range.json": lambda: to_json(content),
            "range.png": lambda: png(draw(picture_of(curve, reading, found.title, repeats))),
        },
        content,
        suggestion=reading.suggestion,
        status=curve.status,
        show=show,
        show_table=partial(console.show_result, reading, spread=repeats_line(repeats)),
    )


def record_of(config: RangeConfig, found: Swept, directory: Path, seconds: float) -> dict[str, Any]:
    """The JSON record of a run."""
    from lrfind.range_test.measured_regret import measured_regret
    from lrfind.range_test.repeats_report import repeats_record
    from lrfind.report.environment import environment
    from lrfind.report.record import plain, record
    from lrfind.tasks.devices import name_of, resolve

    settings = plain(dataclasses.asdict(config.range))
    content = record(
        command="range",
        status=found.curve.status,
        suggestion=found.reading.suggestion,
        rules=found.reading.rules,
        verdict=found.reading.verdict,
        steps=found.steps,
        seconds=seconds,
        seed=config.seed,
        device=found.device,
        config=dataclasses.asdict(config),
        environment=environment(name_of(resolve(config.device))),
        files=[directory / name for name in ("range.csv", "range.png", "range.json")],
        warnings=found.notes + warnings_of(found.skipped),
    )
    return content | {"measured": measured_regret(settings)} | repeats_record(found.repeats)
