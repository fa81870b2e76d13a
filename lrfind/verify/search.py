"""Where to look for the best learning rate: which run is trained next, and how far, within a budget of steps.

The first seed brackets. The rate to check is trained, then twice of it, and as long as an end is the lowest,
the next rate beyond it. When both sides are known, one in between is tried, where a parabola through the
three has its lowest point. Whenever another is the best now, the same is done around that. Every run goes to
its last step, for what is low after a few steps is often not at the end. Only a budget of less than two runs
is spent otherwise: there each rate is first trained for a third of the steps, and what is far behind then
goes no further.

The other seeds tell chance from merit: those that cannot be told from the best are trained again, each
from other weights on other batches, the same for all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lrfind.suggestion import rounded
from lrfind.verify.judge import HANDICAP, ranked

if TYPE_CHECKING:
    from collections.abc import Iterator

FACTOR = 3.0
"""From one rate of the bracket to the next."""

NEAR = 2.0
"""From the rate to check to its first neighbours: so well a range test can be read where it says anything."""

WHOLE = 2
"""With a budget of so many runs or more each is trained to its last step."""

RUNG = 3
"""Otherwise a run is first trained for so many-th of its steps: what cannot win then goes no further."""

CANNOT_WIN = HANDICAP
"""A run that is worse than the best by more than this share of the drop cannot win any more."""

MOVED = 0.02
"""Share of the initial loss that the best must have lost for anything to be read off the first steps."""

_FARTHEST = 7
"""So many times `FACTOR` up or down and no farther."""

_FINER = 1.3
"""Rates that differ by less are not worth telling apart."""

_SAME = 1.02
"""Three significant digits of a third of a third, and the like."""

_CONTENDERS = 3
"""Most rates that are trained again on another seed."""


@dataclass(frozen=True, slots=True)
class Move:
    """What to train next.

    Attributes:
        seed: Counted from 0; a seed is never returned to once the next was begun.
        lr: The rate.
        to: Train until so many steps were made in all, from where this run was left.
    """

    seed: int
    lr: float
    to: int


@dataclass(slots=True)
class Tried:
    """What is known of every run.

    Attributes:
        starts: Held-out loss before training, by seed.
        losses: Held-out loss by seed and rate, and by the steps made before it was read; infinite where the
            run had diverged by then.
    """

    starts: dict[int, float] = field(default_factory=dict)
    losses: dict[tuple[int, float], dict[int, float]] = field(default_factory=dict)

    def note(self, move: Move, start: float, loss: float) -> None:
        """Takes what a run came to."""
        self.starts[move.seed] = start
        self.losses.setdefault((move.seed, move.lr), {})[move.to] = loss

    def loss(self, seed: int, lr: float, step: int) -> float | None:
        """Held-out loss of a run, at most that before training; None where it was not read there."""
        known = self.losses.get((seed, lr), {})
        if any(math.isinf(loss) for at, loss in known.items() if at <= step):
            return self.starts[seed]
        found = known.get(step)
        return None if found is None else min(found, self.starts[seed])

    def final(self, seed: int, lr: float, step: int) -> float:
        """The loss at the end as it was read; infinite for a run that diverged, NaN where there is none."""
        known = self.losses.get((seed, lr), {})
        return math.inf if self.has_diverged(seed, lr) else known.get(step, math.nan)

    def lrs(self, seed: int, step: int) -> list[float]:
        """The rates that were read there, rising."""
        return sorted(lr for at, lr in self.losses if at == seed and self.loss(seed, lr, step) is not None)

    def has_diverged(self, seed: int, lr: float) -> bool:
        """Whether a run goes no further."""
        return any(math.isinf(loss) for loss in self.losses.get((seed, lr), {}).values())

    def at(self, seed: int, lr: float) -> int:
        """Steps that a run has made."""
        return max(self.losses.get((seed, lr), {0: 0.0}))


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
        is_short = early and budget < WHOLE * num_steps
        self._rung = max(num_steps // RUNG, 1) if is_short else num_steps
        self._seeds = seeds
        self._pinned = pinned

    @property
    def stops(self) -> list[int]:
        """Steps at which a run is read and can wait."""
        return sorted({self._rung, self._num_steps})

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
                for step in self.stops:
                    yield from self._train(0, self._pinned, step)
            yield from self._bracket()
            if not math.isfinite(self.tried.starts[0]):
                return  # it is no rate's doing
            yield from self._settle()
            for seed in range(1, self._seeds):
                yield from self._repeat(seed)
        except _SpentError:
            self.is_spent = True

    def _train(self, seed: int, lr: float, to: int, *, keep: int = 0) -> Iterator[Move]:
        """A run up to a step; `keep` steps must be left afterwards."""
        at = self.tried.at(seed, lr)
        if at >= to or self.tried.has_diverged(seed, lr):
            return
        if to - at + keep > self.left:
            raise _SpentError
        yield Move(seed, lr, to)

    def _bracket(self) -> Iterator[Move]:
        """Rates beside one another up to the first rung, until the lowest lies inside."""
        # What it takes to bring one of them to its end is kept: only such a rate can be recommended.
        keep = self._num_steps - self._rung
        lrs: list[float] = []
        try:
            lr: float | None = self.start
            while lr is not None:
                yield from self._train(0, lr, self._rung, keep=keep)
                lrs = sorted([*lrs, lr])
                lr = self._beyond(lrs) if math.isfinite(self.tried.starts[0]) else None
        except _SpentError:
            if not self.tried.losses:
                raise

    def _beyond(self, lrs: list[float]) -> float | None:
        """The next rate outside those of the bracket so far, rising; None where the best lies inside.

        Upwards first: what is too high is often seen after a few steps.
        """
        moved = self._has_moved(self._rung)
        higher, lower = (
            rounded(end * (NEAR if moved and end == self.start else FACTOR) ** power)
            for end, power in ((lrs[-1], 1), (lrs[0], -1))
        )
        if moved:
            best = self.best(self._rung)
            lr = higher if best == lrs[-1] else lower if best == lrs[0] else None
        else:  # a loss that stands still is that of a rate far too low, or too high: in turns
            below = lrs.index(self.start)
            above = len(lrs) - 1 - below
            too_far = self.tried.has_diverged(0, lrs[-1]) or above > below
            lr = lower if too_far else higher
        farthest = FACTOR**_FARTHEST * 1.1
        return lr if lr is not None and 1 / farthest < lr / self.start < farthest else None

    def _settle(self) -> Iterator[Move]:
        """Brings to their end those that can win, until the best has neighbours that are no better."""
        if not self.tried.lrs(0, self._rung):
            return
        first = self.best(self._rung) if self._has_moved(self._rung) else self.start
        yield from self._train(0, first, self._num_steps)
        out: set[float] = set()
        for _ in range(4 * _FARTHEST):
            best = self.best(self._num_steps)
            lr = next((each for each in self._around(best) if each not in out), None)
            if lr is None:
                return
            yield from self._train(0, lr, self._rung)
            if self._can_win(lr):
                yield from self._train(0, lr, self._num_steps)
            out.add(lr)

    def _around(self, best: float) -> Iterator[float]:
        """Rates about the best that are worth a run: its neighbours, then one where a parabola is lowest."""
        lrs = sorted({lr for seed, lr in self.tried.losses if seed == 0})
        lower = [lr for lr in lrs if best / FACTOR / _SAME < lr < best]
        higher = [lr for lr in lrs if best < lr < best * FACTOR * _SAME]
        below, above = (lower or [rounded(best / FACTOR)])[-1], (higher or [rounded(best * FACTOR)])[0]
        yield from (below, above)
        between = self._lowest_point(below, best, above)
        if between is not None and not any(1 / _FINER < between / lr < _FINER for lr in lrs):
            yield between

    def _lowest_point(self, *lrs: float) -> float | None:
        """Where a parabola through three rates is lowest, at the latest step that all were read at."""
        step = self._num_steps
        losses = [self.tried.loss(0, lr, step) for lr in lrs]
        if None in losses:
            step = self._rung
            losses = [self.tried.loss(0, lr, step) for lr in lrs]
        if None in losses:
            return None
        x, y = np.log(np.array(lrs)), np.array(losses, dtype=np.float64)
        curvature, slope, _ = np.polyfit(x, y, 2)
        if not curvature > 0:
            return None
        lowest = float(np.clip(-slope / (2 * curvature), x[:2].mean(), x[1:].mean()))
        return rounded(math.exp(lowest))

    def _repeat(self, seed: int) -> Iterator[Move]:
        """Those that may be the best, on another seed; at least two, or there is no telling."""
        rates = self.contenders()
        keep = self._num_steps if len(rates) > 1 else 0
        for lr in rates:
            yield from self._train(seed, lr, self._num_steps, keep=keep)
            keep = 0

    def contenders(self) -> list[float]:
        """The rates to try on another seed, the best first; the pinned one is always among them.

        Where fewer were brought to their end, those next to the best that were given up early stand in.
        """
        ranked = self.ranked()[:_CONTENDERS]
        if not ranked:
            return []
        others = sorted({lr for _, lr in self.tried.losses} - set(ranked))
        beside = [each for each in self._beside(ranked[0], others) if not self._is_gone(each)]
        ranked += beside[: _CONTENDERS - len(ranked)]
        if self._pinned is not None and self._pinned not in ranked:
            ranked.insert(1, self._pinned)
        return ranked

    def ranked(self) -> list[float]:
        """The rates that were brought to their end, the best first."""
        tried = self.tried
        lrs = sorted({lr for _, lr in tried.losses})
        finals = [[tried.final(seed, lr, self._num_steps) for lr in lrs] for seed in tried.starts]
        return [lrs[i] for i in ranked(finals, list(tried.starts.values()))] if finals else []

    def _beside(self, best: float, others: list[float]) -> list[float]:
        """Of other rates the next lower and the next higher."""
        lower, higher = [lr for lr in others if lr < best], [lr for lr in others if lr > best]
        return [*lower[-1:], *higher[:1]]

    def _is_gone(self, lr: float) -> bool:
        return any(self.tried.has_diverged(seed, lr) for seed in self.tried.starts)

    def best(self, step: int) -> float:
        """The rate of the lowest loss on the first seed; of equals the lowest rate."""
        lrs = self.tried.lrs(0, step)
        return min(lrs, key=lambda lr: (self.tried.has_diverged(0, lr), self._loss(lr, step), lr))

    def _can_win(self, lr: float) -> bool:
        """Whether a run was not far behind the best when both were read first."""
        start = self.tried.starts[0]
        if self.tried.has_diverged(0, self.best(self._num_steps)):
            return not self.tried.has_diverged(0, lr)
        loss, best = self._loss(lr, self._rung), self._loss(self.best(self._num_steps), self._rung)
        lowest = min(self._loss(each, self._rung) for each in self.tried.lrs(0, self._rung))
        if not self._has_moved(self._rung):
            return not self.tried.has_diverged(0, lr)
        return loss < start and loss - best <= CANNOT_WIN * (start - lowest)

    def _has_moved(self, step: int) -> bool:
        """Whether some rate has lowered the loss by so much that a comparison means something."""
        start = self.tried.starts[0]
        return start - self._loss(self.best(step), step) > MOVED * abs(start)

    def _loss(self, lr: float, step: int) -> float:
        loss = self.tried.loss(0, lr, step)
        assert loss is not None
        return loss
