"""The runs of a search and the held-out losses that were read of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


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
        blind: That of the best answer that does not look at the inputs; infinite where it is not known.
    """

    starts: dict[int, float] = field(default_factory=dict)
    losses: dict[tuple[int, float], dict[int, float]] = field(default_factory=dict)
    blind: float = math.inf

    def note(self, move: Move, start: float, loss: float) -> None:
        """Takes what a run came to."""
        self.starts[move.seed] = start
        self.losses.setdefault((move.seed, move.lr), {})[move.to] = loss

    def loss(self, seed: int, lr: float, step: int) -> float | None:
        """Held-out loss of a run, at most that before training; None where it was not read there."""
        if self.has_diverged(seed, lr, by=step):
            return self.starts[seed]
        found = self.losses.get((seed, lr), {}).get(step)
        return None if found is None else min(found, self.starts[seed])

    def final(self, seed: int, lr: float, step: int) -> float:
        """The loss at the end as it was read; infinite for a run that diverged, NaN where there is none."""
        known = self.losses.get((seed, lr), {})
        return math.inf if self.has_diverged(seed, lr) else known.get(step, math.nan)

    def lrs(self, seed: int, step: int) -> list[float]:
        """The rates that were read there, rising; 0: all that were begun."""
        begun = sorted(lr for at, lr in self.losses if at == seed)
        return [lr for lr in begun if not step or self.loss(seed, lr, step) is not None]

    def has_diverged(self, seed: int, lr: float, *, by: float = math.inf) -> bool:
        """Whether a run goes no further, as seen after so many steps."""
        known = self.losses.get((seed, lr), {})
        return any(math.isinf(loss) for at, loss in known.items() if at <= by)

    def at(self, seed: int, lr: float) -> int:
        """Steps that a run has made."""
        return max(self.losses.get((seed, lr), {0: 0.0}))
