"""The rates that were tried, why each of them, and what was measured of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lrfind.training.blind_answer import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from lrfind.training.blind_answer import BlindAnswer
    from lrfind.training.run_set import RunSet
    from lrfind.verify.tried import Move

RANGE_TEST = "the range test"
"""What suggests a rate to be checked, where nothing else did."""

FACTOR = 3.0
"""From one rate of a search to the next."""

SAME = 0.005
"""Rates that differ by less are one: a suggestion has three digits."""

_NEAR = 1.1
"""A pinned rate that differs by less from the one to check is trained for both."""


class Role(str, Enum):
    """Why a rate is tried."""

    SUGGESTION = "suggestion"
    """It was suggested, by a range test or a refined sweep."""
    GIVEN = "given"
    """The user gave it to be checked in place of a suggestion."""
    PINNED = "pinned"
    """The user has pinned it (`--lr`)."""
    CONFIG = "config"
    """It is the rate of the optimizer in the config, where nothing was suggested."""
    SEARCH = "search"
    """The search came upon it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rate that was tried.

    Attributes:
        lr: The rate.
        roles: Why; more than one where the reasons name the same rate.
    """

    lr: float
    roles: tuple[Role, ...]


def same(one: float, other: float) -> bool:
    """Whether two rates are one."""
    return abs(one / other - 1) < SAME


def near(one: float, other: float) -> bool:
    """Whether two rates are too near one another for a run each."""
    return abs(math.log(one / other)) < math.log(_NEAR)


def candidates(
    lrs: Iterable[float], checked: float, role: Role, pinned: float | None
) -> tuple[Candidate, ...]:
    """The rates that were tried, rising, with the reason of each.

    Args:
        lrs: The rates.
        checked: The one that is checked.
        role: Why that: a suggestion, given, or pinned.
        pinned: The rate that a project has pinned.
    """
    found = []
    for lr in sorted(set(lrs)):
        roles = [role] if same(lr, checked) else []
        if pinned is not None and same(lr, pinned) and Role.PINNED not in roles:
            roles.append(Role.PINNED)
        found.append(Candidate(lr, tuple(roles or [Role.SEARCH])))
    return tuple(found)


class Leg(NamedTuple):
    """A part of a run that was trained at a stretch.

    Attributes:
        seed: Counted from 0.
        lr: The rate.
        start: Steps of the run before it.
        end: Steps of the run after it.
        loss: The held-out loss that it came to; infinite where it diverged, NaN where it was cut off.
    """

    seed: int
    lr: float
    start: int
    end: int
    loss: float


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """What all seeds measured.

    Attributes:
        candidates: The rates, rising.
        num_steps: Steps of a run that goes to its end.
        seeds: The runs of each seed, in order, one a rate; one that was given up, or never begun, is not
            finished.
        schedule: The policy that the rate of a run follows; `constant`.
        moves: What was trained, in order.
        budget: The most training steps that were allowed in all, those of a range test included.
        spent: Whether the search ended for want of steps.
        cut_off: Whether the last of the moves was interrupted.
        whose: What suggested the rate that is checked, in words; empty: the user gave the suggestion.
        meant: The rate that was to be checked, where the pinned one was trained for it; else None.
        left: The rates that came to no end for want of steps alone, or because the search was interrupted;
            the others that did not were behind.
        blind: The best answer for the samples held out that does not look at the inputs.
    """

    candidates: tuple[Candidate, ...]
    num_steps: int
    seeds: tuple[RunSet, ...]
    schedule: str = "constant"
    moves: tuple[Move, ...] = ()
    budget: int = 0
    spent: bool = False
    cut_off: bool = False
    whose: str = RANGE_TEST
    meant: float | None = None
    left: frozenset[float] = frozenset()
    blind: BlindAnswer = UNKNOWN

    @property
    def lrs(self) -> NDArray[np.float64]:
        """The rates, shape (rates,)."""
        return np.array([candidate.lr for candidate in self.candidates])

    @property
    def starts(self) -> NDArray[np.float64]:
        """Held-out loss before training of each seed, shape (seeds,)."""
        return np.array([trial.start for trial in self.seeds])

    @property
    def finals(self) -> NDArray[np.float64]:
        """Held-out loss at the end, shape (seeds, rates); NaN for a run that was given up, or never begun."""
        return np.array([trial.finals for trial in self.seeds]).reshape(-1, len(self.candidates))

    @property
    def steps(self) -> int:
        """Training steps taken."""
        return sum(int(trial.steps_taken.sum()) for trial in self.seeds)

    @property
    def stops(self) -> NDArray[np.int64]:
        """The most steps that each rate was trained for on a seed, shape (rates,)."""
        taken = [trial.steps_taken for trial in self.seeds]
        most: NDArray[np.int64] = np.max([*taken, np.zeros(len(self.candidates), dtype=np.int64)], axis=0)
        return most

    def short(self, rate: int) -> str:
        """What became of a rate that came to no end on any seed."""
        return f"{self.fate(rate)} after {self.stops[rate]:,}"

    def fate(self, rate: int) -> str:
        """The same without the steps that it took."""
        return "cut off" if self.is_cut_off(rate) else "left" if self.is_left(rate) else "given up"

    def is_left(self, rate: int) -> bool:
        """Whether a rate that was not behind came to no end."""
        return self.candidates[rate].lr in self.left

    def is_cut_off(self, rate: int) -> bool:
        """Whether a rate was in training when the search was interrupted."""
        if not self.cut_off or self.moves[-1].lr != self.candidates[rate].lr:
            return False
        seed = self.moves[-1].seed
        return seed >= len(self.seeds) or math.isnan(float(self.seeds[seed].finals[rate]))

    @property
    def ahead(self) -> tuple[float, float] | None:
        """The rate that was left lower than any came to its end, and that loss; None where none was."""
        last = {(move.lr, move.seed): self.reading(move) for move in self.moves if move.lr in self.left}
        ends = [float(np.nanmin(finals, initial=math.inf)) for finals in self.finals]
        lower = [(lr, loss) for (lr, seed), loss in last.items() if seed < len(ends) and loss < ends[seed]]
        return min(lower, key=lambda each: each[1], default=None)

    def reading(self, move: Move) -> float:
        """The held-out loss that a move came to; infinite where it diverged, NaN where it was cut off."""
        trial = self.seeds[move.seed] if move.seed < len(self.seeds) else None
        if trial is None:
            return math.nan
        rate = self._rate(move.lr)
        if trial.diverged[rate] and trial.steps_taken[rate] <= move.to:
            return math.inf
        return float(trial.readings[rate, trial.read_at.index(move.to)])

    @property
    def legs(self) -> list[Leg]:
        """What was trained, in order; of a run that diverged, or was cut off, fewer steps than meant."""
        at: dict[tuple[int, float], int] = {}
        found = []
        for move in self.moves:
            run = move.seed, move.lr
            begun = self.seeds[move.seed : move.seed + 1]
            taken = int(begun[0].steps_taken[self._rate(move.lr)]) if begun else 0
            found.append(Leg(*run, at.get(run, 0), min(taken, move.to), self.reading(move)))
            at[run] = move.to
        return found

    def _rate(self, lr: float) -> int:
        return next(i for i, each in enumerate(self.candidates) if each.lr == lr)

    def index(self, roles: Sequence[Role]) -> int | None:
        """Which candidate has one of these roles."""
        return next((i for i, each in enumerate(self.candidates) if set(each.roles) & set(roles)), None)
