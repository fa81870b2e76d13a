"""What a round was planned to be, and what was measured in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrfind.refine.segments import rungs
from lrfind.statistics import settled
from lrfind.suggestion import Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lrfind.refine.segments import Segments
    from lrfind.statistics import Floats


@dataclass(frozen=True, slots=True)
class RoundPlan:
    """The rates of one round and why they are these.

    Attributes:
        segments: The rates, rising.
        reason: Why, in a sentence.
        kind: `table` (coarse), `fine` (a finer step over a stretch), `closing` (about one rate) or `given`.
    """

    segments: Segments
    reason: str
    kind: str = "given"

    @property
    def span(self) -> tuple[float, float]:
        """The first and the last rate."""
        return self.segments[0].rates[0], self.segments[-1].rates[-1]

    @property
    def iterations(self) -> int:
        """Iterations over all rates."""
        return sum(iterations for _, _, iterations in rungs(self.segments))


@dataclass(frozen=True, slots=True)
class RefineStep:
    """How far a sweep is, as `on_step` is told.

    Attributes:
        round: Counted from 1.
        seed: Counted from 0.
        done: Iterations of the round that are done, all seeds together; with `restart`, training steps.
        lr: The rate; None with `restart`, where several may be trained at once.
        loss: The last loss that is known; None with `restart`.
        rate: Which rate of the round it is, counted from 0; None with `restart`.
    """

    round: int
    seed: int
    done: int
    planned: int
    lr: float | None
    loss: float | None
    rate: int | None = None

    @property
    def index(self) -> int:
        """The same as `done`, counted from 0."""
        return self.done - 1


@dataclass(frozen=True, slots=True)
class SeedResult:
    """What one seed measured in a round.

    Attributes:
        level: The loss before the first update; NaN where it is not known.
        losses: For each rate reached, in order, the losses of its iterations.
        dropped: For each of them, whether halving dropped it, so that it had fewer steps than those that are
            left; empty where none was.
    """

    level: float
    losses: tuple[tuple[float, ...], ...]
    dropped: tuple[bool, ...] = ()

    def at_rates(self) -> Floats:
        """One loss a rate, shape (rates reached,): the mean over the second half of its iterations."""
        return np.array([settled(losses) for losses in self.losses], dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class RoundResult:
    """One round as it was measured.

    Attributes:
        tracks: One a seed.
        restarted: Whether every rate began from the same start, rather than where the one before it ended.
    """

    plan: RoundPlan
    tracks: tuple[SeedResult, ...]
    status: Status = Status.COMPLETED
    restarted: bool = False

    @property
    def lrs(self) -> Floats:
        """The rates reached by any seed, shape (rates,)."""
        reached = max((len(track.losses) for track in self.tracks), default=0)
        return np.array([lr for _, lr, _ in rungs(self.plan.segments)[:reached]], dtype=np.float64)

    @property
    def by_seed(self) -> Floats:
        """One loss a seed and rate, shape (seeds, rates); NaN where a seed did not get so far."""
        lrs = self.lrs
        table = np.full((len(self.tracks), len(lrs)), np.nan)
        for row, track in zip(table, self.tracks, strict=True):
            row[: len(track.losses)] = track.at_rates()
        return table

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Whether no seed dropped the rate, shape (rates,): those alone had equally many steps."""
        kept = np.ones(len(self.lrs), dtype=np.bool_)
        for track in self.tracks:
            if track.dropped:
                kept &= ~np.array(track.dropped)
        return kept

    @property
    def losses(self) -> Floats:
        """The mean over the seeds at each rate, shape (rates,); not finite where that of one seed is not."""
        by_seed = self.by_seed
        with np.errstate(invalid="ignore", over="ignore"):
            return by_seed.mean(axis=0) if len(by_seed) else np.empty(0)

    @property
    def early(self) -> Floats:
        """The losses after as many iterations as the first rates dropped had, shape (seeds, rates).

        What all rates have in common where halving dropped some; those that did not stay finite are left out.
        """
        rows = []
        for track in self.tracks:
            known = [losses if all(map(math.isfinite, losses)) else () for losses in track.losses]
            length = min((len(losses) for losses in known if losses), default=0)
            rows.append([settled(losses[:length]) for losses in known])
        table = np.array(rows, dtype=np.float64)
        return table[:, np.isfinite(table).all(axis=0)]

    @property
    def spread(self) -> Floats | None:
        """The standard deviation over the seeds at each rate, shape (rates,); None for a single seed."""
        if len(self.tracks) < 2:
            return None
        with np.errstate(invalid="ignore", over="ignore"):
            deviations: Floats = self.by_seed.std(axis=0, ddof=1)
        return deviations

    @property
    def level(self) -> float:
        """The mean loss before the first update."""
        levels = [track.level for track in self.tracks]
        return math.fsum(levels) / len(levels) if levels and all(map(math.isfinite, levels)) else math.nan
