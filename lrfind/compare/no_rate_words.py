"""Why a comparison suggests no rate, and what would help."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lrfind.report.formatting import told_apart
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from lrfind.compare.results import Comparison

_HARM = 0.1
"""Share of the loss before training by which a rate that is too high ends above it; first weights may be off
by less, from answers that are equally likely."""


def why_no_rate(comparison: Comparison, *, starts_finite: bool) -> str:
    """In words, of a comparison that was cut off, or none of whose cells has a best rate.

    Args:
        comparison: What was measured.
        starts_finite: Whether the loss before training is finite; asked for where every rate diverged.
    """
    if comparison.interrupted:
        return (
            f"Interrupted after {comparison.finished} of {comparison.planned} runs: too early to compare. "
            "compare.resume with this run directory goes on and keeps what is finished."
        )
    if not starts_finite:
        return (
            "Nothing can be said: the loss was not finite before any update. Look for NaN in the data or a "
            "loss outside its domain (log of 0); with bf16 or fp16 try precision=fp32."
        )
    if not comparison.diverged:
        return _nothing_learnt(comparison)
    lowest = min(cell.lrs[0] for cell in comparison.cells)
    return (
        f"Every rate diverged, down to {rate_text(lowest)}: give lower ones, such as compare.lrs="
        f"[{','.join(rate_text(lowest / factor) for factor in (100, 30, 10))}]."
    )


def _nothing_learnt(comparison: Comparison) -> str:
    """That no rate came to more than is had without training, in numbers, and what to do."""
    cells = [cell for cell in comparison.cells if not cell.diverged]
    means = np.concatenate([cell.losses.mean(axis=0) for cell in cells])
    baselines = [run.baseline for cell in cells for run in cell.runs]
    untrained = float(np.mean([baseline.loss for baseline in baselines]))
    ended, before = told_apart(float(means[np.isfinite(means)].min()), untrained)
    ends, without = f"the held-out loss ends at {ended} at best", f"Before training it is {before}."
    if comparison.accuracies:
        most = max(float(cell.accuracies.mean(axis=0).max()) for cell in cells)
        right = float(np.mean([baseline.accuracy for baseline in baselines]))
        ends += f", with {100 * most:.1f}% of the samples right at most"
        without = (
            f"Before training, or for answers that ignore the inputs, these are {before} and "
            f"{100 * right:.1f}%."
        )
    more = "compare.samples" if comparison.budget.pool is None else "compare.epochs"
    return (
        f"No rate learnt anything in {comparison.budget.words} of training: {ends}. {without}"
        f"{_other_rates(comparison, untrained)} Where learning takes longer, raise {more}; else see whether "
        "the labels belong to the inputs, and whether the optimizer moves what the loss comes from."
    )


def _other_rates(comparison: Comparison, before: float) -> str:
    """Which rates are left to try; none beside a grid, which lies where a range test saw the loss fall.

    Args:
        comparison: What was measured.
        before: The loss before training.
    """
    ends = [cell.losses.mean(axis=0) for cell in comparison.cells]
    if comparison.grid is not None:
        return ""
    if all(not math.isfinite(end[0]) or end[0] - before > _HARM * abs(before) for end in ends):
        lowest = rate_text(min(cell.lrs[0] for cell in comparison.cells))
        return f" Even the lowest rate, {lowest}, did harm: lower ones are left to try."
    if all(int(np.argmin(end)) == len(end) - 1 for end in ends):
        highest = rate_text(max(cell.lrs[-1] for cell in comparison.cells))
        return f" The loss ends lowest at the highest rate, {highest}: higher ones are left to try."
    return ""
