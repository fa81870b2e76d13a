"""What a refined sweep leaves for programs, and what it says on the screen."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from lrfind.refine.minimum import valley
from lrfind.refine.segments import rungs
from lrfind.report.answer import answer_lines
from lrfind.report.files import csv_text
from lrfind.report.table import Column, Paragraph, Row, Table
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lrfind.refine.results import RoundPlan, RoundResult
    from lrfind.refine.verdict import RefineVerdict, Repeats
    from lrfind.report.answer import Lines
    from lrfind.report.files import Cell
    from lrfind.suggestion import Group


def refine_csv(
    rounds: Sequence[Sequence[RoundResult]], *, seeds: Sequence[int] | None = None, starts: bool = False
) -> str:
    """Makes the text of `refine.csv`: one row an iteration; round, segment and iteration count from 1.

    `rounds` holds for each round the continued sweep, the restarted one, or both. Several seeds add the
    column `seed`, and `starts` adds `start`: `continued` or `restarted`.
    """
    header = ["round", "segment", "lr", "iteration", "loss"]
    header += ["seed"] if seeds is not None else []
    header += ["start"] if starts else []
    return csv_text(header, _rows(rounds, seeds, starts))


def repeats_csv(seeds: Sequence[int], sweeps: Sequence[Sequence[Sequence[RoundResult]]]) -> str:
    """Makes the text of `refine.csv` of several whole sweeps, one below the other."""
    rows = chain.from_iterable(
        _rows(rounds, [seed], False) for seed, rounds in zip(seeds, sweeps, strict=True)
    )
    return csv_text(["round", "segment", "lr", "iteration", "loss", "seed"], rows)


def repeats_record(repeats: Repeats) -> dict[str, Any]:
    """What the record says of several sweeps."""
    return {
        "seeds": list(repeats.seeds),
        "lrs": list(repeats.lrs),
        "factor": repeats.factor,
        "reason": repeats.reason,
    }


def _rows(
    rounds: Sequence[Sequence[RoundResult]], seeds: Sequence[int] | None, starts: bool
) -> Iterator[Sequence[Cell]]:
    for number, kinds in enumerate(rounds, start=1):
        for measured in kinds:
            start: list[Cell] = ["restarted" if measured.restarted else "continued"] if starts else []
            for i, track in enumerate(measured.tracks):
                seed: list[Cell] = [] if seeds is None else [seeds[i]]
                planned = rungs(measured.plan.segments)
                for (segment, lr, _), losses in zip(planned, track.losses, strict=False):
                    for iteration, loss in enumerate(losses, start=1):
                        yield [number, segment, lr, iteration, loss, *seed, *start]


def announced(number: int, plan: RoundPlan, *, seeds: int = 1) -> str:
    """What a round is going to do, and why."""
    low, high = plan.span
    rates = len(rungs(plan.segments))
    over = f", {seeds} seeds" if seeds > 1 else ""
    reason = f" {plan.reason}" if plan.reason else ""
    iterations = f"{plan.iterations:,} iterations{over}"
    return f"round {number}: {rates} rates from {rate_text(low)} to {rate_text(high)}, {iterations}.{reason}"


def refine_lines(
    sweeps: Sequence[Sequence[RoundResult]],
    answer: RefineVerdict,
    files: Sequence[Path],
    *,
    seeds: Sequence[int] = (),
    groups: Sequence[Group] = (),
) -> Lines:
    """Works out what is written to stdout: the answer, then a line a round and why it was run.

    `seeds` are those of the sweeps, where there are several.
    """
    spread = any(measured.spread is not None for rounds in sweeps for measured in rounds)
    columns = [Column("seed")] if seeds else []
    loss = "restarted loss" if any(each.restarted for rounds in sweeps for each in rounds) else "loss"
    columns += [Column(head) for head in ("round", "rates", "from", "to", "lowest at", loss)]
    columns += [Column("spread", rank=1)] if spread else []
    rows, said = [], []
    for i, rounds in enumerate(sweeps):
        for number, measured in enumerate(rounds, start=1):
            cells = [f"{seeds[i]}"] if seeds else []
            cells += [*_cells(number, measured), *([_spread(measured)] if spread else [])]
            rows.append(Row(cells, style="green" if number == (answer.round or len(rounds)) else ""))
            if not seeds:  # of several sweeps too much, and told on the way
                said += [Paragraph(f"Round {number}. {sentence}") for sentence in _about(measured)]
    details: Lines = [Table(columns, rows), *said] if rows else []
    return answer_lines(
        answer.suggestion, answer.verdict, files, groups, bracket=answer.bracket, details=details
    )


def _about(measured: RoundResult) -> Iterator[str]:
    """Why a round was run, and what of it the answer is read from."""
    if measured.plan.reason:
        yield measured.plan.reason
    whole, rates = int(measured.whole.sum()), len(measured.lrs)
    if whole < rates:
        yield (
            f"{whole} of {rates} rates were trained in full, and the answer is read from them alone; halving "
            "dropped the others."
        )


def _cells(number: int, measured: RoundResult) -> list[str]:
    low, high = measured.plan.span
    seen = valley(measured)
    lowest, loss = ("none", "") if seen is None else (rate_text(seen.lowest, 4), rate_text(seen.loss))
    return [f"{number}", f"{len(measured.lrs)}", rate_text(low), rate_text(high), lowest, loss]


def _spread(measured: RoundResult) -> str:
    """Over the seeds, where the loss was lowest."""
    seen, spread = valley(measured), measured.spread
    if seen is None or spread is None:
        return ""
    where = measured.lrs == seen.lowest
    return f"{float(spread[where][0]):.2g}" if where.any() else ""
