"""Which of several learning rates is best, which cannot be told from it, and whether one of them holds.

Rates are compared seed by seed: within a seed they share initial weights, batches and random numbers, so that
what is left of a difference is the rate's doing. One rate is *clearly better* than another when, in the mean
over the seeds that both were trained on, it ends lower by more than a margin (a share of the drop from the
initial loss to the best final one), and by more than the noise of the seeds: the mean difference must exceed
t standard errors of the mean, t being Student's one-sided 95% quantile (2.92 for 3 seeds). With one seed
there is no telling the noise, and the margin decides alone.

A loss above the one a seed began at counts as that one: a run that lost everything has lost everything, and
how far it went beyond is an accident that would drown the other seeds. A rate that diverged on any seed is
never better than another, and worse than each that diverged on none and lowered the loss by more than the
margin: a rate that trains on two seeds of three is none to use, nor is one that learns nothing on any. A rate
that was given up on every seed had no chance any more, and is worse than the best. Of one that was left for
want of steps nothing is known but that it was not behind: it is not judged. Where none came by more than a
hundredth below the loss before training, and that of answers that do not look at the inputs, nothing was
learnt, and shares of so small a drop are chance: no rate is judged but those that diverged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrfind.statistics import paired_noise
from lrfind.training.baseline import is_gain
from lrfind.verify.candidates import FACTOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

HANDICAP = 0.1
"""Share of the drop by which a rate of fewer seeds must be better than the best of those of most."""


@dataclass(frozen=True, slots=True, eq=False)
class Ends:
    """How several rates ended.

    Attributes:
        seeds: On how many seeds each rate came to its end, shape (rates,).
        means: Mean final loss over these as measured, shape (rates,); infinite where one diverged, NaN where
            the rate was given up on all.
        spreads: Standard deviation of it over the seeds, shape (rates,); NaN for one seed or where infinite.
        diverged: On how many seeds each rate diverged, shape (rates,).
    """

    seeds: NDArray[np.int64]
    means: Floats
    spreads: Floats
    diverged: NDArray[np.int64]


def ends_of(finals: Floats) -> Ends:
    """How rates ended.

    Args:
        finals: Loss at the end, shape (seeds, rates); infinite where a run diverged, NaN where there is none.
    """
    known = ~np.isnan(finals)
    seeds, diverged = known.sum(axis=0), np.isinf(finals).sum(axis=0)
    means, spreads = np.full((2, len(seeds)), np.nan)
    for i in np.flatnonzero(seeds):
        ended = finals[known[:, i], i]
        means[i] = math.inf if diverged[i] else ended.mean()
        spreads[i] = ended.std(ddof=1) if seeds[i] > 1 and not diverged[i] else math.nan
    return Ends(seeds, means, spreads, diverged)


@dataclass(frozen=True, slots=True, eq=False)
class Judgement(Ends):
    """What the final losses of several rates say about one of them.

    Attributes:
        checked: Index of the rate that was checked.
        pinned: Index of the rate a project has pinned; None: there is none.
        margin: Share of the drop that a rate may be worse by.
        start: Mean initial loss.
        of_mean: Loss of the mean target as every answer; infinite where it is not known.
        base: What the drop is counted from: `start`, or `of_mean` where that is lower and the best came below
            it by more than a hundredth.
        drop: From there to the best mean final loss; 0 where no rate lowered it.
        blind: Loss of answers that do not look at the inputs; infinite where it is not known.
        learnt: Whether the best rate came below both by more than a hundredth.
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
            by the margin: half-way on a log axis to the next that can, or that was given up or diverged, but
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
    of_mean: float
    base: float
    drop: float
    blind: float
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
    def learns_only_mean(self) -> bool:
        """Whether the loss fell, but hardly below that of the mean target."""
        return self.learnt and self.base == self.start and is_gain(self.start, self.of_mean)

    @property
    def fell(self) -> bool:
        """Whether the best rate came below both, by however little."""
        return self.lowest < min(self.start, self.blind)

    @property
    def is_alone(self) -> bool:
        """Whether the recommended rate alone came to its end, and not because all others diverged."""
        return self.recommended is not None and is_alone(self.seeds, self.diverged)

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
    blind: float = math.inf,
    of_mean: float = math.inf,
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
        blind: Loss of answers that do not look at the inputs.
        of_mean: Loss of the mean target as every answer.

    Raises:
        ValueError: There is no seed or no rate, or the shapes do not belong together.
    """
    ends = np.asarray(finals, dtype=np.float64)
    begins = np.asarray(starts, dtype=np.float64)
    rates = np.asarray(lrs, dtype=np.float64)
    if ends.ndim != 2 or 0 in ends.shape or begins.shape != ends.shape[:1] or rates.shape != ends.shape[1:]:
        raise ValueError(f"finals of shape {ends.shape} do not belong to starts of shape {begins.shape}")
    told = _Comparison(ends, begins, margin, left, blind)
    start = base = float(begins.mean())
    if of_mean < start and is_gain(of_mean, start - told.drop):
        # Where the targets lie far from 0 their mean is nearly all of the fall, at every rate alike.
        begins = np.minimum(begins, of_mean)
        base = float(begins.mean())
        told = _Comparison(ends, begins, margin, left, blind)
    order = told.ranked()
    best = order[0] if order and told.learnt else None
    indices = range(ends.shape[1])
    better = sorted(
        (i for i in indices if told.against(i, checked)[1]), key=lambda i: (told.worse_by(i, best), i)
    )
    doubtful = tuple(i for i in indices if told.against(i, checked) == (True, False))
    recommended = best if best is not None and not told.diverged[best] else None
    holds: bool | None = not (better or told.diverged[checked])
    if told.seeds[checked] == 0:
        holds = None  # it was left, or given up: what is behind on its way may end within the margin
    if not math.isfinite(start) or not (told.learnt or told.diverged[checked]):
        holds = None  # a loss that is not finite before training is not the rate's doing
    alone = is_alone(told.seeds, told.diverged)
    if holds and alone:
        holds = None  # on its way it may have been ahead of rates that end lower
    sensible, in_doubt = None, False
    if pinned is not None and math.isfinite(start) and told.diverged[pinned]:
        sensible = False
    elif pinned is not None and recommended is not None and not (alone and pinned == recommended):
        more, clearly = told.against(recommended, pinned)
        sensible, in_doubt = not clearly, more and not clearly
    low, high = (math.nan, math.nan) if recommended is None else told.interval(recommended, rates)
    return Judgement(
        checked=checked,
        pinned=pinned,
        margin=margin,
        seeds=told.ended.seeds,
        means=told.ended.means,
        spreads=told.ended.spreads,
        diverged=told.ended.diverged,
        start=start,
        of_mean=of_mean,
        base=base,
        drop=told.drop,
        blind=blind,
        learnt=told.learnt,
        worse_by=np.array([told.worse_by(i, best) for i in indices]),
        best=best,
        better=tuple(better),
        doubtful=doubtful,
        beyond_noise=best is not None and told.beyond_noise(checked, best),
        holds=holds,
        recommended=recommended,
        low=low,
        high=high,
        sensible=sensible,
        pinned_in_doubt=in_doubt,
    )


def is_alone(seeds: NDArray[np.int64], diverged: NDArray[np.int64]) -> bool:
    """Whether one rate alone came to its end, and not because all others diverged.

    Args:
        seeds: On how many seeds each came to its end, shape (rates,).
        diverged: On how many it diverged, shape (rates,).
    """
    finished = int(((seeds > 0) & (diverged == 0)).sum())
    return finished == 1 and (len(seeds) == 1 or bool((seeds == 0).any()))


def ranked(finals: ArrayLike, starts: ArrayLike) -> list[int]:
    """The rates that came to an end on some seed, best first; arguments as those of `judge`."""
    return _Comparison(np.asarray(finals, dtype=float), np.asarray(starts, dtype=float), HANDICAP).ranked()


class _Comparison:
    """The final losses of several rates, compared on common seeds."""

    def __init__(
        self,
        ends: Floats,
        begins: Floats,
        margin: float,
        left: Sequence[int] = (),
        blind: float = math.inf,
    ) -> None:
        self.ended = ends_of(ends)
        self.seeds, self.diverged = self.ended.seeds, self.ended.diverged
        self._left = left
        self._margin = margin
        self._known = ~np.isnan(ends)
        start = np.broadcast_to(begins[:, None], ends.shape)
        self._capped = np.where(
            self._known, np.minimum(np.where(np.isfinite(ends), ends, start), start), np.nan
        )
        self._begins = begins
        self._reference = self._of_most_seeds()
        self.drop = 0.0 if self._reference is None else self._fall(self._reference)
        mean = float(begins.mean())
        self.learnt = is_gain(min(mean, blind), mean - self.drop)

    def _of_most_seeds(self) -> int | None:
        """The lowest of the rates that came to an end on most seeds.

        Of those that learnt and never diverged, where one did: one tried on more may have learnt nothing.
        """
        ended = np.flatnonzero(self.seeds).tolist()
        ended = [i for i in ended if self._fall(i) > 0 and not self.diverged[i]] or ended
        if not ended:
            return None
        most = [i for i in ended if self.seeds[i] == self.seeds[ended].max()]
        means = {i: float(self._capped[self._known[:, i], i].mean()) for i in most}
        return min(means, key=lambda i: (self.diverged[i] > 0, means[i]))

    def _fall(self, rate: int) -> float:
        """From the initial to the final loss, the mean over the seeds on which a rate came to its end."""
        known = self._known[:, rate]
        fall = float(np.mean((self._begins - self._capped[:, rate])[known]))
        return max(fall, 0.0) if math.isfinite(fall) else 0.0

    def ranked(self) -> list[int]:
        """The rates with an end on a seed of the reference, best first; one of fewer seeds has a handicap."""
        reference = self._reference
        if reference is None:
            return []
        gaps = {}
        for i in np.flatnonzero(self.seeds).tolist():
            differences = self._differences(i, reference)
            if len(differences):
                fewer = self.seeds[i] < self.seeds[reference]
                gaps[i] = float(differences.mean()) + (HANDICAP * self.drop if fewer else 0.0)
        return sorted(gaps, key=lambda i: (self.diverged[i] > 0, gaps[i], i))

    def _differences(self, one: int, other: int) -> Floats:
        """By how much one rate ends above another, on each seed of both."""
        common = self._known[:, one] & self._known[:, other]
        differences: Floats = self._capped[common, one] - self._capped[common, other]
        return differences

    def worse_by(self, rate: int, best: int | None) -> float:
        """How much higher than the best a rate ends, as a share of the drop; NaN where that is not known."""
        if best is None:
            return math.nan
        differences = self._differences(rate, best)
        return min(float(differences.mean()) / self.drop, 1.0) if len(differences) else math.nan

    def against(self, one: int, other: int) -> tuple[bool, bool]:
        """Whether `one` is better than `other` by more than the margin, and whether clearly so."""
        if not self.learnt or self.diverged[one] or one == other or not self.seeds[one]:
            return False, False
        if self.diverged[other]:
            known = self._known[:, one]
            learnt = float(np.mean((self._begins - self._capped[:, one])[known])) > self._margin * self.drop
            return learnt, learnt
        differences = self._differences(other, one)
        if not len(differences):
            return False, False
        mean, margin = float(differences.mean()), self._margin * self.drop
        # Of two seeds Student's t lets next to nothing pass, be it ever so large on both.
        alike = len(differences) > 1 and float(differences.min()) > 2 * margin
        return mean > margin, mean > margin and (alike or mean > paired_noise(differences))

    def beyond_noise(self, rate: int, best: int) -> bool:
        """Whether a rate ends above the best by more than the noise of the seeds; False on one seed."""
        differences = self._differences(rate, best)
        return len(differences) > 1 and float(differences.mean()) > paired_noise(differences)

    def _is_told_from(self, rate: int, best: int) -> bool:
        """Whether a rate is worse than the best by more than the noise, however little, or than the margin.

        On few seeds the noise may be any: a rate that lost half of the drop on both of two is none to take.
        One that was given up had no chance any more.
        """
        if not self.seeds[rate] or self.diverged[rate]:
            return True
        differences = self._differences(rate, best)
        if not len(differences):
            return True
        return float(differences.mean()) > self._margin * self.drop or self.beyond_noise(rate, best)

    def interval(self, best: int, lrs: Floats) -> tuple[float, float]:
        """From where to where the rates cannot be told from the best."""
        if int(((self.seeds > 0) & (self.diverged == 0)).sum()) == 1:
            return float(lrs[best]), float(lrs[best])  # how the others would have ended nobody knows
        # A rate that was left may be anything, so that the interval does not go on to it.
        known = [rate for rate in range(len(lrs)) if rate not in self._left]
        low, high = (
            self._end(best, side, lrs)
            for side in (known[known.index(best) :: -1], known[known.index(best) :])
        )
        return low, high

    def _end(self, best: int, side: Sequence[int], lrs: Floats) -> float:
        """One end of the interval; `side` are the rates from the best one on."""
        last = next((i for i, rate in enumerate(side[1:]) if self._is_told_from(rate, best)), len(side) - 1)
        lr = float(lrs[side[last]])
        if last == len(side) - 1:
            return lr  # what is beyond nobody knows
        # Nor of rates farther out than the search goes in a step, as a pinned one may be.
        away = math.log(lrs[side[last + 1]] / lr)
        return lr * math.exp(math.copysign(min(abs(away), math.log(FACTOR)) / 2, away))
