"""`lrfind refine`: the coarse-to-fine sweep, round by round."""

from __future__ import annotations

import dataclasses
import time
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from lrfind.report.output import Outcome, Show, finish, warnings_of

if TYPE_CHECKING:
    from pathlib import Path

    from omegaconf import DictConfig

    from lrfind.config.schema import RefineConfig
    from lrfind.refine.results import RoundPlan
    from lrfind.refine.run import Sweep
    from lrfind.refine.verdict import Answer
    from lrfind.suggestion import Status


def run(composed: DictConfig, directory: Path, *, show: Show) -> Outcome:
    """The job: measures round after round, reads the answer, writes the files, shows the result.

    Raises:
        UserError: Something cannot be used as given, or the results cannot be written.
    """
    from lrfind.config.schema import RefineConfig, Restart
    from lrfind.config.validate import validated
    from lrfind.report import console

    started = time.perf_counter()
    config = validated(composed, RefineConfig)

    # Behind the door: torch is imported only for a config that can be run.
    from lrfind.plotting.draw import png
    from lrfind.plotting.rounds_drawing import draw_rounds
    from lrfind.refine.plot import rounds_figure
    from lrfind.refine.report import refine_csv, refine_lines
    from lrfind.refine.run import Sweep
    from lrfind.refine.verdict import conclude
    from lrfind.report.observers import Screen
    from lrfind.report.record import to_json
    from lrfind.suggestion import Status

    settings = config.refine
    sweep = Sweep(config, plans_of(config), directory, Screen())
    sweep.run()
    rounds = sweep.rounds
    answer = conclude(rounds, interrupted=sweep.interrupted)
    status = Status.INTERRUPTED if sweep.interrupted else rounds[-1].status
    kinds = [[each for each in pair if each is not None] for pair in zip_longest(sweep.others, rounds)]
    several = [config.seed + i for i in range(settings.seeds)] if settings.seeds > 1 else None
    content = record_of(config, sweep, answer, status, directory, time.perf_counter() - started)

    def picture() -> bytes:
        title = sweep.seeds.title + (f", mean of {settings.seeds} seeds" if settings.seeds > 1 else "")
        return png(draw_rounds(rounds_figure(kinds, answer, title)))

    def table(files: list[Path]) -> None:
        console.show(refine_lines(rounds, answer, files))

    return finish(
        directory,
        {
            "refine.csv": lambda: refine_csv(
                kinds, seeds=several, starts=settings.restart is not Restart.FALSE
            ),
            "refine.json": lambda: to_json(content),
            "refine.png": picture,
        },
        content,
        suggestion=answer.suggestion,
        status=status,
        show=show,
        show_table=table,
    )


def record_of(
    config: RefineConfig, sweep: Sweep, answer: Answer, status: Status, directory: Path, seconds: float
) -> dict[str, Any]:
    """The JSON record of a run."""
    from lrfind.report.environment import environment
    from lrfind.report.record import record
    from lrfind.tasks.devices import name_of, resolve

    device = resolve(config.device)
    return record(
        command="refine",
        status=status,
        suggestion=answer.suggestion,
        rules=answer.rules,
        verdict=answer.verdict,
        steps=sweep.steps,
        seconds=seconds,
        seed=config.seed,
        device=str(device),
        config=dataclasses.asdict(config),
        environment=environment(name_of(device)),
        files=[directory / name for name in ("refine.csv", "refine.png", "refine.json")],
        warnings=warnings_of(sweep.seeds.skipped),
    )


def plans_of(config: RefineConfig) -> list[RoundPlan]:
    """The rounds that are known before anything is measured."""
    from lrfind.refine.results import RoundPlan
    from lrfind.refine.segments import around, rounds_of

    settings = config.refine
    if settings.around is not None:
        reason = f"The closing round around {settings.around:g}, as asked for."
        return [RoundPlan(around(settings.around, settings.iterations), reason, "closing")]
    return [RoundPlan(segments, "") for segments in rounds_of(settings.segments)]
