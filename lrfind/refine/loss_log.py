"""What a continued sweep has measured so far, and who writes it down."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lrfind.refine.results import SeedResult
from lrfind.training.peers import mean_of
from lrfind.training.readback import Readback

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from lrfind.refine.continued import Runner
    from lrfind.training.peers import Peers


@dataclass(slots=True)
class LossLog:
    """What a sweep has measured so far; a sweep that is given one goes on after it.

    Attributes:
        level: The loss before the first update; NaN until it is known.
        losses: For each rate reached, in order, the losses of its iterations.
    """

    level: float = math.nan
    losses: list[list[float]] = field(default_factory=list)

    @property
    def iterations(self) -> int:
        """Iterations measured."""
        return sum(map(len, self.losses))

    def track(self) -> SeedResult:
        """A copy that no longer changes."""
        return SeedResult(self.level, tuple(tuple(losses) for losses in self.losses if losses))


class LossRecorder:
    """Puts losses on the tapes in the order of the iterations, once they have arrived from the device."""

    def __init__(
        self, runner: Runner, tapes: Sequence[LossLog], lengths: Sequence[int], peers: Peers | None = None
    ) -> None:
        first = tapes[runner.inside[0]]
        self.last = first.losses[-1][-1] if first.iterations else first.level
        self._runner = runner
        self._tapes = tapes
        self._lengths = lengths
        self._peers = peers
        self.ended = {
            seed
            for seed in runner.inside
            if tapes[seed].losses and not math.isfinite(tapes[seed].losses[-1][-1])
        }
        self._begin()

    def push(self, losses: Tensor) -> None:
        """Takes the losses of the next iteration of the seeds inside, on the device."""
        self._readback.push(*(losses.unbind() if losses.ndim else (losses,)))

    def take(self) -> bool:
        """Writes what has arrived; False where no seed is left."""
        self._write(all_of_them=False)
        if self.ended.isdisjoint(self._runner.inside):
            return True
        self.catch_up()  # the seeds that go on are that far ahead
        return self.goes_on_with([seed for seed in self._runner.inside if seed not in self.ended])

    def goes_on_with(self, seeds: Sequence[int]) -> bool:
        """Drops the others; False where none is left."""
        if len(seeds) < len(self._runner.inside):
            self._runner.keep(seeds)
            self._begin()
        return bool(seeds)

    def catch_up(self) -> None:
        """Waits for all that is under way and writes it."""
        self._write(all_of_them=True)

    def _begin(self) -> None:
        done = min((self._tapes[seed].iterations for seed in self._runner.inside), default=0)
        most, width = sum(self._lengths) - done, len(self._runner.inside)
        self._readback = Readback(self._runner.device, most, width, fixed_lag=self._peers is not None)

    def _write(self, *, all_of_them: bool) -> None:
        for own in self._readback.ready(all_of_them=all_of_them):
            row = mean_of(self._peers, own)
            for seed, loss in zip(self._runner.inside, row, strict=True):
                if seed in self.ended:
                    continue
                losses = self._tapes[seed].losses
                if not losses or len(losses[-1]) == self._lengths[len(losses) - 1]:
                    losses.append([])
                losses[-1].append(loss)
                if not math.isfinite(loss):
                    self.ended.add(seed)
            self.last = row[0]
