"""After how many steps the runs of a search are read, compared, and can wait."""

from __future__ import annotations

from dataclasses import dataclass

MANY = 2
"""With a budget of so many runs or more the first comparison comes late and is to be trusted more."""


@dataclass(frozen=True, slots=True)
class Stops:
    """After how many steps a run is read and can wait.

    Attributes:
        all: Rising, the last one its end.
        first: Where rates are first compared; one before that serves to tell how the loss falls.
    """

    all: tuple[int, ...]
    first: int

    @classmethod
    def of(cls, num_steps: int, budget: int, *, early: bool) -> Stops:
        """Those of a search.

        Args:
            num_steps: Steps of a run.
            budget: Steps of all.
            early: Whether anything is to be read before the end.
        """
        if not early:
            return cls((num_steps,), num_steps)
        many = budget >= MANY * num_steps
        first = max(num_steps // (2 if many else 6), 1)
        others = (num_steps // 4, 2 * num_steps // 3) if many else (num_steps // 2,)
        return cls(tuple(sorted({first, *(max(each, 1) for each in others), num_steps})), first)

    def of_seed(self, seed: int) -> tuple[int, ...]:
        """Those of a seed: only on the first, where it is searched, is anything read before the end."""
        return self.all if seed == 0 else self.all[-1:]

    @property
    def end(self) -> int:
        """The last."""
        return self.all[-1]

    def after(self, step: int) -> int:
        """The next; after the last the last."""
        return next((each for each in self.all if each > step), self.end)
