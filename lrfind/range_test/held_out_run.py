"""One run at the suggested rate with samples held out, where a training meets the same few again and again.

A sweep is over before a model knows its samples by heart, and no training loss shows that it does. The loss
of samples that are held out turns on the way. How far a model has come goes with the sum of its rates, so
that at half the rate the turn comes after twice the steps: the rate is lowered until it comes at the end of a
training of `TRAINING` steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lrfind.range_test.horizon import STEPS as TRAINING
from lrfind.range_test.reading import DEFAULT_RULE
from lrfind.report.formatting import told_apart
from lrfind.suggestion import rate_text, rounded

if TYPE_CHECKING:
    from lrfind.range_test.curve import Curve
    from lrfind.range_test.reading import Reading
    from lrfind.suggestion import Suggestion

PASSES = 15
"""Times that a training of `TRAINING` steps meets every sample, from which on such a run is made."""

STEPS = 200
"""Of the run at most."""

EVERY = 25
"""Steps from one reading of the held-out loss to the next."""

LEAST_STEPS = 125
"""Of the run, before it ends for lack of a gap."""

GAP = 0.1
"""Share of what is learnt by which the loss of the batches must lie below that of the samples held out, or
nothing is learnt by heart so far, and the run ends: where the loss turned, the gap was 0.2 by then."""

FEW = 30
"""Samples held out from which on down it is said that they are few."""

CLEAR = 0.05
"""Share of its fall that the held-out loss must have risen by at the end to have turned."""


@dataclass(frozen=True, slots=True)
class HeldOutRun:
    """A run at one rate, and the loss of samples that it was not trained on.

    Attributes:
        lr: The rate.
        samples: How many were held out.
        losses: Their loss by the steps made before it was read, from 0 on; infinite where it is not finite.
        training: Mean training loss of the steps since the reading before, by the same steps but 0.
    """

    lr: float
    samples: int
    losses: dict[int, float]
    training: dict[int, float]

    @property
    def steps(self) -> int:
        """How many were made before the last reading."""
        return max(self.losses)

    @property
    def lowest_at(self) -> int:
        """Steps after which the loss was lowest."""
        return min(self.losses, key=lambda step: self.losses[step])

    @property
    def learns(self) -> bool:
        """Whether what is learnt holds for the samples held out, at some time at least."""
        return self.lowest_at > 0

    @property
    def gap(self) -> float:
        """By what share of all that is learnt the batches are known better, over the last steps.

        Infinite where nothing is learnt.
        """
        *_, before, last = self.losses.values()
        trained = self.training[self.steps]
        learnt = self.losses[0] - min(last, trained)
        return ((before + last) / 2 - trained) / learnt if learnt > 0 else math.inf

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to see."""
        return self.steps >= STEPS or (self.steps >= LEAST_STEPS and self.gap < GAP)

    @property
    def turned(self) -> bool:
        """Whether the loss fell, and had clearly risen again at the end."""
        start, lowest, last = self._levels
        return self.learns and last - lowest > CLEAR * (start - lowest)

    @property
    def factor(self) -> float:
        """What the rate is multiplied by, so that the loss turns when the training ends."""
        return min(1.0, self.lowest_at / TRAINING) if self.turned else 1.0

    def lowered(self, suggestion: Suggestion, least: float) -> Suggestion:
        """The suggestion with its bracket, times `factor`.

        Args:
            suggestion: That of the curve, at whose rate the run was made.
            least: No rate may be lower.
        """
        if self.factor == 1:
            return suggestion
        rates = suggestion.lr, suggestion.low, suggestion.high
        lr, low, high = (max(least, rounded(rate * self.factor)) for rate in rates)
        reason = (
            f"{rate_text(lr)} is {self.factor:.2g} times the {rate_text(self.lr)} that the curve shows: at "
            f"that rate the loss of samples held out turned after {self.lowest_at} steps, and it is to turn "
            f"at the end of a training of {TRAINING}. {suggestion.reason}"
        )
        return replace(suggestion, lr=lr, low=low, high=high, reason=reason)

    @property
    def in_words(self) -> str:
        """What the loss did, in a sentence."""
        at_first, least, at_last = self._levels
        lowest, start, last = told_apart(least, at_first, at_last, most=6)
        few = ", so few that chance counts," if self.samples < FEW else ""
        said = (
            f"In {self.steps} steps at {rate_text(self.lr)} the loss of {self.samples} samples held out{few}"
        )
        if not self.learns:
            return (
                f"{said} only rises, from {start} to {last}: the model learns its samples by heart, and "
                "nothing that holds for others. The rate is left as the curve shows it, and is good for that "
                "alone."
            )
        if self.turned:
            fell = f"{said} falls from {start} to {lowest}, reached after {self.lowest_at}"
            if math.isinf(self.losses[self.steps]):
                return f"{fell}; then the run diverges."
            return f"{fell}, and rises to {last} again: the model learns its samples by heart."
        if self.steps < STEPS:
            return f"{said} falls from {start} to {lowest}, as that of the batches does."
        return f"{said} falls from {start} to {lowest} and does not turn."

    @property
    def _levels(self) -> tuple[float, float, float]:
        """The loss before training, the lowest and the last."""
        return self.losses[0], self.losses[self.lowest_at], self.losses[self.steps]


def with_unseen_overfitting(reading: Reading, curve: Curve) -> str:
    """What is seen; where no run was made on data for which one is, it ends with what that leaves open."""
    suggestion = reading.suggestion
    if suggestion is None or suggestion.rule != DEFAULT_RULE.value or reading.held_out is not None:
        return reading.seen
    if passes(curve) < PASSES:
        return reading.seen
    return (
        f"{reading.seen} A training of {TRAINING} steps meets every sample {passes(curve):.0f} times, and "
        "none were held out to see whether they are learnt by heart: the rate may be several times too high, "
        "which lrfind verify tells."
    )


def passes(curve: Curve) -> float:
    """How often a training of `TRAINING` steps meets every sample; 0 where that is not known."""
    return TRAINING / curve.epoch_steps if curve.epoch_steps else 0.0
