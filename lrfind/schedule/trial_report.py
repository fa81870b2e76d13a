"""What a trial of policies leaves for programs, and what it says on the screen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lrfind.report.files import csv_text
from lrfind.report.formatting import counted, training_text
from lrfind.report.table import Column, Paragraph, Row, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lrfind.report.answer import Lines
    from lrfind.report.files import Cell
    from lrfind.schedule.results import Outcome, Tried


def tried_csv(tried: Tried) -> str:
    """Makes the text of `schedule_try.csv`: one row a reading, policy after policy, seed after seed.

    `step` is the number of updates made, `lr` the rate of the last of them. A run that diverged, or was cut
    off, has no rows from there on. `accuracy` is a column only where it was measured.
    """
    accuracy = tried.measures_accuracy
    header = ["policy", "seed", "step", "lr", "loss", *(["accuracy"] if accuracy else [])]
    return csv_text(header, _rows(tried, accuracy=accuracy))


def _rows(tried: Tried, *, accuracy: bool) -> Iterator[Sequence[Cell]]:
    for i, policy in enumerate(tried.policies):
        rates = tried.courses[i].rates
        for seed in tried.seeds:
            for j, step in enumerate(tried.read_at):
                loss, right = float(seed.readings[i, j]), float(seed.accuracies[i, j])
                if math.isnan(loss) and math.isnan(right):
                    break
                row: list[Cell] = [policy, seed.seed, step, float(rates[step - 1]), loss]
                yield row + ([right] if accuracy else [])


def tried_record(tried: Tried) -> list[dict[str, Any]]:
    """The record's `tried`."""
    return [
        {
            "policy": outcome.policy,
            "lr": float(course.rates[:-1].max()),
            "status": outcome.status.value,
            "best": None if tried.interrupted else outcome.best,
            "clearly_worse": None if tried.best is None else tried.clearly_worse(i),
            "loss": outcome.loss,
            "spread": outcome.loss_spread,
            "accuracy": outcome.accuracy,
            "accuracy_spread": outcome.accuracy_spread,
            "diverged": outcome.diverged,
            "seeds": [
                {"seed": seed.seed, "loss": float(loss)}
                for seed, loss in zip(tried.finished, tried.finals[:, i], strict=True)
            ],
        }
        for i, (outcome, course) in enumerate(zip(tried.outcomes, tried.courses, strict=True))
    ]


def announced(
    policies: Sequence[str],
    *,
    seeds: int,
    num_steps: int,
    seconds: float,
    held_out: int,
    launcher: str | None = None,
) -> str:
    """What is going to be trained, before it is.

    Args:
        policies: Their names.
        seeds: How many.
        num_steps: Updates a run.
        seconds: How long all of it is going to take.
        held_out: Samples set apart.
        launcher: What runs it elsewhere, if anything.
    """
    total = len(policies) * seeds * num_steps
    return (
        f"{len(policies)} policies ({', '.join(policies)}) x {counted(seeds, 'seed')} x "
        f"{counted(num_steps, 'step')} = {total:,}, {training_text(seconds, launcher)}; "
        f"{held_out:,} samples held out."
    )


def tried_lines(tried: Tried) -> Lines:
    """Works out what is written to stdout: which policy ended lowest, and a line each."""
    accuracy = tried.measures_accuracy
    count = len(tried.finished)
    over = f" (± over {count} seeds)" if count > 1 else ""
    columns = [Column("tried", words=True), Column(f"held-out loss{over}")]
    columns += [Column("accuracy", rank=1)] if accuracy else []
    columns += [Column("above the best", rank=2)] if tried.best is not None else []
    rows = []
    for i, outcome in enumerate(tried.outcomes):
        cells = [outcome.policy, loss_text(outcome, count)]
        cells += [accuracy_text(outcome)] if accuracy else []
        cells += [_behind_text(tried, i)] if tried.best is not None else []
        rows.append(Row(cells, chosen=outcome.best))
    return [Paragraph(tried.verdict), Paragraph(""), Table(columns, rows)]


def _behind_text(tried: Tried, index: int) -> str:
    """How much above the best a policy ended, compared seed by seed."""
    apart = tried.behind(index)
    if apart is None or index == tried.best:
        return ""
    spread = f" ± {apart.std(ddof=1):.2g}" if len(apart) > 1 else ""
    return f"{apart.mean():.2g}{spread}"


def loss_text(outcome: Outcome, count: int) -> str:
    """Mean and spread of the held-out loss at the end, or what became of it; `count` seeds were finished."""
    if outcome.diverged:
        return "diverged" if outcome.diverged == count else f"diverged, {outcome.diverged} of {count}"
    if outcome.loss is None:
        return "cut off"
    spread = f" ± {outcome.loss_spread:.2g}" if outcome.loss_spread is not None else ""
    return f"{outcome.loss:.4g}{spread}"


def accuracy_text(outcome: Outcome) -> str:
    """Mean and spread of the held-out accuracy at the end; empty where there is none."""
    if outcome.accuracy is None:
        return ""
    spread = f" ± {100 * outcome.accuracy_spread:.2f}" if outcome.accuracy_spread is not None else ""
    return f"{100 * outcome.accuracy:.2f}%{spread}"
