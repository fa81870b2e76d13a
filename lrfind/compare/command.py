"""`lrfind compare`: learning curves over learning rates and batch sizes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lrfind.report.output import Report
from lrfind.report.record import Findings
from lrfind.suggestion import Status

if TYPE_CHECKING:
    from pathlib import Path

    from lrfind.compare.config import CompareConfig
    from lrfind.compare.results import Comparison
    from lrfind.compare.verdict import CompareVerdict
    from lrfind.report.observers import Observer
    from lrfind.report.output import Content


def run(config: CompareConfig, directory: Path, observer: Observer) -> Report:
    """The job: trains every run, reads the comparison."""
    # torch is imported only for a config that can be run.
    from lrfind.compare.plot import curves_page
    from lrfind.compare.report import compare_csv, compare_lines, compare_record
    from lrfind.compare.run import Study
    from lrfind.compare.scaling_plot import scaling_page
    from lrfind.compare.verdict import conclude
    from lrfind.plotting.draw import picture

    study = Study.of(config, directory, observer)
    study.run()
    setting, comparison = study.setting, study.comparison
    trained = comparison.interrupted or not comparison.diverged
    advice = conclude(comparison, config.samples_a_batch, starts_finite=trained or study.starts_finite())
    files: dict[str, Content | None] = {
        "compare.csv": partial(
            compare_csv,
            comparison,
            optimizers=config.compare.optimizers is not None,
            accumulation_steps=config.accumulation_steps,
        ),
        "compare.json": None,
        "compare.png": partial(picture, curves_page, comparison, setting.title),
    }
    if comparison.cells:
        files["compare_scaling.png"] = partial(picture, scaling_page, comparison, advice, setting.title)
    return Report(
        findings=Findings(
            command="compare",
            status=_status(comparison),
            suggestion=advice.suggestion,
            rules=advice.rules,
            verdict=advice.verdict,
            steps=sum(int(runs.steps_taken.sum()) for runs in study.runs.values()),
            seed=config.seed,
            device=str(setting.device),
            config=config,
            notes=setting.notes,
            skipped=study.skipped,
            own={"comparison": compare_record(comparison, advice)},
        ),
        files=files,
        lines=partial(compare_lines, comparison, advice),
        close=study.close,
        loss=_loss(comparison, advice),
    )


def _loss(comparison: Comparison, advice: CompareVerdict) -> float | None:
    """The held-out loss at the suggested rate, the mean over the seeds."""
    for cell in comparison.cells:
        if (cell.optimizer, cell.batch_size) == advice.about and cell.best is not None:
            return float(cell.losses[:, cell.best.index].mean())
    return None


def _status(comparison: Comparison) -> Status:
    if comparison.interrupted:
        return Status.INTERRUPTED
    return Status.DIVERGED if comparison.diverged else Status.COMPLETED
