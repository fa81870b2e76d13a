"""What a comparison says to whoever has to choose: a suggestion, and advice in measured numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrfind.compare.no_rate_words import why_no_rate
from lrfind.compare.optimizer_words import optimizers_words
from lrfind.compare.rate_words import best_words, reason_words
from lrfind.compare.results import Judge
from lrfind.compare.scaling import scaling_of
from lrfind.compare.scaling_words import scalings_words
from lrfind.suggestion import Suggestion, rounded

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
        verdict: What came out, in plain language.
        scalings: For each optimizer how its best rate moves with the batch size.
    """

    suggestion: Suggestion | None
    about: tuple[str, int] | None
    rules: dict[str, float | None]
    verdict: str
    scalings: dict[str, Scaling]


def conclude(comparison: Comparison, batch_size: int, *, starts_finite: bool = True) -> CompareVerdict:
    """Reads a comparison.

    Args:
        comparison: What was measured.
        batch_size: The one the task is configured with. If it was tried, the suggestion is for it; else for
            the batch size, and with several optimizers the optimizer, that came out best of all.
        starts_finite: Whether the loss before training is finite; asked for where every rate diverged.
    """
    scalings = {name: scaling_of(comparison.of(name)) for name in comparison.optimizers}
    rules: dict[str, float | None] = {judge.value: None for judge in Judge}
    chosen = None if comparison.interrupted else _chosen(comparison, batch_size)
    if chosen is None:
        verdict = why_no_rate(comparison, starts_finite=starts_finite)
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
