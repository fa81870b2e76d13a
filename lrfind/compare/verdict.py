"""What a comparison says to whoever has to choose: a suggestion, or why there is none, in numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrfind.compare.rate_words import best_words, optimizers_words, reason_words
from lrfind.compare.results import Judge
from lrfind.compare.scaling import scaling_of
from lrfind.compare.scaling_words import scalings_words
from lrfind.report.formatting import told_apart
from lrfind.suggestion import Suggestion, rate_text, rounded

if TYPE_CHECKING:
    from lrfind.compare.results import Best, Cell, Comparison
    from lrfind.compare.scaling import Scaling
    from lrfind.statistics import Floats

RULE = "compared"
"""The name of what makes the suggestion: trained out, not read from a curve."""


@dataclass(frozen=True, slots=True)
class CompareVerdict:
    """What to do.

    Attributes:
        suggestion: The best rate of one batch size, or None.
        about: Optimizer and batch size that the suggestion is for, or None.
        rules: The best rate by accuracy and by loss there, or None each.
        scalings: For each optimizer how its best rate moves with the batch size.
    """

    suggestion: Suggestion | None
    about: tuple[str, int] | None
    rules: dict[str, float | None]
    verdict: str
    scalings: dict[str, Scaling]


def conclude(comparison: Comparison, batch_size: int, *, starts_finite: bool = True) -> CompareVerdict:
    """Reads a comparison.

    The suggestion is for `batch_size`, that of the task, where it was tried; else for the batch size, and
    with several optimizers the optimizer, that came out best of all.
    """
    scalings = {name: scaling_of(comparison.of(name)) for name in comparison.optimizers}
    rules: dict[str, float | None] = {judge.value: None for judge in Judge}
    chosen = None if comparison.interrupted else _chosen(comparison, batch_size)
    if chosen is None:
        verdict = _why_no_rate(comparison, starts_finite=starts_finite)
        return CompareVerdict(None, None, rules, verdict, scalings)
    cell, best = chosen
    sentences = [best_words(cell, best, comparison)]
    if len(comparison.optimizers) > 1:
        sentences.append(optimizers_words(comparison, cell, best))
    sentences += scalings_words(comparison, scalings)
    suggestion = Suggestion(
        lr=best.lr,
        low=min(rounded(best.low), best.lr),
        high=max(rounded(best.high), best.lr),
        rule=RULE,
        reason=reason_words(cell, best, comparison),
    )
    rules[Judge.LOSS.value] = _lowest(cell, cell.losses)
    if cell.accuracies.any():
        wrong = np.where(np.isfinite(cell.losses), 1 - cell.accuracies, np.inf)
        rules[Judge.ACCURACY.value] = _lowest(cell, wrong)
    return CompareVerdict(suggestion, (cell.optimizer, cell.batch_size), rules, " ".join(sentences), scalings)


def _chosen(comparison: Comparison, batch_size: int) -> tuple[Cell, Best] | None:
    """The cell that did best, and its best rate: of those of the batch size, or else of all."""
    trained = [(cell, cell.best) for cell in comparison.cells if cell.best is not None]
    found = [each for each in trained if each[0].batch_size == batch_size] or trained
    return min(found, key=lambda each: float(each[0].errors[:, each[1].index].mean()), default=None)


def _lowest(cell: Cell, values: Floats) -> float | None:
    """The rate of the lowest mean over the seeds, of values of shape (seeds, rates)."""
    means = values.mean(axis=0)
    index = int(np.argmin(means))
    return cell.lrs[index] if math.isfinite(float(means[index])) else None


_HARM = 0.1
"""Share of the loss before training by which a rate that is too high ends above it; first weights may be off
by less, from answers that are equally likely."""


def _why_no_rate(comparison: Comparison, *, starts_finite: bool) -> str:
    """In words, of a comparison that was cut off, or none of whose cells has a best rate.

    Where every rate diverged `starts_finite` says whether the loss before training is finite.
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
    untrained = float(np.mean([baseline.least for baseline in baselines]))
    ended, before = told_apart(float(means[np.isfinite(means)].min()), untrained)
    blind = ", or for answers that ignore the inputs," if any(b.blind < b.loss for b in baselines) else ""
    ends, without = f"the held-out loss ends at {ended} at best", f"Before training{blind} it is {before}."
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
    """Which rates are left to try; none beside a grid, which lies where a range test saw the loss fall."""
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
