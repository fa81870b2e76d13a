"""Which of several learning rates is best, which cannot be told from it, and whether one of them holds.

The rates are compared as `Comparison` says. One that was given up on every seed had no chance any more, and
is worse than the best; of one that was left for want of steps nothing is known but that it was not behind.
Where none came by more than a hundredth below the loss before training, nor, once that was found, below that
of the best answer that does not look at the inputs, nothing was learnt, and shares of so small a drop are
chance: no rate is judged but those that diverged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrfind.training.blind_answer import UNKNOWN
from lrfind.verify.comparison import Comparison
from lrfind.verify.ends import Ends

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from lrfind.statistics import Floats
    from lrfind.training.blind_answer import BlindAnswer


@dataclass(frozen=True, slots=True, eq=False)
class Judgement(Ends):
    """What the final losses of several rates say about one of them.

    Attributes:
        checked: Index of the rate that was checked.
        pinned: Index of the rate a project has pinned; None: there is none.
        margin: Share of the drop that a rate may be worse by.
        start: Mean initial loss.
        base: What the drop is counted from: `start`, or the loss of `blind` where that is lower and the best
            came below it by more than a hundredth.
        drop: From there to the best mean final loss; 0 where no rate lowered it.
        blind: The best answer that does not look at the inputs.
        learnt: Whether the best rate came below both by more than a hundredth, or is on its way there.
        worse_by: How much higher than the best each rate ends on the seeds of both, as a share of the drop,
            at most 1, shape (rates,); NaN where nothing was learnt, and where it was given up.
        best: The rate that ends lowest; None where nothing was learnt.
        better: The rates clearly better than the checked one, best first.
        doubtful: Those that are better by more than the margin, but not by more than the noise.
        beyond_noise: The best is better than the checked one by more than the noise, be it within the margin.
        holds: Whether the checked rate holds: it did not diverge, and none is clearly better. None: it did
            not diverge, but came to no end, or alone came to one, or another one was left and was lower
            already, nothing was learnt, or the loss was not finite before training, so that nothing can be
            said.
        recommended: The rate to take: the best, unless it diverged on a seed; None where there is none.
        low: Between it and `high` lie the rates that cannot be told from the recommended one, by the noise or
            by the margin: half-way on a log axis to the next that can, or that was given up, but
            no more than half a step of the search, or the lowest that was tried; one that was left does not
            count as tried. The recommended one itself where no other came to its end; NaN where none is
            recommended.
        high: The other end.
        sensible: Whether the pinned rate did not diverge, and the recommended one is not clearly better than
            it. None: there is no pinned rate, it alone came to its end, or nothing can be said of it.
        pinned_in_doubt: The pinned rate is worse by more than the margin, but not by more than the noise.
    """

    checked: int
    pinned: int | None
    margin: float
    start: float
    base: float
    drop: float
    blind: BlindAnswer
    learnt: bool
    worse_by: Floats
    best: int | None
    better: tuple[int, ...]
    doubtful: tuple[int, ...]
    beyond_noise: bool
    holds: bool | None
    recommended: int | None
    low: float
    high: float
    sensible: bool | None
    pinned_in_doubt: bool

    @property
    def lowest(self) -> float:
        """The best mean final loss."""
        return self.base - self.drop

    @property
    def is_on_the_way(self) -> bool:
        """Whether the loss fell, but not yet below that of a blind answer."""
        return self.learnt and self.base == self.start and self.lowest > self.blind.loss

    @property
    def fell(self) -> bool:
        """Whether the best rate came below both, by however little."""
        return self.lowest < min(self.start, self.blind.loss)

    @property
    def on_one_seed(self) -> bool:
        """Whether the recommended rate has no spread: the margin alone says which rates are as good."""
        return self.recommended is not None and int(self.seeds[self.recommended]) == 1


def judge(
    lrs: ArrayLike,
    finals: ArrayLike,
    starts: ArrayLike,
    *,
    checked: int,
    margin: float,
    pinned: int | None = None,
    left: Sequence[int] = (),
    blind: BlindAnswer = UNKNOWN,
) -> Judgement:
    """Judges a rate by the final losses of all.

    Args:
        lrs: The rates, rising, shape (rates,).
        finals: Loss at the end, shape (seeds, rates); infinite where a run diverged, NaN where there is none.
        starts: Loss before training, shape (seeds,).
        checked: Index of the rate in question.
        margin: Share of the drop, greater than 0.
        pinned: Index of a rate that a project has pinned.
        left: Indices of the rates that came to no end for want of steps alone.
        blind: The best answer that does not look at the inputs.

    Raises:
        ValueError: There is no seed or no rate, or the shapes do not belong together.
    """
    ends = np.asarray(finals, dtype=np.float64)
    begins = np.asarray(starts, dtype=np.float64)
    rates = np.asarray(lrs, dtype=np.float64)
    if ends.ndim != 2 or 0 in ends.shape or begins.shape != ends.shape[:1] or rates.shape != ends.shape[1:]:
        raise ValueError(f"finals of shape {ends.shape} do not belong to starts of shape {begins.shape}")
    start = float(begins.mean())
    told = Comparison.of(ends, begins, margin, left, blind=blind.loss)
    order, ended = told.ranked(), told.ended
    best = order[0] if order and told.learnt else None
    recommended = best if best is not None and not ended.diverged[best] else None
    indices = range(len(rates))
    against = [told.against(i, checked) for i in indices]
    better = sorted((i for i in indices if against[i][1]), key=lambda i: (told.worse_by(i, best), i))
    sensible, in_doubt = _sensible(told, pinned, recommended) if math.isfinite(start) else (None, False)
    low, high = (math.nan, math.nan) if recommended is None else told.interval(recommended, rates)
    return Judgement(
        checked=checked,
        pinned=pinned,
        margin=margin,
        seeds=ended.seeds,
        means=ended.means,
        spreads=ended.spreads,
        diverged=ended.diverged,
        start=start,
        base=told.base,
        drop=told.drop,
        blind=blind,
        learnt=told.learnt,
        worse_by=np.array([told.worse_by(i, best) for i in indices]),
        best=best,
        better=tuple(better),
        doubtful=tuple(i for i in indices if against[i] == (True, False)),
        beyond_noise=best is not None and told.beyond_noise(checked, best),
        # A loss that is not finite before training is not the rate's doing.
        holds=_holds(told, checked, bool(better)) if math.isfinite(start) else None,
        recommended=recommended,
        low=low,
        high=high,
        sensible=sensible,
        pinned_in_doubt=in_doubt,
    )


def _holds(told: Comparison, checked: int, is_beaten: bool) -> bool | None:
    """Whether the checked rate holds; None where that cannot be said."""
    if told.ended.diverged[checked]:
        return False
    if not told.learnt or told.ended.seeds[checked] == 0:
        return None  # what is behind on its way may end within the margin
    if is_beaten:
        return False
    return None if told.ended.is_alone else True  # on its way it may have been ahead of rates that end lower


def _sensible(told: Comparison, pinned: int | None, recommended: int | None) -> tuple[bool | None, bool]:
    """Whether the pinned rate is sensible, None where that cannot be said; and whether that is in doubt."""
    if pinned is not None and told.ended.diverged[pinned]:
        return False, False
    if pinned is None or recommended is None or (told.ended.is_alone and pinned == recommended):
        return None, False
    more, clearly = told.against(recommended, pinned)
    return not clearly, more and not clearly
