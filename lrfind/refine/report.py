"""What a refined sweep leaves for programs, and what it says on the screen."""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING, Any

from lrfind.refine.minimum import valley
from lrfind.refine.segments import rungs
from lrfind.report.files import csv_text
from lrfind.report.paragraphs import Paragraph, answer_lines
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lrfind.refine.certainty import Repeats
    from lrfind.refine.results import RoundPlan, RoundResult
    from lrfind.refine.verdict import RefineVerdict
    from lrfind.report.files import Cell
    from lrfind.suggestion import Group


def refine_csv(
    rounds: Sequence[Sequence[RoundResult]], *, seeds: Sequence[int] | None = None, starts: bool = False
) -> str:
    """Makes the text of `refine.csv`: one row an iteration; round, segment and iteration count from 1.

    Args:
        rounds: For each round what was measured in it: the continued sweep, the restarted one, or both.
        seeds: The seeds, where there are several: adds the column `seed`.
        starts: Adds the column `start`: `continued` or `restarted`.
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
    return f"round {number}: {rates} rates from {low:g} to {high:g}, {iterations}.{reason}"


def refine_lines(
    rounds: Sequence[RoundResult],
    answer: RefineVerdict,
    files: Sequence[Path],
    *,
    groups: Sequence[Group] = (),
) -> list[Paragraph]:
    """Works out what is written to stdout: a line a round with why it was run, then the answer."""
    several = any(measured.spread is not None for measured in rounds)
    head = f"  {'round':5}  {'rates':>5}  {'from':>8}  {'to':>8}  {'lowest at':>9}  {'loss':>8}"
    lines = [Paragraph(head + (f"  {'spread':>8}" if several else ""), "bold")]
    for number, measured in enumerate(rounds, start=1):
        low, high = measured.plan.span
        seen = valley(measured)
        lowest, loss = ("none", "") if seen is None else (rate_text(seen.lowest, 4), f"{seen.loss:.3g}")
        text = (
            f"  {number:<5}  {len(measured.lrs):>5}  {rate_text(low):>8}  {rate_text(high):>8}  "
            f"{lowest:>9}  {loss:>8}"
        )
        if several:
            text += f"  {_spread(measured, seen.lowest if seen else math.nan):>8}"
        lines.append(Paragraph(text.rstrip(), "green" if number == len(rounds) else ""))
    lines.append(Paragraph(""))
    for number, measured in enumerate(rounds, start=1):
        if measured.plan.reason:
            lines.append(Paragraph(f"Round {number}. {measured.plan.reason}"))
        whole, rates = int(measured.whole.sum()), len(measured.lrs)
        if whole < rates:
            lines.append(
                Paragraph(
                    f"Round {number}. {whole} of {rates} rates were trained in full, and the answer is read "
                    "from them alone; halving dropped the others."
                )
            )
    return lines + answer_lines(answer.suggestion, answer.verdict, files, groups)


def _spread(measured: RoundResult, lr: float) -> str:
    spread = measured.spread
    where = measured.lrs == lr
    return "" if spread is None or not where.any() else f"{float(spread[where][0]):.2g}"
