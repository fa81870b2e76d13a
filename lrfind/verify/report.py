"""What the runs around a rate leave for programs, and what is said of them on the screen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lrfind.report.answer import answer_lines
from lrfind.report.files import csv_text
from lrfind.report.paragraphs import Paragraph
from lrfind.report.record import plain
from lrfind.report.table import Column, Row, Table
from lrfind.suggestion import rate_text
from lrfind.verify.candidates import FACTOR, Role

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lrfind.report.answer import Lines
    from lrfind.report.files import Cell
    from lrfind.suggestion import Group
    from lrfind.verify.candidates import Candidate, Trials
    from lrfind.verify.judge import Judgement
    from lrfind.verify.verdict import VerifyVerdict

ROLE_WORDS = {
    Role.SUGGESTION: "suggestion",
    Role.GIVEN: "given",
    Role.PINNED: "verify.lr",
    Role.CONFIG: "in the config",
    Role.LOWER: f"1/{FACTOR:g} of it",
    Role.HIGHER: f"{FACTOR:g} times it",
}
"""Why a rate is tried, for a person."""

_WORSE_BY = "worse by: the share that is missing of the fall from before training to the lowest loss."


def roles_text(candidate: Candidate) -> str:
    """Why a rate is tried."""
    return ", ".join(ROLE_WORDS[role] for role in candidate.roles)


def verify_csv(trials: Trials | None) -> str:
    """Makes the text of `verify.csv`: one row a step, counted from 0, and one at the end of each run.

    A step counts the updates made before it. `loss` is the training loss of its batch before its update, and
    empty in the last row of a run; `held_out_loss` stands in the first row, before training, and in the last.
    A run that was interrupted has no last row.
    """
    return csv_text(["lr", "seed", "step", "loss", "held_out_loss"], _rows(trials))


def _rows(trials: Trials | None) -> Iterator[Sequence[Cell]]:
    if trials is None:
        return
    for trial in trials.seeds:
        for rate, candidate in enumerate(trials.candidates):
            taken = int(trial.steps_taken[rate])
            for step, loss in enumerate(trial.losses[rate, :taken].tolist()):
                yield [candidate.lr, trial.seed, step, loss, None if step else trial.start]
            final = float(trial.finals[rate])
            if not math.isnan(final):
                yield [candidate.lr, trial.seed, taken, None, final]


def verify_record(
    trials: Trials | None,
    judgement: Judgement | None,
    *,
    checked: Mapping[str, Any],
    pinned: float | None,
    held_out: int,
) -> dict[str, Any]:
    """Makes what the record of `lrfind verify` has beside that of the other commands.

    Args:
        trials: What was measured; None where there was no rate to run.
        judgement: What it says; None where it was cut off.
        checked: Rate and source of what was checked.
        pinned: The rate that a project has pinned.
        held_out: Samples that the held-out loss was read on.
    """
    content: dict[str, Any] = {
        "checked": dict(checked),
        "holds": None if judgement is None else judgement.holds,
        "start_loss": None if judgement is None else judgement.start,
        "drop": None if judgement is None else judgement.drop,
        "held_out_samples": held_out,
        "runs": [] if trials is None else [_run(trials, judgement, i) for i in range(len(trials.candidates))],
    }
    if pinned is not None:
        content["pinned"] = {"lr": pinned, "sensible": None if judgement is None else judgement.sensible}
    return {key: plain(value) for key, value in content.items()}


def _run(trials: Trials, judgement: Judgement | None, rate: int) -> dict[str, Any]:
    """One rate over all seeds."""
    finals = [float(trial.finals[rate]) for trial in trials.seeds]
    status = "completed"
    if not finals or any(math.isnan(final) for final in finals):
        status = "interrupted"
    if any(math.isinf(final) for final in finals):
        status = "diverged"
    candidate = trials.candidates[rate]
    return {
        "lr": candidate.lr,
        "roles": candidate.roles,
        "status": status,
        "loss": None if judgement is None else float(judgement.means[rate]),
        "spread": None if judgement is None else float(judgement.spreads[rate]),
        "worse_by": None if judgement is None else float(judgement.worse_by[rate]),
        "seeds": [
            {"seed": trial.seed, "start_loss": trial.start, "loss": final}
            for trial, final in zip(trials.seeds, finals, strict=True)
        ],
    }


def verify_lines(
    trials: Trials | None,
    judgement: Judgement | None,
    conclusion: VerifyVerdict,
    files: Sequence[Path],
    *,
    groups: Sequence[Group] = (),
) -> Lines:
    """Works out what is written to stdout: the answer, then a line a rate.

    A refusal is left out: it goes to stderr, where it is seen whatever becomes of stdout.
    """
    verdict = conclusion.verdict.removesuffix(conclusion.refusal or "").rstrip()
    details: Lines = []
    if trials is not None and judgement is not None:
        columns = [
            Column("lr"),
            Column("held-out loss"),
            Column("spread", rank=1),
            Column("worse by", rank=2),
        ]
        rows = [_row(trials, judgement, i) for i in range(len(trials.candidates))]
        rows.append(Row(["", f"{judgement.start:.4g}", "", "", "before training"], style="dim"))
        details = [Table([*columns, Column("rate", words=True)], rows), Paragraph(_WORSE_BY, "dim")]
    return answer_lines(conclusion.suggestion, verdict, files, groups, details=details)


def _row(trials: Trials, judgement: Judgement, rate: int) -> Row:
    mean, spread, worse = (
        float(values[rate]) for values in (judgement.means, judgement.spreads, judgement.worse_by)
    )
    return Row(
        [
            rate_text(trials.candidates[rate].lr),
            "diverged" if judgement.diverged[rate] else f"{mean:.4g}",
            f"{spread:.2g}" if math.isfinite(spread) else "",
            f"{worse:.1%}" if math.isfinite(worse) else "",
            roles_text(trials.candidates[rate]),
        ],
        chosen=rate == judgement.recommended,
    )
