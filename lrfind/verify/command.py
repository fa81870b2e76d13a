"""`lrfind verify`: short runs around a learning rate, to see whether it holds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from lrfind.report.output import Outcome, Show, finish, warnings_of

if TYPE_CHECKING:
    from pathlib import Path

    from omegaconf import DictConfig

    from lrfind.suggestion import Status
    from lrfind.verify.candidates import Trials
    from lrfind.verify.config import VerifyConfig
    from lrfind.verify.judge import Judgement
    from lrfind.verify.run import Runs
    from lrfind.verify.target import Checked
    from lrfind.verify.verdict import Conclusion


def run(composed: DictConfig, directory: Path, *, show: Show) -> Outcome:
    """The job: finds the rate to check, trains around it, judges, writes the files, shows the result.

    Raises:
        UserError: Something cannot be used as given, or the results cannot be written.
    """
    from lrfind.config.validate import validated
    from lrfind.report import console
    from lrfind.verify.config import VerifyConfig

    started = time.perf_counter()
    config = validated(composed, VerifyConfig)

    # Behind the door: torch is imported only for a config that can be run.
    from lrfind.plotting.draw import png
    from lrfind.plotting.verify_drawing import draw_verify
    from lrfind.report.observers import Screen
    from lrfind.report.record import to_json
    from lrfind.suggestion import Status
    from lrfind.tasks import devices
    from lrfind.tasks.build import data_of
    from lrfind.verify.plot import verify_figure
    from lrfind.verify.report import verify_csv, verify_lines
    from lrfind.verify.run import Runs
    from lrfind.verify.target import checked_rate

    devices.resolve(config.device)  # what is wrong with it is said before data is read
    data = data_of(config)
    screen = Screen()
    runs = Runs(config, data, screen)
    checked = checked_rate(config, data, screen)
    stopped = checked.interrupted
    trials = None if checked.lr is None or stopped else runs.around(checked)
    status = Status.INTERRUPTED if stopped or runs.interrupted else Status.COMPLETED
    judgement, conclusion = concluded(config, checked, trials, status)
    content = record_of(
        config, checked, runs, trials, judgement, conclusion, status, directory, time.perf_counter() - started
    )

    def picture() -> bytes:
        title = runs.title or checked.title
        return png(draw_verify(verify_figure(trials, judgement, title)))

    def table(files: list[Path]) -> None:
        # A refusal is said on stderr, where it is seen whatever becomes of stdout.
        verdict = conclusion.verdict.removesuffix(conclusion.refusal or "").rstrip()
        console.show(verify_lines(trials, judgement, conclusion.suggestion, verdict, files))

    return finish(
        directory,
        {
            "verify.csv": lambda: verify_csv(trials),
            "verify.json": lambda: to_json(content),
            "verify.png": picture,
        },
        content,
        suggestion=conclusion.suggestion,
        status=status,
        show=show,
        show_table=table,
        refusal=conclusion.refusal,
    )


def concluded(
    config: VerifyConfig, checked: Checked, trials: Trials | None, status: Status
) -> tuple[Judgement | None, Conclusion]:
    """What the runs say; there is no judgement where there were none, or they were cut off."""
    from lrfind.suggestion import Status
    from lrfind.verify.candidates import Role
    from lrfind.verify.judge import judge
    from lrfind.verify.verdict import Conclusion, conclude

    settings = config.verify
    if trials is None:
        return None, Conclusion(None, checked.verdict, None)
    if status is Status.INTERRUPTED:
        planned = len(trials.candidates) * settings.seeds * settings.num_steps
        said = f"Interrupted after {trials.steps:,} of {planned:,} steps: too early to judge the rate."
        return None, Conclusion(None, said, None)
    index = trials.index([checked.role])
    assert index is not None
    judgement = judge(
        trials.finals,
        trials.starts,
        checked=index,
        margin=settings.margin,
        pinned=trials.index([Role.PINNED]),
    )
    return judgement, conclude(trials, judgement, checked.suggestion)


def record_of(
    config: VerifyConfig,
    checked: Checked,
    runs: Runs,
    trials: Trials | None,
    judgement: Judgement | None,
    conclusion: Conclusion,
    status: Status,
    directory: Path,
    seconds: float,
) -> dict[str, Any]:
    """The JSON record of a run: what every command writes, and what was verified."""
    from lrfind.report.environment import environment
    from lrfind.report.record import plain, record
    from lrfind.tasks.devices import name_of, resolve
    from lrfind.verify.report import verified

    device = resolve(config.device)
    content = record(
        command="verify",
        status=status,
        suggestion=conclusion.suggestion,
        rules=checked.rules,
        verdict=conclusion.verdict,
        steps=checked.steps + (trials.steps if trials else 0),
        seconds=seconds,
        seed=config.seed,
        device=str(device),
        config=plain(config),
        environment=environment(name_of(device)),
        files=[directory / name for name in ("verify.csv", "verify.png", "verify.json")],
        warnings=list(dict.fromkeys((*checked.warnings, *runs.notes)))  # the task is the same in both
        + warnings_of(list(dict.fromkeys((*checked.skipped, *runs.skipped)))),
    )
    about = {"lr": checked.lr, "source": checked.source}
    return content | verified(
        trials, judgement, checked=about, pinned=config.verify.lr, held_out=runs.held_out
    )
