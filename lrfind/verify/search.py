"""Where to look for the best learning rate: which run is trained next, and how far, within a budget of steps.

The first seed brackets. The rate to check is trained for half of its steps, then twice of it, and as long as
an end is ahead, the next rate beyond it. Those that are not far behind go on, and the one ahead goes to its
end: only such a rate can be recommended. The rate to check follows, then the neighbours of the best, by
threes where there are none, and a rate in between, where a parabola through the three is lowest; each for as
long as it is not far behind the best after as many steps. Whenever another is the best now, the same is done
around that. Where the loss falls faster and faster, no comparison before the end is trusted. With a budget of
less than two runs the first comparison comes after a sixth of the steps.

The rate to check is then trained to its end, even where it was given up: whether it holds is asked.

Where the lowest rate that was tried is not far behind either, a tenth of it is tried too: a range that is all
too high can look like a valley.

The other seeds tell chance from merit: those that cannot be told from the best are trained again, each
from other weights on other batches, the same for all. Where the best of all seeds is then the lowest or the
highest rate that was tried, the next one beyond it is trained on that seed.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING

from lrfind.suggestion import rounded
from lrfind.verify.candidates import FACTOR
from lrfind.verify.comparison import ranked
from lrfind.verify.first_seed import FirstSeed
from lrfind.verify.stops import Stops
from lrfind.verify.tried import Move, Tried

if TYPE_CHECKING:
    from collections.abc import Iterator

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

_CONTENDERS = 3
"""Most rates that are trained again on another seed."""


class _SpentError(Exception):
    """The budget does not allow the next run."""


class Search:
    """The search for a rate, one move after another.

    Args:
        lr: Where it begins.
        num_steps: Steps after which a run counts.
        seeds: How many there are.
        budget: Steps that may be made; what a move takes is given to `spend`.
        pinned: A rate that is trained to the last step on every seed, whatever becomes of the others.
        early: Whether a run may be given up early: not where its rate follows a schedule, which begins low.

    Attributes:
        tried: What is known so far.
        left: Steps of the budget that are left.
        start: Where it begins.
        stops: At which steps a run is read and can wait.
        is_spent: Whether it ended for want of steps, with more to be tried.
    """

    def __init__(
        self,
        lr: float,
        *,
        num_steps: int,
        seeds: int,
        budget: int,
        pinned: float | None = None,
        early: bool = True,
    ) -> None:
        self.tried = Tried()
        self.left = budget
        self.start = lr
        self.is_spent = False
        self._num_steps = num_steps
        self.stops = Stops.of(num_steps, budget, early=early)
        self._first = FirstSeed(self.tried, self.stops, lr)
        self._seeds = seeds
        self._pinned = pinned
        self._is_early = False  # no comparison before the end is to be trusted

    def spend(self, steps: int) -> None:
        """Takes the steps that a move took: fewer than it was meant to where the run diverged."""
        self.left -= steps

    def ahead(self, move: Move) -> list[tuple[int, float]]:
        """Other runs, each a seed and a rate, that are likely to be wanted soon after a move.

        For whoever can train several at a time. At first these are the rate to check and its neighbours, and
        beside a run of another seed all that contend, on all seeds that are left; no more than the budget
        allows.
        """
        if move.seed > 0:
            runs = [(seed, lr) for seed in range(move.seed, self._seeds) for lr in self.contenders()]
        elif not self.ranked():
            near = (self.start, rounded(self.start * NEAR), rounded(self.start / NEAR))
            runs = [(0, lr) for lr in near]
        else:
            return []
        others = [run for run in runs if run != (move.seed, move.lr)]
        return others[: max(self.left // self._num_steps - 1, 0)]

    def moves(self) -> Iterator[Move]:
        """The next run; what it came to is noted in `tried` before the next is asked for."""
        try:
            if self._pinned is not None:
                yield from self._train(0, self._pinned, self._num_steps)
            yield from self._bracket()
            if not math.isfinite(self._first.start):
                return  # it is no rate's doing
            yield from self._go_on()
            yield from self._settle()
            # Behind on its way it may have been, but whether the rate to check holds shows at its end.
            yield from self._train(0, self.start, self._num_steps)
            yield from self._look_lower()
            yield from self._settle()
            for seed in range(1, self._seeds):
                yield from self._repeat(seed)
                yield from self._go_beyond(seed)
        except _SpentError:
            self.is_spent = True

    def _train(self, seed: int, lr: float, to: int, *, keep: int = 0) -> Iterator[Move]:
        """A run up to a stop, by way of those before; `keep` steps must be left afterwards."""
        for stop in self.stops.of_seed(seed):
            at = self.tried.at(seed, lr)
            if at >= to or self.tried.has_diverged(seed, lr):
                return
            if to - at + keep > self.left:
                raise _SpentError
            if at < stop:
                yield Move(seed, lr, stop)

    def _bracket(self) -> Iterator[Move]:
        """Rates beside one another up to the first stop, until the one ahead lies inside."""
        # What it takes to bring one of them to its end is kept: only such a rate can be recommended.
        keep = self._num_steps - self.stops.first
        lrs: list[float] = []
        try:
            lr: float | None = self.start
            while lr is not None:
                yield from self._train(0, lr, self.stops.first, keep=keep)
                lrs = sorted([*lrs, lr])
                lr = self._beyond(lrs) if math.isfinite(self._first.start) else None
        except _SpentError:
            if not self.tried.losses:
                raise

    def _beyond(self, lrs: list[float]) -> float | None:
        """The next rate outside those of the bracket so far, rising; None where the best lies inside.

        Upwards first: what is too high is often seen after a few steps.
        """
        first = self.stops.first
        moved = self._first.has_moved(first)
        higher, lower = (
            rounded(end * (NEAR if moved and end == self.start else FACTOR) ** power)
            for end, power in ((lrs[-1], 1), (lrs[0], -1))
        )
        if moved:
            best = self._first.best(first)
            lr = higher if best == lrs[-1] else lower if best == lrs[0] else None
        else:  # a loss that stands still is that of a rate far too low, or too high: in turns
            below = lrs.index(self.start)
            above = len(lrs) - 1 - below
            too_far = self._first.is_gone(lrs[-1]) or above > below
            lr = lower if too_far else higher
        return lr if lr is not None and self._is_near(lr) else None

    def _go_on(self) -> Iterator[Move]:
        """Brings the best of the bracket to its end, and after it those that are not far behind."""
        first, after = self.stops.first, self.stops.after(self.stops.first)
        if not self._first.lrs(first):
            return
        lead = self._first.best(first) if self._first.has_moved(first) else self.start
        self._is_early = self._first.is_on_plateau(lead, first)
        order = self._first.in_order(first)
        if self._first.has_moved(first) and not self._is_early:
            for lr in order:
                if self._first.may_win(lr, lead, first):
                    with suppress(_SpentError):
                        yield from self._train(0, lr, after, keep=self._num_steps - after)
            if self._first.lrs(after):
                lead = self._first.best(after)
        yield from self._train(0, lead, self._num_steps)
        # The rate to check before the others: of it an answer is wanted, whatever the budget.
        others = [] if self._is_early else [lr for lr in order if lr != self.start]
        for lr in (self.start, *others):
            yield from self._try(lr)

    def _try(self, lr: float) -> Iterator[Move]:
        """Takes a rate on for as long as it may become the best."""
        for stop in self.stops.all:
            yield from self._train(0, lr, stop)
            if self._first.is_gone(lr):
                return
            if self._is_behind(lr, stop):
                return

    def _is_behind(self, lr: float, stop: int) -> bool:
        """Whether a rate is far behind the best, as far as that can be told before the end."""
        compares = stop >= self.stops.first and not self._is_early and self._first.has_moved(stop)
        return compares and not self._first.may_win(lr, self._first.best(self._num_steps), stop)

    def _settle(self) -> Iterator[Move]:
        """Tries the neighbours of the best, and a rate in between, until none of them is better."""
        out: set[float] = set()
        while self._first.lrs(self._num_steps):
            lr = next((each for each in self._around() if each not in out), None)
            if lr is None or len(out) > 4 * _FARTHEST:
                return
            yield from self._try(lr)
            out.add(lr)

    def _around(self) -> Iterator[float]:
        """Rates about the best that are worth a run: its neighbours, then one where a parabola is lowest."""
        best, lrs = self._first.best(self._num_steps), self._first.lrs()
        lower = [lr for lr in lrs if best / FACTOR / _SAME < lr < best]
        higher = [lr for lr in lrs if best < lr < best * FACTOR * _SAME]
        below, above = (lower or [rounded(best / FACTOR)])[-1], (higher or [rounded(best * FACTOR)])[0]
        yield from filter(self._is_near, (below, above))
        between = self._first.lowest_point(below, best, above)
        if between is not None and not any(1 / _FINER < between / lr < _FINER for lr in lrs):
            yield between

    def _is_near(self, lr: float) -> bool:
        """Whether a rate is not too far from where the search began to be worth a run."""
        return abs(math.log(lr / self.start)) < (_FARTHEST + 0.5) * math.log(FACTOR)

    def _look_lower(self) -> Iterator[Move]:
        """Makes sure that lower rates are worse, where the lowest that was tried is not by much."""
        first = self.stops.first
        if first == self._num_steps or self._is_early or not self._first.has_moved(first):
            return
        for _ in range(_LOWER):
            best, lowest = self._first.best(self._num_steps), self._first.lrs(first)[0]
            if self._first.behind(lowest, best, first) >= CLOSE:
                return
            lr = rounded(lowest / FAR)
            yield from self._train(0, lr, first)
            if not self._first.may_win(lr, best, first):
                return
            yield from self._try(lr)

    def _repeat(self, seed: int) -> Iterator[Move]:
        """Those that may be the best, on another seed; at least two, or there is no telling."""
        rates = self.contenders()
        keep = self._num_steps if len(rates) > 1 else 0
        for lr in rates:
            yield from self._train(seed, lr, self._num_steps, keep=keep)
            keep = 0

    def _go_beyond(self, seed: int) -> Iterator[Move]:
        """The next rate beyond the best, as long as that is the lowest or the highest that was tried."""
        while ranked := self.ranked():
            best, lrs = ranked[0], sorted({lr for _, lr in self.tried.losses})
            lr = rounded(best * FACTOR if best == lrs[-1] else best / FACTOR)
            if best not in (lrs[0], lrs[-1]) or not self._is_near(lr):
                return
            yield from self._train(seed, lr, self._num_steps)

    def contenders(self) -> list[float]:
        """The rates to try on another seed, the best first; the pinned one is always among them.

        Where fewer were brought to their end, those next to the best that were given up early stand in.
        """
        found = self.ranked()[:_CONTENDERS]
        if not found:
            return []
        others = sorted({lr for _, lr in self.tried.losses} - set(found))
        lower, higher = [lr for lr in others if lr < found[0]], [lr for lr in others if lr > found[0]]
        beside = [lr for lr in (*lower[-1:], *higher[:1]) if not self._is_gone(lr)]
        found += beside[: _CONTENDERS - len(found)]
        if self._pinned is not None and self._pinned not in found:
            found.insert(1, self._pinned)
        return found

    def ranked(self) -> list[float]:
        """The rates that were brought to their end, the best first."""
        tried = self.tried
        lrs = sorted({lr for _, lr in tried.losses})
        finals = [[tried.final(seed, lr, self._num_steps) for lr in lrs] for seed in tried.starts]
        return [lrs[i] for i in ranked(finals, list(tried.starts.values()))] if finals else []

    def unfinished(self) -> frozenset[float]:
        """The rates that are not behind, and were left before their end: of a search that was not done."""
        ended = self.ranked()
        lrs = [lr for lr in self._first.lrs() if lr not in ended]
        return frozenset(lr for lr in lrs if not (ended and self._is_behind(lr, self.tried.at(0, lr))))

    def _is_gone(self, lr: float) -> bool:
        return any(self.tried.has_diverged(seed, lr) for seed in self.tried.starts)
