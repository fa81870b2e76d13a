"""An answer that does not look at the inputs, which a model has to be better than to have learnt anything."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from lrfind.training.peers import mean_of

if TYPE_CHECKING:
    from lrfind.training.peers import Peers


TRAINED = 0.8
"""Share of the loss of a blind answer below which hardly a model begins that was not trained before."""


class BlindAnswer(NamedTuple):
    """The same answer to every input.

    Attributes:
        loss: What it has; NaN where that is not known.
        what: Who gives it: `a model that takes all 10 classes for equally likely`.
        is_learnt: Whether models have to learn it first; else they begin near it.
    """

    loss: float = math.nan
    what: str = ""
    is_learnt: bool = False

    @classmethod
    def of_classes(cls, count: int) -> BlindAnswer:
        """Equal shares for so many classes, under a cross-entropy."""
        which = "both" if count == 2 else f"all {count:,}"
        return cls(math.log(count), f"a model that takes {which} classes for equally likely")

    @classmethod
    def of_odds(cls) -> BlindAnswer:
        """Even odds for yes and no, under their cross-entropy."""
        return cls(math.log(2), "a model that takes yes and no for equally likely")

    @property
    def is_known(self) -> bool:
        """Whether its loss is known."""
        return not math.isnan(self.loss)

    def is_passed(self, start: float) -> bool:
        """Whether a model that begins with this loss has been trained before."""
        return start < TRAINED * self.loss

    def among(self, peers: Peers | None) -> BlindAnswer:
        """The same for all who run the same, each of whom met other samples."""
        (loss,) = mean_of(peers, (self.loss,))
        return BlindAnswer(loss, self.what, self.is_learnt)


UNKNOWN = BlindAnswer()
"""Where the criterion does not tell its loss."""
