"""What a comparison leaves for programs, and what it says on the screen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lrfind.report.answer import answer_lines
from lrfind.report.files import csv_text
from lrfind.report.formatting import counted, training_text
from lrfind.report.table import Column, Paragraph, Row, Table
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lrfind.compare.results import Best, Cell, Comparison
    from lrfind.compare.scaling import Scaling
    from lrfind.compare.verdict import CompareVerdict
    from lrfind.report.answer import Lines
    from lrfind.report.files import Cell as CsvCell


_BRACKET = "where the best one may lie"
"""What the bracket holds."""

_NOTHING = "Nothing was measured: no run had come to its first reading."


def compare_csv(comparison: Comparison, *, optimizers: bool, accumulation_steps: int = 1) -> str:
    """Makes the text of `compare.csv`: one row a reading.

    A rate that diverged has no rows from there on. `accuracy` is a column only where it was measured.

    `optimizers`: the first column names the optimizer.
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
    each: bool,
    optimizers: int,
    batch_sizes: int,
    seeds: int,
    budget: str,
    processes: int,
    taken_over: int,
    seconds: float,
    stacked: float,
    launcher: str | None = None,
) -> str:
    """What is going to be done, before it is: `4 rates x 3 batch sizes x 3 seeds x 10 epochs, about 3 min`.

    `each` says that not all runs have the same rates, `taken_over` how many runs are finished already, and
    `stacked` in which share of the runs the rates are trained side by side; `launcher` runs them elsewhere,
    if any.
    """
    factors = [counted(rates, "rate") + (" each" if each else "")]
    factors += [counted(optimizers, "optimizer")] if optimizers > 1 else []
    factors += [counted(batch_sizes, "batch size"), counted(seeds, "seed"), budget]
    how = [f"{processes} at a time"] if processes > 1 else []
    if stacked:
        how.append("rates side by side" if stacked == 1 else "rates side by side where that is faster")
    told = f"{' x '.join(factors)}, {training_text(seconds, launcher)}"
    told += f" ({', '.join(how)})" if how else ""
    if taken_over:
        told += f"; {counted(taken_over, 'run')} taken over from before"
    return f"{told}."


def compare_lines(comparison: Comparison, advice: CompareVerdict, files: Sequence[Path]) -> Lines:
    """Works out what is written to stdout: the advice, then a line a batch size, and the files.

    Of a comparison that was cut off it is what was measured until then.
    """
    if not comparison.measured:
        return answer_lines(advice.suggestion, advice.verdict, files, details=[Paragraph(_NOTHING)])
    accuracy = comparison.accuracies
    several = len({cell.optimizer for cell in comparison.measured}) > 1
    columns = [Column("optimizer", words=True)] if several else []
    columns += [Column("batch"), Column("best lr"), Column("between")]
    columns += [Column("accuracy")] if accuracy else []
    columns += [Column("loss", rank=1 if accuracy else 0), Column("tried", words=True, rank=2)]
    rows = []
    finished = {(cell.optimizer, cell.batch_size): cell for cell in comparison.cells}
    for cell in comparison.measured:
        whole = finished.get((cell.optimizer, cell.batch_size))
        cells = [cell.optimizer] if several else []
        cells += _cells_so_far(cell, accuracy=accuracy) if whole is None else _cells(whole, accuracy=accuracy)
        rows.append(Row(cells, chosen=advice.about == (cell.optimizer, cell.batch_size)))
    chosen = None if advice.about is None else finished[advice.about].best
    between = "" if chosen is None else _between(chosen)
    return answer_lines(
        advice.suggestion,
        advice.verdict,
        files,
        bracket=_BRACKET,
        between=between,
        details=[Table(columns, rows)],
    )


def _tried(cell: Cell) -> str:
    if len(cell.lrs) == 1:
        return "1"
    return f"{len(cell.lrs)}, {rate_text(cell.lrs[0])} to {rate_text(cell.lrs[-1])}"


def _cells_so_far(cell: Cell, *, accuracy: bool) -> list[str]:
    """What was read of runs none of which is finished: the best so far, at whatever rate."""
    loss = float(np.nanmin([run.readings for run in cell.runs]))
    right = np.array([run.accuracies for run in cell.runs])
    right = right[np.isfinite(right)]
    most = [f"{100 * right.max():.1f}% so far" if len(right) else ""] if accuracy else []
    return [f"{cell.batch_size}", "cut off", "", *most, f"{rate_text(loss)} so far", _tried(cell)]


def _cells(cell: Cell, *, accuracy: bool) -> list[str]:
    best, tried = cell.best, _tried(cell)
    if best is None:
        why = "diverged" if cell.diverged else "nothing learnt"
        return [f"{cell.batch_size}", "none", "", *([""] if accuracy else []), why, tried]
    between = _between(best) if best.low < best.high else ""
    right = [_mean_text(cell.accuracies[:, best.index], percent=True)] if accuracy else []
    loss = _mean_text(cell.losses[:, best.index])
    return [f"{cell.batch_size}", rate_text(best.lr), between, *right, loss, tried]


def _between(best: Best) -> str:
    """Where the best rate lies, with a sign at an end beyond which nothing was tried that it may be."""
    low = "<" if best.open_below else ""
    high = ">" if best.open_above else ""
    return f"{low}{rate_text(best.low)} to {high}{rate_text(best.high)}"


def _mean_text(values: Any, *, percent: bool = False) -> str:
    mean = float(values.mean())
    spread = float(values.std(ddof=1)) if len(values) > 1 else math.nan
    if percent:
        return f"{100 * mean:.1f}%" + (f" ± {100 * spread:.1f}" if math.isfinite(spread) else "")
    return rate_text(mean) + (f" ± {spread:.1g}" if math.isfinite(spread) else "")


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
                "loss": float(cell.losses[:, i].mean()),
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
                "predicted": rule.predicted,
            }
            for rule in scaling.rules
        ],
    }
