"""The final losses of several rates, compared seed by seed, on the seeds that two of them were trained on.

Within a seed rates share initial weights, batches and random numbers, so that what is left of a difference
is the rate's doing. One rate is *clearly better* than another when, in the mean over the seeds of both, it
ends lower by more than a margin (a share of the drop from the initial loss to the best final one), and by
more than the noise of the seeds: the mean difference must exceed t standard errors of the mean, t being
Student's one-sided 95% quantile (2.92 for 3 seeds). With one seed there is no telling the noise, and the
margin decides alone.

A loss above the one a seed began at counts as that one: a run that lost everything has lost everything, and
how far it went beyond is an accident that would drown the other seeds. A rate that diverged on any seed is
never better than another, and worse than each that diverged on none and lowered the loss by more than the
margin: a rate that trains on two seeds of three is none to use, nor is one that learns nothing on any.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lrfind.statistics import paired_noise
from lrfind.training.baseline import is_gain, is_learning
from lrfind.verify.candidates import FACTOR
from lrfind.verify.ends import ends_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from lrfind.statistics import Floats

HANDICAP = 0.1
"""Share of the drop by which a rate of fewer seeds must be better than the best of those of most."""


def ranked(finals: ArrayLike, starts: ArrayLike, blind: float) -> list[int]:
    """The rates that came to an end on some seed, best first; arguments as those of `Comparison`."""
    ends, begins = np.asarray(finals, dtype=float), np.asarray(starts, dtype=float)
    return Comparison.of(ends, begins, HANDICAP, blind=blind).ranked()


class Comparison:
    """The final losses of several rates, compared on common seeds.

    Args:
        ends: Loss at the end, shape (seeds, rates); infinite where a run diverged, NaN where there is none.
        begins: The loss that a run of a seed has lost everything with, shape (seeds,).
        margin: Share of the drop.
        left: Indices of the rates that came to no end for want of steps alone.

    Attributes:
        ended: How each rate ended.
        base: The mean of `begins`.
        drop: From there to the best mean final loss; 0 where no rate lowered it.
        learnt: Whether that tells something from nothing (`is_learning`).
    """

    def __init__(self, ends: Floats, begins: Floats, margin: float, left: Sequence[int] = ()) -> None:
        self.ended = ends_of(ends)
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
        self.base = float(begins.mean())
        self.learnt = is_gain(self.base, self.base - self.drop)

    @classmethod
    def of(
        cls, ends: Floats, starts: Floats, margin: float, left: Sequence[int] = (), *, blind: float
    ) -> Comparison:
        """The same, with losses counted from that of a blind answer where one came below it.

        Where the targets lie far from 0 the way down to their mean is nearly all of the fall, at every rate
        alike.

        Args:
            ends: As of the class.
            starts: Loss before training, shape (seeds,).
            margin: As of the class.
            left: As of the class.
            blind: Loss of the best answer that does not look at the inputs.
        """
        found = cls(ends, starts, margin, left)
        if blind < found.base and is_gain(blind, found.base - found.drop):
            return cls(ends, np.minimum(starts, blind), margin, left)
        found.learnt = is_learning(blind, found.base, found.base - found.drop)
        return found

    def _of_most_seeds(self) -> int | None:
        """The lowest of the rates that came to an end on most seeds.

        Of those that learnt and never diverged, where one did: one tried on more may have learnt nothing.
        """
        ended = np.flatnonzero(self.ended.seeds).tolist()
        ended = [i for i in ended if self._fall(i) > 0 and not self.ended.diverged[i]] or ended
        if not ended:
            return None
        most = [i for i in ended if self.ended.seeds[i] == self.ended.seeds[ended].max()]
        means = {i: float(self._capped[self._known[:, i], i].mean()) for i in most}
        return min(means, key=lambda i: (self.ended.diverged[i] > 0, means[i]))

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
        for i in np.flatnonzero(self.ended.seeds).tolist():
            differences = self._differences(i, reference)
            if len(differences):
                fewer = self.ended.seeds[i] < self.ended.seeds[reference]
                gaps[i] = float(differences.mean()) + (HANDICAP * self.drop if fewer else 0.0)
        return sorted(gaps, key=lambda i: (self.ended.diverged[i] > 0, gaps[i], i))

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
        if not self.learnt or self.ended.diverged[one] or one == other or not self.ended.seeds[one]:
            return False, False
        if self.ended.diverged[other]:
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
        if not self.ended.seeds[rate] or self.ended.diverged[rate]:
            return True
        differences = self._differences(rate, best)
        if not len(differences):
            return True
        return float(differences.mean()) > self._margin * self.drop or self.beyond_noise(rate, best)

    def interval(self, best: int, lrs: Floats) -> tuple[float, float]:
        """From where to where the rates cannot be told from the best."""
        if int(((self.ended.seeds > 0) & (self.ended.diverged == 0)).sum()) == 1:
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
        if last == len(side) - 1 or self.ended.diverged[side[last + 1]]:
            return lr  # what is beyond nobody knows, and half-way to a breakdown training may break down too
        # Nor of rates farther out than the search goes in a step, as a pinned one may be.
        away = math.log(lrs[side[last + 1]] / lr)
        return lr * math.exp(math.copysign(min(abs(away), math.log(FACTOR)) / 2, away))
