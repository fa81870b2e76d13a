"""Which rates are trained on the first seed, and how far: it brackets the best.

The rate to check is trained for half of its steps, then twice of it, and as long as an end is ahead, the
next rate beyond it. Those that are not far behind go on, and the one ahead goes to its end: only such a rate
can be recommended. The rate to check follows, then the neighbours of the best, by threes where there are
none, and a rate in between, where a parabola through the three is lowest; each for as long as it is not far
behind the best after as many steps. Whenever another is the best now, the same is done around that. Where
the loss falls faster and faster, no comparison before the end is trusted. With a budget of less than two
runs the first comparison comes after a sixth of the steps.

The rate to check is then trained to its end, even where it was given up: whether it holds is asked.

Where the lowest rate that was tried is not far behind either, a tenth of it is tried too: a range that is
all too high can look like a valley.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING

from lrfind.suggestion import rounded
from lrfind.verify.budget import SpentError
from lrfind.verify.candidates import FACTOR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lrfind.verify.budget import Budget
    from lrfind.verify.first_seed import FirstSeed
    from lrfind.verify.tried import Move

NEAR = 2.0
"""From the rate to check to its first neighbours: so well a range test can be read where it says anything."""

FAR = 10.0
"""From the lowest rate to one that is looked at lest all were too high."""

CLOSE = 0.5
"""Share of the drop: the lowest rate that is behind by less does not show that lower ones are worse."""

_FARTHEST = 7
"""So many times `FACTOR` up or down and no farther."""

_FINER = 1.3
"""Rates that differ by less are not worth telling apart."""

_LOWER = 4
"""So many times `FAR` down and no farther."""

_SAME = 1.02
"""Three significant digits of a third of a third, and the like."""


class FirstSeedMoves:
    """The moves of the first seed.

    Args:
        known: How its runs compare on their way.
        budget: Trains them.
        start: The rate to check.
    """

    def __init__(self, known: FirstSeed, budget: Budget, start: float) -> None:
        self._known = known
        self._budget = budget
        self._stops = budget.stops
        self._start = start
        self._is_early = False  # no comparison before the end is to be trusted

    def moves(self) -> Iterator[Move]:
        """The next run; none but the first where the loss is not finite before training.

        Raises:
            SpentError: There are not enough steps for it.
        """
        yield from self._bracket()
        if not math.isfinite(self._known.start):
            return  # it is no rate's doing
        yield from self._go_on()
        yield from self._settle()
        # Behind on its way it may have been, but whether the rate to check holds shows at its end.
        yield from self._train(self._start, self._stops.end)
        yield from self._look_lower()
        yield from self._settle()

    def _train(self, lr: float, to: int, *, keep: int = 0) -> Iterator[Move]:
        return self._budget.train(0, lr, to, keep=keep)

    def _bracket(self) -> Iterator[Move]:
        """Rates beside one another up to the first stop, until the one ahead lies inside."""
        # What it takes to bring one of them to its end is kept: only such a rate can be recommended.
        keep = self._stops.end - self._stops.first
        lrs: list[float] = []
        try:
            lr: float | None = self._start
            while lr is not None:
                yield from self._train(lr, self._stops.first, keep=keep)
                lrs = sorted([*lrs, lr])
                lr = self._beyond(lrs) if math.isfinite(self._known.start) else None
        except SpentError:
            if not self._budget.tried.losses:
                raise

    def _beyond(self, lrs: list[float]) -> float | None:
        """The next rate outside those of the bracket so far, rising; None where the best lies inside.

        Upwards first: what is too high is often seen after a few steps.
        """
        first = self._stops.first
        moved = self._known.has_moved(first)
        higher, lower = (
            rounded(end * (NEAR if moved and end == self._start else FACTOR) ** power)
            for end, power in ((lrs[-1], 1), (lrs[0], -1))
        )
        if moved:
            best = self._known.best(first)
            lr = higher if best == lrs[-1] else lower if best == lrs[0] else None
        else:  # a loss that stands still is that of a rate far too low, or too high: in turns
            below = lrs.index(self._start)
            above = len(lrs) - 1 - below
            too_far = self._known.is_gone(lrs[-1]) or above > below
            lr = lower if too_far else higher
        return lr if lr is not None and self.is_near(lr) else None

    def _go_on(self) -> Iterator[Move]:
        """Brings the best of the bracket to its end, and after it those that are not far behind."""
        first, after = self._stops.first, self._stops.after(self._stops.first)
        if not self._known.lrs(first):
            return
        lead = self._known.best(first) if self._known.has_moved(first) else self._start
        self._is_early = self._known.is_on_plateau(lead, first)
        order = self._known.in_order(first)
        if self._known.has_moved(first) and not self._is_early:
            for lr in order:
                if self._known.may_win(lr, lead, first):
                    with suppress(SpentError):
                        yield from self._train(lr, after, keep=self._stops.end - after)
            if self._known.lrs(after):
                lead = self._known.best(after)
        yield from self._train(lead, self._stops.end)
        # The rate to check before the others: of it an answer is wanted, whatever the budget.
        others = [] if self._is_early else [lr for lr in order if lr != self._start]
        for lr in (self._start, *others):
            yield from self._try(lr)

    def _try(self, lr: float) -> Iterator[Move]:
        """Takes a rate on for as long as it may become the best."""
        for stop in self._stops.all:
            yield from self._train(lr, stop)
            if self._known.is_gone(lr):
                return
            if self.is_behind(lr, stop):
                return

    def is_behind(self, lr: float, stop: int) -> bool:
        """Whether a rate is far behind the best, as far as that can be told before the end."""
        compares = stop >= self._stops.first and not self._is_early and self._known.has_moved(stop)
        return compares and not self._known.may_win(lr, self._known.best(self._stops.end), stop)

    def _settle(self) -> Iterator[Move]:
        """Tries the neighbours of the best, and a rate in between, until none of them is better."""
        out: set[float] = set()
        while self._known.lrs(self._stops.end):
            lr = next((each for each in self._around() if each not in out), None)
            if lr is None or len(out) > 4 * _FARTHEST:
                return
            yield from self._try(lr)
            out.add(lr)

    def _around(self) -> Iterator[float]:
        """Rates about the best that are worth a run: its neighbours, then one where a parabola is lowest."""
        best, lrs = self._known.best(self._stops.end), self._known.lrs()
        lower = [lr for lr in lrs if best / FACTOR / _SAME < lr < best]
        higher = [lr for lr in lrs if best < lr < best * FACTOR * _SAME]
        below, above = (lower or [rounded(best / FACTOR)])[-1], (higher or [rounded(best * FACTOR)])[0]
        yield from filter(self.is_near, (below, above))
        between = self._known.lowest_point(below, best, above)
        if between is not None and not any(1 / _FINER < between / lr < _FINER for lr in lrs):
            yield between

    def is_near(self, lr: float) -> bool:
        """Whether a rate is not too far from where the search began to be worth a run."""
        return abs(math.log(lr / self._start)) < (_FARTHEST + 0.5) * math.log(FACTOR)

    def _look_lower(self) -> Iterator[Move]:
        """Makes sure that lower rates are worse, where the lowest that was tried is not by much."""
        first = self._stops.first
        if first == self._stops.end or self._is_early or not self._known.has_moved(first):
            return
        for _ in range(_LOWER):
            best, lowest = self._known.best(self._stops.end), self._known.lrs(first)[0]
            if self._known.behind(lowest, best, first) >= CLOSE:
                return
            lr = rounded(lowest / FAR)
            yield from self._train(lr, first)
            if not self._known.may_win(lr, best, first):
                return
            yield from self._try(lr)
