"""Where to look for the best learning rate: which run is trained next, and how far, within a budget of steps.

The first seed brackets (`FirstSeedMoves`). The other seeds tell chance from merit: those that cannot be told
from the best are trained again, each from other weights on other batches, the same for all. Where the best
of all seeds is then the lowest or the highest rate that was tried, the next one beyond it is trained on that
seed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lrfind.suggestion import rounded
from lrfind.verify.budget import Budget, SpentError
from lrfind.verify.candidates import FACTOR
from lrfind.verify.comparison import ranked
from lrfind.verify.first_seed import FirstSeed
from lrfind.verify.first_seed_moves import NEAR, FirstSeedMoves
from lrfind.verify.stops import Stops
from lrfind.verify.tried import Tried

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lrfind.verify.tried import Move

_CONTENDERS = 3
"""Most rates that are trained again on another seed."""


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
        self.start = lr
        self.is_spent = False
        self.stops = Stops.of(num_steps, budget, early=early)
        self._num_steps = num_steps
        self._seeds = seeds
        self._pinned = pinned
        self._budget = Budget(budget, self.tried, self.stops)
        self._known = FirstSeed(self.tried, self.stops, lr)
        self._first = FirstSeedMoves(self._known, self._budget, lr)

    @property
    def left(self) -> int:
        """Steps of the budget that are left."""
        return self._budget.left

    def spend(self, steps: int) -> None:
        """Takes the steps that a move took: fewer than it was meant to where the run diverged."""
        self._budget.left -= steps

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
                yield from self._budget.train(0, self._pinned, self._num_steps)
            yield from self._first.moves()
            if not math.isfinite(self._known.start):
                return
            for seed in range(1, self._seeds):
                yield from self._repeat(seed)
                yield from self._go_beyond(seed)
        except SpentError:
            self.is_spent = True

    def _repeat(self, seed: int) -> Iterator[Move]:
        """Those that may be the best, on another seed; at least two, or there is no telling."""
        rates = self.contenders()
        keep = self._num_steps if len(rates) > 1 else 0
        for lr in rates:
            yield from self._budget.train(seed, lr, self._num_steps, keep=keep)
            keep = 0

    def _go_beyond(self, seed: int) -> Iterator[Move]:
        """The next rate beyond the best, as long as that is the lowest or the highest that was tried."""
        while ranked := self.ranked():
            best, lrs = ranked[0], sorted({lr for _, lr in self.tried.losses})
            lr = rounded(best * FACTOR if best == lrs[-1] else best / FACTOR)
            if best not in (lrs[0], lrs[-1]) or not self._first.is_near(lr):
                return
            yield from self._budget.train(seed, lr, self._num_steps)

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
        starts = list(tried.starts.values())
        return [lrs[i] for i in ranked(finals, starts, tried.blind)] if finals else []

    def unfinished(self) -> frozenset[float]:
        """The rates that are not behind, and were left before their end: of a search that was not done."""
        ended = self.ranked()
        lrs = [lr for lr in self._known.lrs() if lr not in ended]
        return frozenset(lr for lr in lrs if not (ended and self._first.is_behind(lr, self.tried.at(0, lr))))

    def _is_gone(self, lr: float) -> bool:
        return any(self.tried.has_diverged(seed, lr) for seed in self.tried.starts)
