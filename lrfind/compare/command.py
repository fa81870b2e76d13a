"""`lrfind compare`: learning curves over learning rates and batch sizes."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from lrfind.report.output import Outcome, Show, finish, warnings_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from omegaconf import DictConfig

    from lrfind.compare.config import CompareConfig
    from lrfind.compare.run import Study
    from lrfind.compare.verdict import Advice
    from lrfind.suggestion import Status

CURVES, SCALING = "compare.png", "compare_scaling.png"


def run(composed: DictConfig, directory: Path, *, show: Show) -> Outcome:
    """The job: trains every run, reads the comparison, writes the files, shows the result.

    Raises:
        UserError: Something cannot be used as given, or the results cannot be written.
    """
    from lrfind.compare.config import CompareConfig
    from lrfind.config.validate import validated
    from lrfind.report import console

    started = time.perf_counter()
    config = validated(composed, CompareConfig)

    # Behind the door: torch is imported only for a config that can be run.
    from lrfind.compare.plot import curves_figure
    from lrfind.compare.report import compare_csv, compare_lines, comparison_record
    from lrfind.compare.run import Study
    from lrfind.compare.scaling_plot import scaling_figure
    from lrfind.compare.verdict import advise
    from lrfind.plotting.compare_drawing import draw_curves, draw_scaling
    from lrfind.plotting.draw import png
    from lrfind.report.observers import Screen
    from lrfind.report.record import to_json
    from lrfind.suggestion import Status

    study = Study(config, directory, Screen())
    study.run()
    comparison = study.comparison
    trained = comparison.interrupted or any(cell.best is not None for cell in comparison.cells)
    advice = advise(comparison, config.batch_size, starts_finite=trained or study.starts_finite())
    status = Status.INTERRUPTED if comparison.interrupted else Status.COMPLETED
    if status is Status.COMPLETED and advice.suggestion is None:
        status = Status.DIVERGED
    files: dict[str, Callable[[], str | bytes]] = {
        "compare.csv": lambda: compare_csv(
            comparison,
            optimizers=config.compare.optimizers is not None,
            accumulation_steps=config.accumulation_steps,
        ),
        "compare.json": lambda: to_json(content),
        CURVES: lambda: png(draw_curves(curves_figure(comparison, study.setting.title))),
    }
    if comparison.cells:
        files[SCALING] = lambda: png(draw_scaling(scaling_figure(comparison, advice, study.setting.title)))
    seconds = time.perf_counter() - started
    content = record_of(config, study, advice, status, [directory / name for name in files], seconds)
    content["comparison"] = comparison_record(comparison, advice)

    def table(written: list[Path]) -> None:
        console.show(compare_lines(comparison, advice, written))

    return finish(
        directory,
        files,
        content,
        suggestion=advice.suggestion,
        status=status,
        show=show,
        show_table=table,
    )


def record_of(
    config: CompareConfig, study: Study, advice: Advice, status: Status, files: list[Path], seconds: float
) -> dict[str, Any]:
    """The JSON record of a run, without what is compare's own."""
    from lrfind.report.environment import environment
    from lrfind.report.record import record
    from lrfind.tasks.devices import name_of

    return record(
        command="compare",
        status=status,
        suggestion=advice.suggestion,
        rules=advice.rules,
        verdict=advice.verdict,
        steps=sum(run.steps_taken for run in study.runs),
        seconds=seconds,
        seed=config.seed,
        device=str(study.setting.device),
        config=dataclasses.asdict(config),
        environment=environment(name_of(study.setting.device)),
        files=files,
        warnings=study.setting.notes + warnings_of(study.skipped),
    )
