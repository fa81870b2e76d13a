"""`lrfind verify`: a search around a learning rate: does it hold, and if not, which one does?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lrfind.report.output import Report
from lrfind.report.record import Findings
from lrfind.suggestion import Status

if TYPE_CHECKING:
    from pathlib import Path

    from lrfind.report.observers import Observer
    from lrfind.verify.config import VerifyConfig


def run(config: VerifyConfig, directory: Path, observer: Observer) -> Report:
    """The job: finds the rate to check, searches around it, judges.

    Raises:
        UserError: Something cannot be used as given.
    """
    # torch is imported only for a config that can be run.
    from lrfind.plotting.draw import picture
    from lrfind.tasks.build import data_of
    from lrfind.tasks.devices import resolve
    from lrfind.verify.checkpoint import SavedRuns
    from lrfind.verify.plot import verify_page
    from lrfind.verify.report import verify_csv, verify_lines, verify_record
    from lrfind.verify.run import Runs, verify_rate
    from lrfind.verify.target import checked_rate

    device = resolve(config.device)  # what is wrong with it is said before data is read
    saved = SavedRuns(config, directory, observer)
    data = data_of(config)
    runs = Runs.of(config, data, observer, saved)
    checked = checked_rate(config, data, observer, most_steps=runs.plan.range_steps)
    found = verify_rate(runs, checked, config.verify)
    checked, judgement, conclusion = found.checked, found.judgement, found.conclusion
    title = runs.about.title or checked.title
    best = None if judgement is None else judgement.recommended
    return Report(
        findings=Findings(
            command="verify",
            status=Status.INTERRUPTED if found.interrupted else Status.COMPLETED,
            suggestion=conclusion.suggestion,
            rules=checked.rules,
            verdict=conclusion.verdict,
            steps=found.steps,
            seed=config.seed,
            device=str(device),
            config=config,
            notes=found.notes,
            skipped=found.skipped,
            own=verify_record(found),
            groups=found.groups,
        ),
        files={
            "verify.csv": partial(verify_csv, found.trials),
            "verify.png": partial(picture, verify_page, found.trials, judgement, title),
            "verify.json": None,
        },
        lines=partial(verify_lines, found),
        refusal=conclusion.refusal,
        close=None if found.interrupted else saved.remove,
        # The held-out loss at the end of the recommended rate, the mean over the seeds it was trained on.
        loss=None if best is None or judgement is None else float(judgement.means[best]),
    )
