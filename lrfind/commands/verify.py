"""`lrfind verify`: short runs around a learning rate, to see whether it holds."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from lrfind.commands.finish import finish, warnings_of
from lrfind.launch import Outcome, Show, launch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from omegaconf import DictConfig

    from lrfind.commands.checked import Checked
    from lrfind.commands.verifying import Runs
    from lrfind.config.verify import VerifyConfig
    from lrfind.core.curve import Status
    from lrfind.core.judged import Conclusion
    from lrfind.core.judgement import Judgement
    from lrfind.core.trials import Trials


def main(arguments: Sequence[str], show: Show) -> int:
    """Runs the command and returns the exit code of the process."""
    return launch("verify", arguments, partial(run, show=show))


def run(composed: DictConfig, directory: Path, *, show: Show) -> Outcome:
    """The job: finds the rate to check, trains around it, judges, writes the files, shows the result.

    Raises:
        UserError: Something cannot be used as given, or the results cannot be written.
    """
    from lrfind.config.door import validated
    from lrfind.config.verify import VerifyConfig
    from lrfind.report import console

    started = time.perf_counter()
    config = validated(composed, VerifyConfig)

    # Behind the door: torch is imported only for a config that can be run.
    from lrfind.commands.checked import checked_rate
    from lrfind.commands.verifying import Runs
    from lrfind.core.curve import Status
    from lrfind.report.drawing import png
    from lrfind.report.records import to_json
    from lrfind.report.verify import verify_csv, verify_lines
    from lrfind.report.verify_drawing import draw_verify
    from lrfind.report.verify_figure import verify_figure
    from lrfind.tasks import devices
    from lrfind.tasks.build import data_of

    devices.resolve(config.device)  # what is wrong with it is said before data is read
    data = data_of(config)
    runs = Runs(config, data)
    checked = checked_rate(config, data)
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
    from lrfind.core.curve import Status
    from lrfind.core.judged import Conclusion, conclude
    from lrfind.core.judgement import judge
    from lrfind.core.trials import Role

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
    from lrfind.report.records import plain, record
    from lrfind.report.verify import verified
    from lrfind.tasks.devices import name_of, resolve

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
