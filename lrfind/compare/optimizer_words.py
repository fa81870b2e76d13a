"""How the other optimizers fare beside the best one at its batch size, each at its own best rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfind.compare.rate_words import widen_words
from lrfind.compare.results import Edge, within_spread
from lrfind.report.formatting import listed
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.compare.results import Best, Cell, Comparison


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
