"""What the runs around a rate leave for programs, and what is said of them on the screen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lrfind.report.answer import NEARLY_AS_WELL, answer_lines
from lrfind.report.files import csv_text
from lrfind.report.record import plain
from lrfind.report.table import Column, Paragraph, Row, Table
from lrfind.schedules.peaks import peaks_line
from lrfind.suggestion import rate_text
from lrfind.verify.candidates import RANGE_TEST, Role
from lrfind.verify.checked_words import refused_briefly
from lrfind.verify.ends import ends_of
from lrfind.verify.rate_words import RateWords

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lrfind.report.answer import Lines
    from lrfind.report.files import Cell
    from lrfind.verify.candidates import Candidate, Trials
    from lrfind.verify.ends import Ends
    from lrfind.verify.judge import Judgement
    from lrfind.verify.run import Verified

ROLE_WORDS = {
    Role.GIVEN: "given",
    Role.PINNED: "pinned",
    Role.CONFIG: "the optimizer's",
    Role.SEARCH: "searched",
}
"""Why a rate is tried, for a person; of a suggestion it is said whose."""

_BRACKET, _ON_ONE_SEED = "rates that cannot be told from it", "rates within verify.margin of it, on one seed"
"""What the bracket holds."""

_WORSE_BY = (
    "worse by: the share that is missing of the fall from {} to the lowest loss, compared on the seeds that "
    "both were trained on."
)


def roles_text(candidate: Candidate, whose: str = RANGE_TEST, meant: float | None = None) -> str:
    """Why a rate is tried.

    Args:
        candidate: The rate.
        whose: What suggested the rate that is checked; empty: the user gave it.
        meant: The rate that is checked, where the pinned one is trained for it.
    """
    suggested = f"{whose}'s" if whose else ROLE_WORDS[Role.GIVEN]
    words = [ROLE_WORDS.get(role, suggested) for role in candidate.roles]
    if meant is None or len(words) == 1:
        return ", ".join(words)
    return f"{ROLE_WORDS[Role.PINNED]}, for {rate_text(meant)} ({words[0]})"


def verify_csv(trials: Trials | None) -> str:
    """Makes the text of `verify.csv`: one row a step, counted from 0, and one at the end of each run.

    A step counts the updates made before it. `loss` is the training loss of its batch before its update, and
    empty in the last row of a run; `held_out_loss` stands in the first row, before training, where a run was
    read on its way, and in the last. A run that was given up ends with the row of its last reading, without a
    loss; one that was interrupted has no last row.
    """
    return csv_text(["lr", "seed", "step", "loss", "held_out_loss"], _rows(trials))


def _rows(trials: Trials | None) -> Iterator[Sequence[Cell]]:
    if trials is None:
        return
    for trial in trials.seeds:
        for rate, candidate in enumerate(trials.candidates):
            taken = int(trial.steps_taken[rate])
            if not taken:
                continue
            read = dict(zip(trial.read_at, trial.readings[rate].tolist(), strict=True))
            for step, loss in enumerate(trial.losses[rate, :taken].tolist()):
                known = read.get(step, math.nan)
                yield [candidate.lr, trial.seed, step, loss, None if math.isnan(known) else known]
            final = math.inf if trial.diverged[rate] else read.get(taken, math.nan)
            if not math.isnan(final):
                yield [candidate.lr, trial.seed, taken, None, final]


def verify_record(found: Verified) -> dict[str, Any]:
    """Makes what the record of `lrfind verify` has beside that of the other commands."""
    trials, judgement, plan = found.trials, found.judgement, found.plan
    content: dict[str, Any] = {
        "checked": {"lr": found.checked.lr, "source": found.checked.source},
        "holds": None if judgement is None else judgement.holds,
        "start_loss": None if judgement is None else judgement.start,
        "mean_loss": None if judgement is None else judgement.blind.loss,
        "drop": None if judgement is None else judgement.drop,
        "held_out_samples": found.about.held_out,
        "judged_after": {"steps": plan.num_steps, "schedule": plan.schedule},
        "budget": {"steps": plan.budget, "spent": trials is not None and trials.spent},
        "search": [] if trials is None else _search(trials),
        "runs": [] if trials is None else [_run(trials, judgement, i) for i in range(len(trials.candidates))],
    }
    if found.pinned is not None:
        sensible = None if judgement is None else judgement.sensible
        content["pinned"] = {"lr": found.pinned, "sensible": sensible}
    if found.peaks:
        content["peaks"] = found.peaks
    return {key: plain(value) for key, value in content.items()}


def _search(trials: Trials) -> list[dict[str, Any]]:
    """What was trained, in order, and the held-out loss that it came to."""
    first = trials.seeds[0].seed if trials.seeds else 0
    return [
        {
            "seed": first + leg.seed,
            "lr": leg.lr,
            "from": leg.start,
            "to": leg.end,
            "loss": leg.loss,
        }
        for leg in trials.legs
    ]


def _run(trials: Trials, judgement: Judgement | None, rate: int) -> dict[str, Any]:
    """One rate over all seeds that it was trained on."""
    runs = [trial for trial in trials.seeds if trial.steps_taken[rate] or trial.diverged[rate]]
    finals = [float(trial.finals[rate]) for trial in runs]
    candidate = trials.candidates[rate]
    status = "left" if trials.is_left(rate) else "given_up"
    if any(map(math.isfinite, finals)):
        status = "completed"
    if trials.is_cut_off(rate):
        status = "interrupted"
    if any(map(math.isinf, finals)):
        status = "diverged"
    return {
        "lr": candidate.lr,
        "roles": candidate.roles,
        "status": status,
        "loss": None if judgement is None else float(judgement.means[rate]),
        "spread": None if judgement is None else float(judgement.spreads[rate]),
        "worse_by": None if judgement is None else float(judgement.worse_by[rate]),
        "seeds": [
            {
                "seed": trial.seed,
                "start_loss": trial.start,
                "steps": int(trial.steps_taken[rate]),
                "loss": final,
            }
            for trial, final in zip(runs, finals, strict=True)
        ],
    }


def verify_lines(found: Verified, files: Sequence[Path]) -> Lines:
    """Works out what is written to stdout: the answer, then a line a rate.

    A refusal is told in a few words: the whole goes to stderr, where it is seen whatever becomes of this.
    """
    trials, judgement, conclusion = found.trials, found.judgement, found.conclusion
    details: Lines = [] if trials is None else [_table(trials, judgement)]
    if judgement is not None and judgement.learnt:
        base = "before training" if judgement.base == judgement.start else f"that of {judgement.blind.what}"
        details.append(Paragraph(_WORSE_BY.format(base), "dim"))
    brief = "" if trials is None or judgement is None else refused_briefly(RateWords(trials, judgement))
    return answer_lines(
        conclusion.suggestion,
        conclusion.verdict.removesuffix(conclusion.refusal or "").rstrip(),
        files,
        found.groups,
        purpose="" if judgement else ", not verified",
        bracket=NEARLY_AS_WELL if judgement is None else _ON_ONE_SEED if judgement.on_one_seed else _BRACKET,
        more=[*filter(None, [brief]), *([peaks_line(found.peaks)] if found.peaks else [])],
        details=details,
    )


def _table(trials: Trials, judgement: Judgement | None) -> Table:
    """A line a rate, and one for the loss before training; columns of which nothing is known are left out.

    Of a search that was cut off it is how those rates ended that had come to their end.
    """
    rates = range(len(trials.candidates))
    ends = judgement or ends_of(trials.finals)
    spreads, worse_by = ends.spreads.tolist(), [] if judgement is None else judgement.worse_by.tolist()
    columns = {
        Column("lr"): [rate_text(lr) for lr in trials.lrs.tolist()],
        Column("seeds", rank=3): [str(seeds or "") for seeds in ends.seeds.tolist()],
        Column("held-out loss"): [_loss_text(trials, ends, rate) for rate in rates],
        Column("spread", rank=1): ["" if math.isnan(each) else rate_text(each, 2) for each in spreads],
        Column("worse by", rank=2): ["" if math.isnan(each) else f"{each:.1%}" for each in worse_by],
        Column("rate", words=True): [
            roles_text(each, trials.whose, trials.meant) for each in trials.candidates
        ],
    }
    start = float(trials.starts.mean())
    before = {"held-out loss": rate_text(start, 4), "rate": "before training"}
    shown = {column: cells for column, cells in columns.items() if any(cells)}
    chosen = None if judgement is None else judgement.recommended
    rows = [Row([cells[rate] for cells in shown.values()], chosen=rate == chosen) for rate in rates]
    rows.append(Row([before.get(column.head, "") for column in shown], style="dim"))
    return Table(list(shown), rows)


def _loss_text(trials: Trials, ends: Ends, rate: int) -> str:
    if not ends.seeds[rate]:
        return trials.short(rate)
    return "diverged" if ends.diverged[rate] else rate_text(ends.means[rate], 4)
