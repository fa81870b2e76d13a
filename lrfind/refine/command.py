"""`lrfind refine`: the coarse-to-fine sweep, round by round."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lrfind.refine.config import RefineConfig, Restart
from lrfind.report.output import Report
from lrfind.report.record import Findings

if TYPE_CHECKING:
    from pathlib import Path

    from lrfind.refine.run import Sweep
    from lrfind.refine.verdict import Answer
    from lrfind.report.observers import Observer

CONFIG = RefineConfig
"""What the composed config has to be."""


def run(config: RefineConfig, directory: Path, observer: Observer) -> Report:
    """The job: measures round after round, reads the answer.

    Raises:
        UserError: Something cannot be used as given.
    """
    # torch is imported only for a config that can be run.
    from lrfind.refine.report import refine_csv, refine_lines
    from lrfind.refine.run import Sweep
    from lrfind.refine.verdict import conclude
    from lrfind.tasks.devices import name_of, resolve

    settings = config.refine
    sweep = Sweep.of(config, directory, observer)
    sweep.run()
    answer = conclude(sweep.rounds, interrupted=sweep.interrupted)
    seeds = range(config.seed, config.seed + settings.seeds) if settings.seeds > 1 else None
    device = resolve(config.device)
    return Report(
        findings=Findings(
            command="refine",
            status=sweep.status,
            suggestion=answer.suggestion,
            rules=answer.rules,
            verdict=answer.verdict,
            steps=sweep.steps,
            seed=config.seed,
            device=str(device),
            device_name=name_of(device),
            config=config,
            skipped=sweep.seeds.skipped,
        ),
        files={
            "refine.csv": partial(
                refine_csv, sweep.measured, seeds=seeds, starts=settings.restart is not Restart.FALSE
            ),
            "refine.png": partial(_picture, sweep, answer),
            "refine.json": None,
        },
        lines=partial(refine_lines, sweep.rounds, answer),
        close=sweep.close,
    )


def _picture(sweep: Sweep, answer: Answer) -> bytes:
    from lrfind.plotting.draw import draw, png
    from lrfind.refine.plot import rounds_page

    count = sweep.seeds.count
    title = sweep.seeds.title + (f", mean of {count} seeds" if count > 1 else "")
    return png(draw(rounds_page(sweep.measured, answer, title)))
