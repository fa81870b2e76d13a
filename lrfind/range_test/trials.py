"""Short training runs at constant rates, where sweeps have not shown much: the last part of `repeats=auto`.

A model that sits on a plateau learns nothing while a ladder passes, however slow, and what ends the valley is
only the rate at which an untrained model breaks down. Trained for a while at one rate it shows what that is
worth. Rates a factor of `FACTOR` apart are tried around the answer of the sweeps, upwards as long as the loss
ends lower, or hardly higher, else downwards; where even the best has hardly learnt anything, once more, in
runs twice as long. They also follow a loss that falls to the end of a high ladder, from there downwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from lrfind.range_test.horizon import STEPS as TRAINING
from lrfind.range_test.slower_sweep import FAINT
from lrfind.report.formatting import counted, told_apart
from lrfind.report.no_learning import not_below
from lrfind.statistics import lowest_of_parabola
from lrfind.suggestion import AT_A_CONSTANT_RATE, Status, Suggestion, rate_text, rounded

if TYPE_CHECKING:
    from collections.abc import Callable

    from lrfind.range_test.curve import Curve
    from lrfind.range_test.smoothed_curve import SmoothedCurve

STEPS = 100
"""Steps of a run."""

LONGER = 2
"""Times as many where the best of them shows little."""

FACTOR = math.sqrt(10)
"""From one rate to the next."""

MOST_RUNS = 7
"""Runs of one length at most."""

READ = 1 / 3
"""Share of a run at its end whose losses are averaged."""

SLACK = 0.04
"""Share of the start by which a run at a higher rate may end above the best so far, and still be gone beyond:
on a plateau they hardly differ, and it is the higher ones that leave it first."""

TRUST = 0.5
"""How far the answer goes from the best rate that was tried to where a parabola through it and its neighbours
is lowest: the losses are noisy, and their cliff is steeper than any parabola."""

LEARNT = 0.01
"""Share of the loss that it has to fall by in the best of the longest runs for its rate to be one."""

BEYOND = 0.003
"""The same share of the loss of equal shares for all classes, where a sweep has an answer too: in 206 tests
of networks with nothing to learn chance brought it 0.0015 below at most."""

BELOW_CLIMB = 5.0
"""Where no sweep has an answer, the first rate is that part of the one at which the loss rose above its
start: with slower sweeps it is the only thing known."""

RULE: Final = "trials"
"""What chose the rate, in the place where a rule is named."""


@dataclass(frozen=True, slots=True)
class Trials:
    """Training runs at constant rates, all of one length.

    Attributes:
        steps: Of each run.
        start: Loss of the model as it was at the start.
        losses: By rate, rising: the mean over the last third of the run, with the batches' noise cancelled;
            infinite where it diverged.
        taken: Training steps of these and of shorter runs before them.
        shorter: The shorter runs before them, whose best showed little; None where there were none.
        equal_shares: Loss where all classes have equal shares; NaN where that is not known.
    """

    steps: int
    start: float
    losses: dict[float, float]
    taken: int
    shorter: Trials | None = None
    equal_shares: float = math.nan

    @property
    def lengths(self) -> tuple[Trials, ...]:
        """The runs of every length, the shortest first and these last."""
        return (*(self.shorter.lengths if self.shorter else ()), self)

    @property
    def best(self) -> float:
        """The rate of the lowest loss."""
        return min(self.losses, key=lambda lr: self.losses[lr])

    @property
    def share_lost(self) -> float:
        """By what share of the start the loss fell at the best rate; negative where it rose."""
        fall = self.start - self.losses[self.best]
        return fall / abs(self.start) if self.start else float(fall > 0)

    def shows_learning(self, *, answered: bool) -> bool:
        """Whether the loss fell by enough for the best rate to be one.

        Down to the loss of equal shares for all classes it falls where only the last layer settles, so that
        it has to come below that where that is known. Where it is not, and no sweep has an answer, a faint
        fall is none.

        Args:
            answered: Whether a sweep has an answer too.
        """
        if self.share_lost >= FAINT:
            return True
        if math.isnan(self.equal_shares):
            return answered and self.share_lost >= LEARNT
        gained = min(self.start, self.equal_shares) - self.losses[self.best]
        return gained >= (BEYOND if answered else LEARNT) * self.equal_shares

    @property
    def turned(self) -> bool:
        """Whether a rate above the best was tried: else a still higher one may be better."""
        return self.best < max(self.losses)

    @property
    def answer(self) -> float:
        """The lowest point times `less`."""
        return self.lowest_point * self.less

    @property
    def lowest_point(self) -> float:
        """The rate where the losses are lowest: about the best that was tried, as its neighbours have it."""
        lrs = list(self.losses)
        i = lrs.index(self.best)
        if i in (0, len(lrs) - 1):
            return self.best
        around = lrs[i - 1 : i + 2]
        losses = np.array([min(self.losses[lr], self.start) for lr in around])
        lowest = lowest_of_parabola(np.log(around), losses)
        return self.best if lowest is None else self.best * math.exp(TRUST * (lowest - math.log(self.best)))

    @property
    def less(self) -> float:
        """What that is multiplied by, as the answer is for a training of `TRAINING` steps.

        In short runs a rate can be ahead at which the model breaks down later. In those that are twice as
        long, as they leave a plateau, hardly any is.
        """
        return min(1.0, self.steps / (LONGER * STEPS))

    @property
    def lowest_in_words(self) -> str:
        """Which of the runs ended lowest, in a sentence."""
        lowest, end = self.losses[self.best], rate_text(rounded(self.best))
        runs = f"{counted(len(self.losses), 'run')} of {self.steps} steps at constant rates"
        if math.isinf(lowest):
            return f"In {runs} the loss diverged."
        if len(self.losses) == 1:
            return f"One run of {self.steps} steps, at the constant rate {end}, ended at {lowest:.3g}."
        return f"Of {runs} the one at {end} ended lowest, at {lowest:.3g}."

    def little_in_words(self, what: str) -> str:
        """That the loss fell too little for the best rate to be one.

        Args:
            what: `loss`, or what is read in its place.
        """
        runs = f"In {self.steps} steps at constant rates the {what}"
        if self.share_lost >= LEARNT and not math.isnan(self.equal_shares):
            came = not_below(self.equal_shares, self.start, self.losses[self.best])
            return f"{runs} {came}: nothing was learnt that tells rates apart."
        fall = max(0.0, self.share_lost)
        return f"{runs} fell by {fall:.1%} at most, too little to tell what a rate is worth."

    def suggestion(self, ends: tuple[float, float], what: str) -> Suggestion:
        """The answer in its bracket, a quarter of a decade to either side.

        Args:
            ends: The lowest and the highest rate that could be tried.
            what: `loss`, or what is read in its place.
        """
        lr, half = max(ends[0], self.answer), math.sqrt(FACTOR)
        low, high = max(ends[0], lr / half), min(ends[1], lr * half)
        reason = f"{self.in_words(what)} {AT_A_CONSTANT_RATE}"
        return Suggestion(rounded(lr), rounded(low), rounded(high), RULE, reason)

    def in_words(self, what: str) -> str:
        """What every rate came to, in a sentence."""
        best, others = self.best, {lr: loss for lr, loss in self.losses.items() if lr != self.best}
        spelled = told_apart(self.losses[best], *others.values(), most=6)
        lowest, *each = ["diverged" if text == "inf" else text for text in spelled]
        ends = [f"{loss} with {rate_text(rounded(lr))}" for lr, loss in zip(others, each, strict=True)]
        less = (
            f" For {TRAINING} steps {rate_text(rounded(self.answer))} is that times {self.less:.2g}, as "
            "longer trainings break down at lower rates."
        )
        return (
            f"Trained for {self.steps} steps at a constant rate, the model ends at a {what} of "
            f"{lowest} with {rate_text(rounded(best))} ({', '.join(ends)}); it is lowest near "
            f"{rate_text(rounded(self.lowest_point))}.{less if self.less < 1 else ''}"
        )


def first_rate(lr: float | None, smoothed: SmoothedCurve, end: float | None) -> float | None:
    """Where the trials begin: at the answer of the sweeps, or below the climb that ended the last one.

    Args:
        lr: The answer of the last sweep that has one.
        smoothed: What was read from the last sweep.
        end: The end of a ladder to which the loss fell: there they begin then, and go down.
    """
    if lr is not None or smoothed.climb is None:
        return end if lr is None else lr
    return smoothed.climb[0] / BELOW_CLIMB


def searched(
    first: float,
    loss_of: Callable[[float], float],
    ends: tuple[float, float],
    *,
    start: float = math.inf,
    slack: float = 0.0,
) -> dict[float, float]:
    """The loss at rates around a first one, until the best lies between two that are worse, or at an end.

    As long as no rate has ended below the start, it goes on downwards.

    Args:
        first: A rate between the ends.
        loss_of: Trains at a rate.
        ends: The lowest and the highest rate to try.
        start: Loss before training.
        slack: By how much a higher rate may end above the best so far, and still be gone beyond.

    Returns:
        Losses by rate, rising.
    """
    losses = {0: loss_of(first)}

    def tried(k: int) -> bool:
        """Whether a rate, so many factors from the first, can be tried."""
        lr = first * FACTOR**k
        if len(losses) >= MOST_RUNS or not ends[0] <= lr <= ends[1]:
            return False
        losses[k] = loss_of(lr)
        return True

    k, least = 1, losses[0]
    while tried(k) and losses[k] < least + slack:
        k, least = k + 1, min(least, losses[k])
    if least >= start or least == losses[0]:
        k = -1
        while tried(k) and (losses[k] < losses[k + 1] or min(losses.values()) >= start):
            k -= 1
    return {first * FACTOR**k: losses[k] for k in sorted(losses)}


def last_loss(curve: Curve, start: float) -> float:
    """What a run came to: the mean over its last third, with the batches' noise cancelled.

    Args:
        curve: Of a run at a constant rate; paired, its losses are told apart from those of the model as it
            was at the start on the same batches.
        start: The level to tell it from.

    Returns:
        Infinity where it diverged.
    """
    if curve.status is not Status.COMPLETED:
        return math.inf
    read = slice(len(curve) - max(1, round(READ * len(curve))), None)
    measured, before = curve.measured, curve.measured_at_start
    loss = float(measured[read].mean())
    if not curve.paired or before is None or not np.isfinite(before).all():
        return loss
    level = float(before[read].mean())
    if curve.accuracies is None and level > 0 and measured.min() >= 0:
        return start * loss / level  # a loss that is never negative stays so
    return start + loss - level
