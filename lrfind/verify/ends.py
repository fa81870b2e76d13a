"""How rates ended, each over the seeds on which it came to its end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lrfind.statistics import Floats


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

    @property
    def is_alone(self) -> bool:
        """Whether one rate alone came to its end, and not because all others diverged."""
        finished = int(((self.seeds > 0) & (self.diverged == 0)).sum())
        return finished == 1 and (len(self.seeds) == 1 or bool((self.seeds == 0).any()))


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
