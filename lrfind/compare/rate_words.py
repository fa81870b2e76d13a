"""What is said of the best rate at one batch size: others beside it, what lies beyond."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lrfind.compare.results import Edge, Judge, within_spread
from lrfind.report.formatting import listed
from lrfind.statistics import spread_over_seeds
from lrfind.suggestion import rate_text, rounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.compare.results import Best, Cell, Comparison


def reason_words(cell: Cell, best: Best, comparison: Comparison) -> str:
    """Why this rate: out of how many it came out best, and by what."""
    with_optimizer = f" with {cell.optimizer}" if len(comparison.optimizers) > 1 else ""
    where = f"tried{with_optimizer} at batch size {cell.batch_size}"
    score = f"after {comparison.budget.words}: {_score_words(cell, best.index)}."
    text = f"Of the {len(cell.lrs)} rates {where} it came out best {score}"
    if len(cell.lrs) == 1:
        text = f"It is the only rate {where}; {score}"
    if best.equal:
        text += f" {_equal_words(cell, best)} as many right, and a higher loss."
    if len(cell.runs) == 1:
        text += " One seed cannot say how much of that is luck."
    return text


def best_words(cell: Cell, best: Best, comparison: Comparison) -> str:
    """How sure it is that this rate is the best: its equals, its neighbours, the end of what was tried."""
    if len(cell.lrs) == 1:
        around = ",".join(rate_text(rounded(best.lr * factor)) for factor in (0.5, 1, 2))
        return (
            "Only one rate was tried, and nothing tells whether another one does better: give more, such as "
            f"compare.lrs=[{around}]."
        )
    at = f"batch size {cell.batch_size}"
    bracket = f"between {rate_text(rounded(best.low))} and {rate_text(rounded(best.high))}"
    bracket += ", or below" * best.open_below + ", or above" * best.open_above
    rival = None if best.equal else _rival(cell, best)
    sentences = []
    if best.equal:
        sentences.append(
            f"At {at}, {_equal_words(cell, best)} as many samples right as {rate_text(best.lr)}, whose loss "
            "is lower: take them for equals."
        )
    elif rival is not None:
        sentences.append(
            f"At {at}, {len(cell.runs)} seeds do not tell {rate_text(cell.lrs[rival])} from "
            f"{rate_text(best.lr)}."
        )
    if best.edge is not Edge.NONE:
        further = "higher" if best.edge is Edge.HIGH else "lower"
        sentences.append(
            f"{rate_text(best.lr)} is the {best.edge.value} rate tried, so a {further} one may be "
            f"better still: {widen_words(comparison, best)}."
        )
    elif best.equal:
        sentences.append(f"The best lies {bracket}.")
    elif rival is None:
        lies = f": the best at {at} lies {bracket}" if best.low < best.high else ""
        sentences.append(f"The rates beside {rate_text(best.lr)} did worse{lies}.")
    return " ".join(sentences)


def widen_words(comparison: Comparison, *ends: Best) -> str:
    """How to try rates beyond those tried, beyond the ends at which some are best."""
    if comparison.grid is not None:
        return f"raise compare.num_lrs, to {comparison.grid + 4}"
    low = [best.lr / 2 for best in ends if best.edge is Edge.LOW]
    high = [best.lr * 2 for best in ends if best.edge is Edge.HIGH]
    to = [rate_text(rounded(lr)) for lr in (*sorted(low)[:1], *sorted(high)[-1:])]
    return f"widen compare.lrs{f', to {listed(to)} at least' if to else ''}"


def _score_words(cell: Cell, index: int) -> str:
    """`97.1% of held-out samples right (± 0.1% over 3 seeds)`, or the loss so."""
    values, seeds = cell.scores[:, [index]], len(cell.runs)
    mean, spread = float(values.mean()), float(spread_over_seeds(values)[0])
    if cell.judge is Judge.ACCURACY:
        over = f" (± {100 * spread:.1f}% over {seeds} seeds)" if seeds > 1 else ""
        return f"{100 * mean:.1f}% of held-out samples right{over}"
    over = f" (± {spread:.2g} over {seeds} seeds)" if seeds > 1 else ""
    return f"a held-out loss of {rate_text(mean)}{over}"


def _equal_words(cell: Cell, best: Best) -> str:
    """`0.2 and 0.4 have`: the rates that the loss alone told from the best one."""
    names = listed([rate_text(cell.lrs[i]) for i in best.equal])
    return f"{names} {'has' if len(best.equal) == 1 else 'have'}"


def _rival(cell: Cell, best: Best) -> int | None:
    """The nearest other rate, where the seeds do not tell it from the best."""
    means = cell.errors.mean(axis=0)
    means[best.index] = math.inf
    rival = int(np.argmin(means))
    return rival if within_spread(cell.errors[:, rival], cell.errors[:, best.index]) else None


def optimizers_words(comparison: Comparison, chosen: Cell, best: Best) -> str:
    """Which are within the spread of the seeds, which behind, and which came to nothing."""
    beside = [c for c in comparison.cells if c.batch_size == chosen.batch_size and c is not chosen]
    least = chosen.errors[:, best.index]
    equal: list[str] = []
    behind: list[str] = []
    diverged: list[str] = []
    idle: list[str] = []
    for cell in beside:
        if cell.best is None:
            (diverged if cell.diverged else idle).append(cell.optimizer)
        elif within_spread(cell.errors[:, cell.best.index], least):
            equal.append(cell.optimizer)
        else:
            behind.append(cell.optimizer)
    said = [f"{chosen.optimizer} came out best of the optimizers at batch size {chosen.batch_size}"]
    for names, where in ((equal, "within the spread of the seeds"), (behind, "behind")):
        if names:
            said.append(f"{listed(names)} {'is' if len(names) == 1 else 'are'} {where}")
    for names, what in ((diverged, "every rate diverged"), (idle, "no rate learnt anything")):
        if names:
            said.append(f"with {listed(names)} {what}")
    return f"{'; '.join(said)}.{_beyond(comparison, beside)}"


def _beyond(comparison: Comparison, cells: Sequence[Cell]) -> str:
    """Of which optimizers the best rate may lie beyond those tried, so that they are not beaten yet."""
    ends = [(cell.optimizer, cell.best) for cell in cells if cell.best and cell.best.edge is not Edge.NONE]
    if not ends:
        return ""
    first, *others = [f"{rate_text(best.lr)}, the {best.edge.value}" for _, best in ends]
    where = "".join(f", {name} at {lr}" for (name, _), lr in zip(ends[1:], others, strict=True))
    who = "it" if len(ends) == 1 else "they"
    widen = widen_words(comparison, *(best for _, best in ends))
    told = f" {ends[0][0]} did best at {first} of the rates tried{where}"
    return f"{told}: {who} may do better beyond, so {widen}."
