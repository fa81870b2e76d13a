"""The training steps that a search may make, and the runs that it makes with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrfind.verify.tried import Move

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lrfind.verify.stops import Stops
    from lrfind.verify.tried import Tried


class SpentError(Exception):
    """The budget does not allow the next run."""


@dataclass(slots=True)
class Budget:
    """What is left of the steps.

    Attributes:
        left: Steps.
        tried: What is known of every run.
        stops: At which steps a run is read and can wait.
    """

    left: int
    tried: Tried
    stops: Stops

    def train(self, seed: int, lr: float, to: int, *, keep: int = 0) -> Iterator[Move]:
        """A run up to a stop, by way of those before; `keep` steps must be left afterwards.

        Raises:
            SpentError: They are not.
        """
        for stop in self.stops.of_seed(seed):
            at = self.tried.at(seed, lr)
            if at >= to or self.tried.has_diverged(seed, lr):
                return
            if to - at + keep > self.left:
                raise SpentError
            if at < stop:
                yield Move(seed, lr, stop)
