"""Short runs at a few constant learning rates: which rates, and what was measured of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from lrfind.suggestion import rounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lrfind.training.run_set import RunSet

FACTOR = 3.0
"""How far beside the checked rate the others lie: half a decade, as well as a range test can be read."""

SAME = 0.005
"""Rates that differ by less are one: a suggestion has three digits."""


class Role(str, Enum):
    """Why a rate is tried."""

    SUGGESTION = "suggestion"
    """It was suggested, by a range test or a refined sweep."""
    GIVEN = "given"
    """The user gave it to be checked in place of a suggestion."""
    PINNED = "pinned"
    """The user has pinned it (`--lr`)."""
    CONFIG = "config"
    """It is the rate of the optimizer in the config."""
    LOWER = "lower"
    """The checked rate divided by `FACTOR`."""
    HIGHER = "higher"
    """The checked rate times `FACTOR`."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rate to try.

    Attributes:
        lr: The rate.
        roles: Why; more than one where the reasons name the same rate.
    """

    lr: float
    roles: tuple[Role, ...]


def candidates(
    checked: float, role: Role, *, pinned: float | None = None, config: float | None = None
) -> tuple[Candidate, ...]:
    """The rates to try around one, rising; those that agree to half a percent are one.

    Args:
        checked: The rate that is to be checked.
        role: Why that: a suggestion, given, or pinned.
        pinned: The rate that a project has pinned.
        config: The rate of the optimizer in the config; one that is not positive is passed over.
    """
    found: list[tuple[float, list[Role]]] = []
    for lr, why in (
        (checked, role),
        (pinned, Role.PINNED),
        (config, Role.CONFIG),
        (rounded(checked / FACTOR), Role.LOWER),
        (rounded(checked * FACTOR), Role.HIGHER),
    ):
        if lr is None or not 0 < lr < math.inf:
            continue
        known = next((roles for other, roles in found if abs(lr / other - 1) < SAME), None)
        if known is None:
            found.append((lr, [why]))
        elif why not in known:
            known.append(why)
    return tuple(Candidate(lr, tuple(roles)) for lr, roles in sorted(found))


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """What all seeds measured.

    Attributes:
        candidates: The rates, rising.
        num_steps: Steps a run.
        seeds: The runs of each seed, in order; those of the last may have been interrupted.
    """

    candidates: tuple[Candidate, ...]
    num_steps: int
    seeds: tuple[RunSet, ...]

    @property
    def lrs(self) -> NDArray[np.float64]:
        """The rates, shape (rates,)."""
        return np.array([candidate.lr for candidate in self.candidates])

    @property
    def starts(self) -> NDArray[np.float64]:
        """Held-out loss before training of each whole seed, shape (seeds,)."""
        return np.array([trial.start for trial in self.seeds if trial.whole])

    @property
    def finals(self) -> NDArray[np.float64]:
        """Held-out loss at the end, of the whole seeds, shape (seeds, rates)."""
        whole = [trial.finals for trial in self.seeds if trial.whole]
        return np.array(whole).reshape(-1, len(self.candidates))

    @property
    def steps(self) -> int:
        """Training steps taken."""
        return sum(int(trial.steps_taken.sum()) for trial in self.seeds)

    def index(self, roles: Sequence[Role]) -> int | None:
        """Which candidate has one of these roles."""
        return next((i for i, each in enumerate(self.candidates) if set(each.roles) & set(roles)), None)
