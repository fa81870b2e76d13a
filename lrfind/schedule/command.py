"""`lrfind schedule`: learning-rate policies as curves, tables and PyTorch code, and tried where asked for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lrfind.report.output import Report
from lrfind.report.record import Findings

if TYPE_CHECKING:
    from pathlib import Path

    from lrfind.report.observers import Observer
    from lrfind.report.output import Content
    from lrfind.schedule.config import ScheduleConfig


def run(config: ScheduleConfig, directory: Path, observer: Observer) -> Report:
    """The job: works the schedules out, tries them where asked for.

    Raises:
        UserError: Something cannot be used as given.
    """
    from lrfind.plotting.draw import picture
    from lrfind.schedule.plot import schedule_page
    from lrfind.schedule.report import schedule_csv, schedule_lines, schedule_record
    from lrfind.schedule.run import work_out
    from lrfind.schedule.trial_plot import trial_page
    from lrfind.schedule.trial_report import tried_csv, tried_lines

    found = work_out(config, observer)
    trial, tried = found.trial, found.tried
    files: dict[str, Content | None] = {}
    if tried is not None:
        files["schedule_try.csv"] = partial(tried_csv, tried)
    files["schedule.csv"] = partial(schedule_csv, found.tables)
    files["schedule.json"] = None
    files["schedule.png"] = partial(picture, schedule_page, found.tables, found.peak)
    if trial is not None and tried is not None and tried.seeds:
        files["schedule_try.png"] = partial(picture, trial_page, tried, trial.title)
    return Report(
        findings=Findings(
            command="schedule",
            status=found.status,
            suggestion=found.suggestion,
            rules={},
            verdict=found.verdict,
            steps=found.steps,
            seed=config.seed,
            device="cpu" if trial is None else str(trial.device),
            config=config,
            notes=found.peak.notes if trial is None else (*found.peak.notes, *trial.notes),
            skipped=() if trial is None else (*found.peak.skipped, *trial.skipped),
            own=schedule_record(found.tables, tried, held_out=0 if trial is None else trial.held_out),
        ),
        files=files,
        lines=partial(
            schedule_lines,
            found.tables,
            found.peak,
            trial=[] if tried is None else tried_lines(tried),
        ),
        loss=None if tried is None or tried.best is None else tried.outcomes[tried.best].loss,
    )
