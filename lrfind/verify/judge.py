"""Whether a learning rate holds against others that were tried on the same seeds.

Rates are compared seed by seed: within a seed they share initial weights, batches and random numbers, so that
what is left of a difference is the rate's doing. One rate is *clearly better* than another when, in the mean
over the seeds, it ends lower by more than a margin (a share of the drop from the initial loss to the best
final one), and by more than the noise of the seeds: the mean difference must exceed t standard errors of the
mean, t being Student's one-sided 95% quantile (2.92 for 3 seeds). With one seed there is no telling the
noise, and the margin decides alone.

A loss above the one a seed began at counts as that one: a run that lost everything has lost everything, and
how far it went beyond is an accident that would drown the other seeds. A rate that diverged on any seed is
never better than another, and worse than each that diverged on none and lowered the loss by more than the
margin: a rate that trains on two seeds of three is none to use, nor is one that learns nothing on any.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrfind.statistics import paired_noise

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What the final losses of several rates say about one of them.

    Attributes:
        checked: Index of the rate that was checked.
        pinned: Index of the rate a project has pinned; None: there is none.
        margin: Share of the drop that a rate may be worse by.
        means: Mean final loss over the seeds as measured, shape (rates,); infinite where one diverged.
        spreads: Standard deviation of it over the seeds, shape (rates,); NaN for one seed or where infinite.
        diverged: On how many seeds each rate diverged, shape (rates,).
        start: Mean initial loss.
        drop: From the mean initial to the best mean final loss; 0 where no rate lowered it.
        worse_by: How much higher than the best each rate ends, as a share of the drop, at most 1, shape
            (rates,); NaN where there is no drop.
        better: The rates clearly better than the checked one, best first.
        doubtful: Those that are better by more than the margin, but not by more than the noise.
        holds: Whether the checked rate holds: it did not diverge, and none is clearly better. None: it did
            not diverge, but no rate lowered the loss, or the loss was not finite before training, so that
            nothing can be said.
        recommended: The rate to take: the checked one where it holds, else the best of those clearly better;
            None where there is none.
        sensible: Whether the pinned rate did not diverge, and the recommended one is not clearly better than
            it. None: there is no pinned rate, or nothing can be said of it.
        pinned_in_doubt: The pinned rate is worse by more than the margin, but not by more than the noise.
    """

    checked: int
    pinned: int | None
    margin: float
    means: Floats
    spreads: Floats
    diverged: NDArray[np.int64]
    start: float
    drop: float
    worse_by: Floats
    better: tuple[int, ...]
    doubtful: tuple[int, ...]
    holds: bool | None
    recommended: int | None
    sensible: bool | None
    pinned_in_doubt: bool

    @property
    def best(self) -> int | None:
        """The rate with the lowest mean final loss; None where no rate lowered it."""
        return None if self.drop == 0 else int(np.nanargmin(self.worse_by))

    def bracket(self, rate: int) -> tuple[int, int]:
        """The first and the last of the rates around one (rising) that end within the margin of the best."""
        good = (self.worse_by <= self.margin) & (self.diverged == 0)
        low = high = rate
        while low > 0 and good[low - 1]:
            low -= 1
        while high + 1 < len(good) and good[high + 1]:
            high += 1
        return low, high


def judge(
    finals: ArrayLike, starts: ArrayLike, *, checked: int, margin: float, pinned: int | None = None
) -> Judgement:
    """Judges a rate by the final losses of all.

    Args:
        finals: Loss at the end, shape (seeds, rates); one that is not finite has diverged.
        starts: Loss before training, shape (seeds,).
        checked: Index of the rate in question.
        margin: Share of the drop, greater than 0.
        pinned: Index of a rate that a project has pinned.

    Raises:
        ValueError: There is no seed or no rate, or the shapes do not belong together.
    """
    ends = np.asarray(finals, dtype=np.float64)
    begins = np.asarray(starts, dtype=np.float64)
    if ends.ndim != 2 or 0 in ends.shape or begins.shape != ends.shape[:1]:
        raise ValueError(f"finals of shape {ends.shape} do not belong to starts of shape {begins.shape}")
    finite = np.isfinite(ends)
    diverged = np.sum(~finite, axis=0)
    capped = np.minimum(np.where(finite, ends, np.inf), begins[:, None])
    lost = capped.mean(axis=0)
    start = float(begins.mean())
    drop = max(start - float(lost.min()), 0.0) if math.isfinite(start) else 0.0
    rates = range(ends.shape[1])

    def against(one: int, other: int) -> tuple[bool, bool]:
        """Whether `one` is better than `other` by more than the margin, and whether clearly so."""
        if drop == 0 or diverged[one] or one == other:
            return False, False
        if diverged[other]:
            learnt = start - float(lost[one]) > margin * drop
            return learnt, learnt
        difference = capped[:, other] - capped[:, one]
        more = float(difference.mean()) > margin * drop
        return more, more and float(difference.mean()) > paired_noise(difference)

    better = sorted((i for i in rates if against(i, checked)[1]), key=lambda i: (float(lost[i]), i))
    doubtful = [i for i in rates if against(i, checked) == (True, False)]
    holds: bool | None = not (better or diverged[checked])
    if not math.isfinite(start) or (drop == 0 and not diverged[checked]):
        holds = None  # a loss that is not finite before training is not the rate's doing
    recommended = checked if holds else better[0] if better else None
    sensible, in_doubt = None, False
    if pinned is not None and math.isfinite(start) and diverged[pinned]:
        sensible = False
    elif pinned is not None and recommended is not None:
        more, clearly = against(recommended, pinned)
        sensible, in_doubt = not clearly, more and not clearly
    return Judgement(
        checked=checked,
        pinned=pinned,
        margin=margin,
        means=np.where(diverged > 0, np.inf, np.where(finite, ends, 0.0).mean(axis=0)),
        spreads=_spreads(ends, diverged),
        diverged=diverged,
        start=start,
        drop=drop,
        worse_by=(lost - lost.min()) / drop if drop else np.full(len(lost), np.nan),
        better=tuple(better),
        doubtful=tuple(doubtful),
        holds=holds,
        recommended=recommended,
        sensible=sensible,
        pinned_in_doubt=in_doubt,
    )


def _spreads(ends: Floats, diverged: NDArray[np.int64]) -> Floats:
    spreads = np.full(ends.shape[1], np.nan)
    trained = diverged == 0
    if len(ends) > 1 and trained.any():
        spreads[trained] = ends[:, trained].std(axis=0, ddof=1)
    return spreads
