"""`lrfind refine`: the coarse-to-fine sweep, round by round."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from lrfind.refine.config import RefineConfig, Restart
from lrfind.refine.verdict import Repeats, common_answer, doubt
from lrfind.report.output import Report
from lrfind.report.record import Findings

if TYPE_CHECKING:
    from pathlib import Path

    from lrfind.refine.results import RoundResult
    from lrfind.report.observers import Observer
    from lrfind.report.output import Content

CONFOUNDED = (
    "Training goes on from rate to rate, so the loss at a rate also shows all the training before it; "
    "refine.restart=true tells the two apart."
)
"""What a continued sweep cannot tell."""


def run(config: RefineConfig, directory: Path, observer: Observer) -> Report:
    """The job: measures round after round, reads the answer."""
    # torch is imported only for a config that can be run.
    from lrfind.plotting.draw import picture
    from lrfind.refine.plot import repeats_page, rounds_page
    from lrfind.refine.report import refine_csv, refine_lines, repeats_csv, repeats_record
    from lrfind.refine.run import Sweep, more_sweeps
    from lrfind.refine.verdict import conclude, interrupted_later, with_no_learning
    from lrfind.tasks.devices import resolve

    settings = config.refine
    sweep = Sweep.of(config, directory, observer)
    sweep.run()
    whole = not sweep.interrupted
    others = more_sweeps(config, sweep, observer)
    answer = conclude(sweep.rounds, interrupted=sweep.interrupted)
    if whole and sweep.interrupted:
        answer = replace(answer, verdict=interrupted_later(sweep.rounds))
    read = sweep.rounds[(answer.round or 0) - 1] if sweep.rounds else None
    if sweep.interrupted and sweep.kept:
        answer = replace(answer, verdict=f"{answer.verdict} {sweep.kept}")
    repeats = None
    if others and not sweep.interrupted:
        alone = (answer, *(conclude(other.rounds) for other in others))
        reason = doubt(sweep.rounds)
        assert reason is not None
        repeats = Repeats(tuple(range(config.seed, config.seed + len(alone))), alone, reason)
        answer = common_answer(repeats)
    if settings.restart is Restart.FALSE and answer.suggestion is not None:
        answer = replace(answer, verdict=f"{answer.verdict} {CONFOUNDED}")
    measured = [sweep.rounds, *(other.rounds for other in others)]
    answer = with_no_learning(answer, measured, sweep.seeds.blind)
    seeds = range(config.seed, config.seed + settings.seeds) if settings.seeds > 1 else None
    groups = tuple(group.following(answer.suggestion) for group in sweep.seeds.groups)
    title = sweep.seeds.title + (f", mean of {settings.seeds} seeds" if settings.seeds > 1 else "")
    table: Content
    if repeats is None:
        table = partial(refine_csv, sweep.measured, seeds=seeds, starts=settings.restart is not Restart.FALSE)
        page = partial(picture, rounds_page, sweep.measured, answer, title)
    else:
        sweeps = [sweep.measured, *(other.measured for other in others)]
        table = partial(repeats_csv, repeats.seeds, sweeps)
        page = partial(picture, repeats_page, sweeps, repeats, answer, title)
    return Report(
        findings=Findings(
            command="refine",
            status=sweep.status,
            suggestion=answer.suggestion,
            rules=answer.rules,
            verdict=answer.verdict,
            steps=sweep.steps + sum(other.steps for other in others),
            seed=config.seed,
            device=str(resolve(config.device)),
            config=config,
            notes=[*sweep.seeds.notes, *filter(None, [answer.no_learning])],
            skipped=sweep.seeds.skipped,
            own={} if repeats is None else {"repeats": repeats_record(repeats)},
            groups=groups,
        ),
        files={
            "refine.csv": table,
            "refine.png": page,
            "refine.json": None,
        },
        lines=partial(
            refine_lines,
            measured if repeats else measured[:1],
            answer,
            seeds=repeats.seeds if repeats else (),
            groups=groups,
        ),
        close=sweep.close,
        loss=_least(read) if answer.suggestion and read else None,
    )


def _least(read: RoundResult) -> float:
    """The least loss of a round."""
    losses = [loss for loss in read.losses.tolist() if math.isfinite(loss)]
    return min(losses, default=math.inf)
