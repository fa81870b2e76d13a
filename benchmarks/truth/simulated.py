"""Training at any rate, simulated: the recorded held-out losses, read in between along log10 lr and steps."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.truth.curves import READ_AT

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Simulated:
    """A task with a seed, of which training at a grid of rates was recorded.

    Attributes:
        lrs: The rates, rising.
        lines: What was recorded at each.
    """

    lrs: tuple[float, ...]
    lines: tuple[dict[str, Any], ...]

    @property
    def initial(self) -> float:
        """Held-out loss before training."""
        return float(self.lines[0]["losses"][0])

    def loss(self, lr: float, step: int) -> tuple[float, int]:
        """Held-out loss after so many steps, and the steps that were made.

        The loss is infinite, and the steps are fewer, where the nearer of the two recorded rates around it
        had diverged by then. If the other had, its loss is taken as that before training.
        """
        place = np.interp(math.log10(lr), np.log10(self.lrs), np.arange(len(self.lrs)))
        first = min(int(place), len(self.lrs) - 2)
        share = float(place) - first
        around = self.lines[first], self.lines[first + 1]
        nearer = around[share > 0.5]
        if nearer["diverged"] and nearer["steps"] < step:
            return math.inf, int(nearer["steps"])
        low, high = (self._recorded(line, step) for line in around)
        return (1 - share) * low + share * high, step

    def _recorded(self, line: dict[str, Any], step: int) -> float:
        if line["diverged"] and line["steps"] < step:
            return self.initial
        losses = [self.initial if loss is None else loss for loss in line["losses"]]
        return min(float(np.interp(step, READ_AT, losses)), self.initial)


def simulated_tasks(lines: Iterable[dict[str, Any]]) -> dict[str, dict[int, Simulated]]:
    """Every recorded task and seed."""
    found: dict[str, dict[int, dict[float, dict[str, Any]]]] = defaultdict(lambda: defaultdict(dict))
    for line in lines:
        found[line["task"]][line["seed"]][line["lr"]] = line
    return {
        task: {
            seed: Simulated(tuple(sorted(rates)), tuple(rates[lr] for lr in sorted(rates)))
            for seed, rates in seeds.items()
        }
        for task, seeds in found.items()
    }
