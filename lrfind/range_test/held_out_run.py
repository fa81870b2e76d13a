"""One run at the suggested rate with samples held out: where they are few, or the model was trained before.

A sweep is over before a model knows its samples by heart, and no training loss shows that it does. The loss
of samples that are held out turns on the way. How far a model has come goes with the sum of its rates, so
that at half the rate the turn comes after twice the steps: the rate is lowered until it comes at the end of a
training of `TRAINING` steps. A model that was trained before can be worse than it was from the first step on,
or have much to learn that a sweep does not show, which stays near its start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lrfind.range_test.horizon import STEPS as TRAINING
from lrfind.range_test.reading import DEFAULT_RULE
from lrfind.report.formatting import listed, told_apart
from lrfind.suggestion import rate_text, rounded
from lrfind.training.blind_answer import UNKNOWN

if TYPE_CHECKING:
    from lrfind.range_test.curve import Curve
    from lrfind.range_test.reading import Reading
    from lrfind.suggestion import Suggestion
    from lrfind.training.blind_answer import BlindAnswer

MOST_LOWER = 2
"""Runs at lower rates at most, each after one at which the loss only rose."""

STEP_UP = math.sqrt(10)
"""From the rate of a run whose loss does not turn to that of the next."""

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
        blind: The best answer for the samples held out that does not look at the inputs.
        before: Runs that were made before, at the suggested rate first: at higher ones the loss of other
            samples only rose, at lower ones it ended higher.
        after: A run at a higher rate that was made after it, and ended no lower.
    """

    lr: float
    samples: int
    losses: dict[int, float]
    training: dict[int, float]
    blind: BlindAnswer = UNKNOWN
    before: tuple[HeldOutRun, ...] = ()
    after: HeldOutRun | None = None

    @property
    def first(self) -> float:
        """The rate that was suggested before."""
        return (*self.before, self)[0].lr

    @property
    def others(self) -> tuple[HeldOutRun, ...]:
        """All other runs, in the order in which they were made."""
        return self.before if self.after is None else (*self.before, self.after)

    @property
    def higher(self) -> tuple[float, ...]:
        """Rates of runs before at which the loss of other samples only rose."""
        return tuple(run.lr for run in self.before if not run.learns)

    @property
    def lower(self) -> tuple[float, ...]:
        """Rates of runs before at which it ended higher."""
        return tuple(run.lr for run in self.before if run.learns)

    @property
    def next_lower(self) -> float:
        """The rate to go on with where the loss only rises, as if it had turned at the first reading."""
        return self.lr * EVERY / TRAINING

    @property
    def next_higher(self) -> float:
        """The rate to go on with where the loss does not turn; infinite where it is known to be too high."""
        lr = self.lr * STEP_UP
        return math.inf if lr >= min(self.higher, default=math.inf) else lr

    @property
    def last(self) -> float:
        """The loss at the end."""
        return self.losses[self.steps]

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
        *_, before, _ = self.losses.values()
        trained = self.training[self.steps]
        learnt = self.losses[0] - min(self.last, trained)
        return ((before + self.last) / 2 - trained) / learnt if learnt > 0 else math.inf

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to see."""
        return self.steps >= STEPS or self._is_level

    @property
    def turned(self) -> bool:
        """Whether the loss fell, and had clearly risen again at the end.

        Not where the batches are known no better than other samples: what it rose by is noise.
        """
        start, lowest, last = self._levels
        if self.steps < STEPS and self._is_level:
            return False
        return self.learns and last - lowest > CLEAR * (start - lowest)

    @property
    def factor(self) -> float:
        """What the suggested rate is multiplied by, so that the loss turns when the training ends."""
        return self.lr / self.first * (min(1.0, self.lowest_at / TRAINING) if self.turned else 1.0)

    def following(self, run: HeldOutRun) -> HeldOutRun:
        """This run, made after another and those before that."""
        return replace(self, before=(*run.before, replace(run, before=())))

    def revise(self, suggestion: Suggestion, ladder: tuple[float, float]) -> Suggestion:
        """The suggestion with its bracket, times `factor`.

        Args:
            suggestion: At whose rate the first run was made.
            ladder: Its first and its last rate: none may lie outside.
        """
        if self.factor == 1:
            return suggestion
        rates = suggestion.lr, suggestion.low, suggestion.high
        lr, low, high = (min(max(ladder[0], rounded(rate * self.factor)), ladder[1]) for rate in rates)
        shown = "the curve shows" if suggestion.rule == DEFAULT_RULE.value else "other runs show"
        loss, at, why = "the loss of samples held out", "that rate", []
        if self.higher:
            why.append(f"at {_rates_in_words(self.higher)} {loss} only rises")
            loss, at = "it", rate_text(self.lr)
        if self.lower:
            why.append(f"at {_rates_in_words(self.lower)} {loss} ends higher than at {rate_text(self.lr)}")
            loss, at = "it", rate_text(self.lr)
        if self.turned:
            turn = f"turned after {self.lowest_at} steps, and it is to turn at the end of a training"
            of = "of it" if at == "that rate" else f"of {at}"
            why.append(f"at {at} {loss} {turn} of {TRAINING}: {self.lowest_at}/{TRAINING} {of}")
        reason = (
            f"{rate_text(lr)} is {self.factor:.2g} times the {rate_text(self.first)} that {shown}: "
            f"{'; '.join(why)}. {suggestion.reason}"
        )
        return replace(suggestion, lr=lr, low=low, high=high, reason=reason)

    @property
    def in_words(self) -> str:
        """What the loss did, in a sentence, and in a second one what it did at other rates."""
        others = [run for run in self.others if run.learns or run is self.after]
        if not others:
            return self._in_words
        last, *losses = told_apart(self.last, *(run.last for run in others))
        each = [
            f"{loss if math.isfinite(run.last) else 'not finite'} at {rate_text(run.lr)}"
            for loss, run in zip(losses, others, strict=True)
        ]
        where = "another rate" if len(each) == 1 else "other rates"
        return f"{self._in_words} It ends at {last}, and no lower at {where}: {listed(each)}."

    @property
    def _in_words(self) -> str:
        at_first, least, at_last = self._levels
        lowest, start, last = told_apart(least, at_first, at_last, most=6)
        few = ", so few that chance counts," if self.samples < FEW else ""
        of = f"the loss of {self.samples:,} samples held out{few}"
        said = f"In {self.steps} steps at {rate_text(self.lr)} {of}"
        if not self.learns:
            if self.higher:
                higher = _rates_in_words(self.higher)
                return (
                    f"{said} only rises, as at {higher} before, from {start} to {last}: the model gets worse "
                    "than it was at each of these rates, and its samples may have nothing left to teach it."
                )
            return (
                f"{said} only rises, from {start} to {last}: the model learns its samples by heart, and "
                "nothing that holds for others. The rate is left as the curve shows it, and is good for that "
                "alone."
            )
        if self.turned:
            fell = f"{said} falls from {start} to {lowest}, reached after {self.lowest_at}"
            if math.isinf(self.last):
                return f"{fell}; then the run diverges."
            return f"{fell}, and rises to {last} again: the model learns its samples by heart."
        if self.steps < STEPS:
            return f"{said} falls from {start} to {lowest}, as that of the batches does."
        return f"{said} falls from {start} to {lowest} and does not turn."

    @property
    def _is_level(self) -> bool:
        """Whether the batches are known no better than other samples: then there is nothing more to see."""
        return self.steps >= LEAST_STEPS and self.gap < GAP

    @property
    def _levels(self) -> tuple[float, float, float]:
        """The loss before training, the lowest and the last."""
        return self.losses[0], self.losses[self.lowest_at], self.last


def with_unseen_overfitting(reading: Reading, curve: Curve, *, trained: bool) -> str:
    """What is seen; where no run was made for which there was reason, it ends with what that leaves open.

    Args:
        reading: What was read.
        curve: What it was read from.
        trained: Whether the model was trained before.
    """
    suggestion = reading.suggestion
    if suggestion is None or reading.held_out is not None:
        return reading.seen
    if trained:
        return (
            f"{reading.seen} The model was trained before, and no samples were held out to see what this "
            "rate makes of it: that may be many times too high or too low, which lrfind verify tells."
        )
    if suggestion.rule != DEFAULT_RULE.value:
        return reading.seen
    if passes(curve) < PASSES:
        return reading.seen
    return (
        f"{reading.seen} A training of {TRAINING} steps meets every sample {passes(curve):.0f} times, and "
        "none were held out to see whether they are learnt by heart: the rate may be several times too high, "
        "which lrfind verify tells."
    )


def _rates_in_words(rates: tuple[float, ...]) -> str:
    return listed([rate_text(rate) for rate in rates])


def passes(curve: Curve) -> float:
    """How often a training of `TRAINING` steps meets every sample; 0 where that is not known."""
    return TRAINING / curve.epoch_steps if curve.epoch_steps else 0.0
