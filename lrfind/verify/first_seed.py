"""How the rates of the first seed compare on their way: which is best so far, and which cannot win any more.

After as many steps as both have made, runs of one seed tell much of one another long before their end. But
a higher rate that is a little ahead early is as often behind at the end, and a lower one that is ahead stays
so: a higher rate must be ahead by more. And while the loss falls faster and faster, as it does where training
begins on a plateau, who is ahead says only who has left the plateau first.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lrfind.statistics import lowest_of_parabola
from lrfind.suggestion import rounded
from lrfind.training.baseline import is_gain

if TYPE_CHECKING:
    from lrfind.verify.stops import Stops
    from lrfind.verify.tried import Tried

LATE_START = 0.04
"""Share of the drop by which a rate must be ahead at the first stop for each decade that it is higher; later
less, as the steps are more."""

BEHIND, FAR_BEHIND = 0.10, 0.15
"""Shares of the drop: a run that is behind by more does not go on, later and at the first stop."""

MOVED = 0.02
"""Share of the initial loss that the best must have lost for anything to be read off."""

FASTER = 1.25
"""On a plateau the loss has fallen so many times as much a step as up to the stop before."""


class FirstSeed:
    """The runs of the first seed.

    Args:
        tried: What is known so far.
        stops: After how many steps runs are compared.
        around: The rate that the search began with.
    """

    def __init__(self, tried: Tried, stops: Stops, around: float) -> None:
        self._tried = tried
        self._stops = stops
        self._around = around

    @property
    def start(self) -> float:
        """Held-out loss before training."""
        return self._tried.starts[0]

    def lrs(self, step: int = 0) -> list[float]:
        """The rates that were read after so many steps, rising; 0: all."""
        return self._tried.lrs(0, step)

    def is_gone(self, lr: float) -> bool:
        """Whether a run has diverged."""
        return self._tried.has_diverged(0, lr)

    def best(self, step: int) -> float:
        """The rate that is ahead."""
        return self.in_order(step)[0]

    def in_order(self, step: int) -> list[float]:
        """The rates that were read there, the one ahead first, of equals the lowest."""

        def place(lr: float) -> tuple[bool, float, float]:
            return self._tried.has_diverged(0, lr, by=step), self._level(lr, step), lr

        return sorted(self.lrs(step), key=place)

    def behind(self, lr: float, other: float, step: int) -> float:
        """By how much a rate is behind another, as a share of the drop; infinite where it has diverged."""
        if self._tried.has_diverged(0, lr, by=step):
            return math.inf
        gap = self._level(lr, step) - self._level(other, step)
        return gap / max(self._drop(step), math.ulp(0.0))

    def may_win(self, lr: float, other: float, step: int) -> bool:
        """Whether a rate is not far behind another."""
        return self.behind(lr, other, step) <= (FAR_BEHIND if step <= self._stops.first else BEHIND)

    def has_moved(self, step: int) -> bool:
        """Whether some rate has lowered the loss by so much that a comparison means something."""
        return self._fall(step) > MOVED * abs(self._base(step))

    def is_on_plateau(self, lr: float, step: int) -> bool:
        """Whether the loss falls faster and faster; False where it was not read before."""
        before = max((each for each in self._stops.all if each < step), default=0)
        if not before:
            return False
        fallen, earlier = self.start - self._loss(lr, step), self.start - self._loss(lr, before)
        return fallen / step > FASTER * max(earlier, 0.0) / before

    def lowest_point(self, *lrs: float) -> float | None:
        """Where a parabola through three rates is lowest, at the latest stop that all were read at."""
        for step in reversed(self._stops.all):
            losses = [self._tried.loss(0, lr, step) for lr in lrs]
            if None not in losses:
                break
        else:
            return None
        lowest = lowest_of_parabola(np.log(np.array(lrs)), np.array(losses, dtype=np.float64))
        return None if lowest is None else rounded(math.exp(lowest))

    def _level(self, lr: float, step: int) -> float:
        """The loss of a rate; before the end a higher one's is taken for higher than it is."""
        late = 0.0 if step == self._stops.end else LATE_START * self._stops.first / step
        return self._loss(lr, step) + late * self._drop(step) * math.log10(lr / self._around)

    def _drop(self, step: int) -> float:
        """What there is to lose, as far as that is known: to the lowest loss there or at the end."""
        return max(self._fall(step), self._fall(self._stops.end))

    def _fall(self, step: int) -> float:
        """From the base to the lowest loss."""
        return self._base(step) - self._lowest(step)

    def _base(self, step: int) -> float:
        """The initial loss, or that of a blind answer where one came below it: no rate is ahead by that."""
        blind = self._tried.blind
        return blind if blind < self.start and is_gain(blind, self._lowest(step)) else self.start

    def _lowest(self, step: int) -> float:
        return min((self._loss(lr, step) for lr in self.lrs(step)), default=self.start)

    def _loss(self, lr: float, step: int) -> float:
        loss = self._tried.loss(0, lr, step)
        assert loss is not None
        return loss
