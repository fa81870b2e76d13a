"""Successive halving: the budget goes to the rates that still can win."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lrfind.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Halving:
    """Successive halving: at stated step counts the better part goes on.

    Source: Jamieson and Talwalkar, arXiv 1502.07943, figure 3.

    Attributes:
        rungs: Step counts after which rates are dropped, rising.
        keep: The share that goes on; of n rates it is the next whole number from `keep * n` up, at least 1.
    """

    rungs: tuple[int, ...]
    keep: float = 0.5

    def __post_init__(self) -> None:
        """Checks both.

        Raises:
            ConfigError: One cannot be used.
        """
        if not all(a < b for a, b in zip((0, *self.rungs), self.rungs, strict=False)):
            raise ConfigError(f"the rungs of a halving must rise from 1 up, got {self.rungs}.")
        if not 0 < self.keep < 1:
            raise ConfigError(f"the share that a halving keeps must lie between 0 and 1, got {self.keep}.")

    @classmethod
    def doubling(cls, num_steps: int, *, first: int) -> Halving:
        """Keeps half after `first`, 2 `first`, 4 `first`, ... steps, all below `num_steps`."""
        if first < 1:
            raise ConfigError(f"the first rung of a halving must be at least 1, got {first}.")
        return cls(tuple(first * 2**j for j in range(num_steps.bit_length()) if first * 2**j < num_steps))

    def alive(self, num_rates: int) -> list[int]:
        """The most rates that run up to each rung, and after the last; one more than there are rungs."""
        counts = [num_rates]
        for _ in self.rungs:
            # Rounded before it is rounded up: 0.1 * 30 is 3.0000000000000004.
            counts.append(max(1, math.ceil(round(self.keep * counts[-1], 9))) if counts[-1] else 0)
        return counts

    def total_steps(self, num_rates: int, *, num_steps: int) -> int:
        """The most training steps that this takes; fewer only where rates diverge.

        Args:
            num_rates: Rates at the start.
            num_steps: Steps of a rate that stays to the end.
        """
        ends = [min(rung, num_steps) for rung in self.rungs] + [num_steps]
        starts = [0, *ends[:-1]]
        counts = self.alive(num_rates)
        return sum(n * (b - a) for n, a, b in zip(counts, starts, ends, strict=True))
