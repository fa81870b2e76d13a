"""What a comparison leaves for programs, and what it says on the screen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lrfind.compare.results import Edge
from lrfind.report.files import csv_text
from lrfind.report.formatting import duration_text
from lrfind.report.paragraphs import Paragraph, answer_lines
from lrfind.report.record import plain
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lrfind.compare.results import Cell, Comparison
    from lrfind.compare.scaling import Scaling
    from lrfind.compare.verdict import CompareVerdict
    from lrfind.report.files import Cell as CsvCell


def compare_csv(comparison: Comparison, *, optimizers: bool, accumulation_steps: int = 1) -> str:
    """Makes the text of `compare.csv`: one row a reading.

    A rate that diverged has no rows from there on. `accuracy` is a column only where it was measured.

    Args:
        comparison: What was measured.
        optimizers: Whether the first column names the optimizer.
        accumulation_steps: Batches a step.
    """
    accuracy = comparison.accuracies
    header = ["optimizer"] if optimizers else []
    header += ["batch_size", "lr", "seed", "epoch", "step", "samples", "loss"]
    header += ["accuracy"] if accuracy else []
    return csv_text(header, _rows(comparison, optimizers, accuracy, accumulation_steps))


def _rows(
    comparison: Comparison, optimizers: bool, accuracy: bool, accumulation_steps: int
) -> Iterator[Sequence[CsvCell]]:
    for cell in comparison.measured:
        for i, lr in enumerate(cell.lrs):
            for run in cell.runs:
                for j, step in enumerate(run.read_at):
                    loss, right = float(run.readings[i, j]), float(run.accuracies[i, j])
                    if math.isnan(loss) and math.isnan(right):
                        break  # it was dropped, or the run was cut off
                    row: list[CsvCell] = [cell.optimizer] if optimizers else []
                    row += [cell.batch_size, lr, run.seed, comparison.budget.epoch(j), step]
                    row += [step * cell.batch_size * accumulation_steps, loss]
                    yield row + ([right] if accuracy else [])


def announced(
    *,
    rates: int,
    optimizers: int,
    batch_sizes: int,
    seeds: int,
    budget: str,
    processes: int,
    taken_over: int,
    seconds: float,
    stacked: float,
) -> str:
    """What is going to be done, before it is: `4 rates x 3 batch sizes x 3 seeds x 10 epochs, about 3 min`.

    Args:
        rates: How many a run.
        optimizers: How many.
        batch_sizes: How many.
        seeds: How many.
        budget: How long each trains, in words.
        processes: Runs at a time.
        taken_over: Runs that are finished already.
        seconds: How long all of it is going to take.
        stacked: Share of the runs whose rates are trained side by side.
    """
    factors = [_counted(rates, "rate")]
    factors += [_counted(optimizers, "optimizer")] if optimizers > 1 else []
    factors += [_counted(batch_sizes, "batch size"), _counted(seeds, "seed"), budget]
    how = [f"{processes} at a time"] if processes > 1 else []
    if stacked:
        how.append("rates side by side" if stacked == 1 else "rates side by side where that is faster")
    told = f"{' x '.join(factors)}, about {duration_text(seconds)}"
    told += f" ({', '.join(how)})" if how else ""
    if taken_over:
        told += f"; {_counted(taken_over, 'run')} taken over from before"
    return f"{told}."


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def compare_lines(comparison: Comparison, advice: CompareVerdict, files: Sequence[Path]) -> list[Paragraph]:
    """Works out what is written to stdout: a line a batch size, then the advice and the files."""
    accuracy = comparison.accuracies
    several = len(comparison.optimizers) > 1
    width = max([len(name) for name in comparison.optimizers] + [9])
    head = f"{'optimizer':{width}}  " if several else ""
    head += f"{'batch size':>10}  {'best lr':>8}  {'between':>16}  "
    head += f"{'accuracy':>15}  " if accuracy else ""
    lines = [Paragraph(f"  {head}{'loss':>17}  tried", "bold")]
    for cell in comparison.cells:
        chosen = advice.about == (cell.optimizer, cell.batch_size)
        text = f"{cell.optimizer:{width}}  " if several else ""
        text += _row_text(cell, accuracy=accuracy)
        lines.append(Paragraph(f"{'*' if chosen else ' '} {text}".rstrip(), "green" if chosen else ""))
    lines.append(Paragraph(""))
    return lines + answer_lines(advice.suggestion, advice.verdict, files)


def _row_text(cell: Cell, *, accuracy: bool) -> str:
    best = cell.best
    tried = f"{len(cell.lrs)}, {rate_text(cell.lrs[0])} to {rate_text(cell.lrs[-1])}"
    if best is None:
        return f"{cell.batch_size:>10}  {'none':>8}  every rate diverged; tried {tried}"
    low = "<" if best.open_below and best.edge is Edge.LOW else ""
    high = ">" if best.open_above and best.edge is Edge.HIGH else ""
    between = f"{low}{rate_text(best.low)} to {high}{rate_text(best.high)}"
    text = f"{cell.batch_size:>10}  {rate_text(best.lr):>8}  {between:>16}  "
    if accuracy:
        text += f"{_mean_text(cell.accuracies[:, best.index], percent=True):>15}  "
    return text + f"{_mean_text(cell.losses[:, best.index]):>17}  {tried}"


def _mean_text(values: Any, *, percent: bool = False) -> str:
    mean = float(values.mean())
    spread = float(values.std(ddof=1)) if len(values) > 1 else math.nan
    if percent:
        return f"{100 * mean:.2f}%" + (f" ± {100 * spread:.2f}" if math.isfinite(spread) else "")
    return f"{mean:.4g}" + (f" ± {spread:.2g}" if math.isfinite(spread) else "")


def compare_record(comparison: Comparison, advice: CompareVerdict) -> dict[str, Any]:
    """What the JSON record holds beside the keys that every command writes."""
    return {
        "judge": comparison.judge.value,
        "budget": {"samples": comparison.budget.samples, "epoch_samples": comparison.budget.pool},
        "runs": {"planned": comparison.planned, "finished": comparison.finished},
        "cells": [_cell_record(cell) for cell in comparison.cells],
        "scaling": [_scaling_record(name, scaling) for name, scaling in advice.scalings.items()],
    }


def _cell_record(cell: Cell) -> dict[str, Any]:
    best = cell.best
    return {
        "optimizer": cell.optimizer,
        "batch_size": cell.batch_size,
        "seeds": [run.seed for run in cell.runs],
        "stacked": cell.runs[0].stacked,
        "best": None
        if best is None
        else {"lr": best.lr, "low": best.low, "high": best.high, "edge": best.edge.value or None},
        "rates": [
            {
                "lr": lr,
                "loss": plain(float(cell.losses[:, i].mean())),
                "accuracy": _accuracy(cell, i),
                "diverged": int(sum(run.diverged[i] for run in cell.runs)),
            }
            for i, lr in enumerate(cell.lrs)
        ],
    }


def _accuracy(cell: Cell, index: int) -> float | None:
    found = [float(run.accuracies[index, -1]) for run in cell.runs]
    return None if any(math.isnan(each) for each in found) else sum(found) / len(found)


def _scaling_record(optimizer: str, scaling: Scaling) -> dict[str, Any]:
    exponent = scaling.exponent
    return {
        "optimizer": optimizer,
        "exponent": None
        if exponent is None
        else {
            "value": exponent.value,
            "low": exponent.low,
            "high": exponent.high,
            "batch_sizes": list(exponent.batch_sizes),
            "doubling": exponent.doubling[0],
        },
        "rules": [
            {
                "name": rule.name,
                "anchor": rule.anchor,
                "lr": rule.lr,
                "holds": list(rule.holds),
                "fails_at": rule.fails_at,
                "predicted": plain(rule.predicted),
            }
            for rule in scaling.rules
        ],
    }
