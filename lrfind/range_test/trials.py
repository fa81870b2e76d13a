"""What training runs at constant rates come to, and the rate that they answer: the rule of `trials`.

They are made where sweeps show too little (`trial_runs`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from lrfind.range_test.horizon import STEPS as TRAINING
from lrfind.range_test.slower_sweep import FAINT
from lrfind.report.formatting import counted, told_apart
from lrfind.report.no_learning import not_below
from lrfind.statistics import lowest_of_parabola
from lrfind.suggestion import AT_A_CONSTANT_RATE, Suggestion, rate_text, rounded
from lrfind.training.baseline import has_found
from lrfind.training.blind_answer import UNKNOWN, BlindAnswer

STEPS = 100
"""Steps of a run."""

LONGER = 2
"""Times as many where the best of them shows little."""

FACTOR = math.sqrt(10)
"""From one rate to the next."""

TRUST = 0.5
"""How far the answer goes from the best rate that was tried to where a parabola through it and its neighbours
is lowest: the losses are noisy, and their cliff is steeper than any parabola."""

LEARNT = 0.01
"""Share of the loss that it has to fall by in the best of the longest runs for its rate to be one."""

BEYOND = 0.003
"""The same share of the loss of a blind answer, where a sweep has an answer too: in 206 tests
of networks with nothing to learn chance brought it 0.0015 below at most."""

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
        blind: The best answer that does not look at the inputs.
        beaten: By rate, whether its losses were below what models begin near by more than chance.
    """

    steps: int
    start: float
    losses: dict[float, float]
    taken: int
    shorter: Trials | None = None
    blind: BlindAnswer = UNKNOWN
    beaten: dict[float, bool] = field(default_factory=dict)

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

        Down to what models begin near it falls where only the last layer settles, so that it has to come
        below that where that is known, by more than chance. Where a sweep has an answer too and the fall is
        not faint, chance is warned of and refuses nothing: of single samples a run has too few to rule it
        out. Where the level is not known, and no sweep has an answer, a faint fall is none.

        Args:
            answered: Whether a sweep has an answer too.
        """
        near, loss = self.blind.begins_near, self.losses[self.best]
        if not self.blind.is_known:
            return self.share_lost >= (LEARNT if answered else FAINT)
        if self.share_lost >= FAINT and not has_found(near, self.start, loss):
            return True
        is_doubtful = self.start > near and not self.beaten.get(self.best, True)
        if is_doubtful and not (answered and self.share_lost >= FAINT):
            return False
        return min(self.start, near) - loss >= (BEYOND if answered else LEARNT) * near

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
            return f"One run of {self.steps} steps, at the constant rate {end}, ended at {rate_text(lowest)}."
        return f"Of {runs} the one at {end} ended lowest, at {rate_text(lowest)}."

    def little_in_words(self, what: str) -> str:
        """That the loss fell too little for the best rate to be one.

        Args:
            what: `loss`, or what is read in its place.
        """
        runs = f"In {self.steps} steps at constant rates the {what}"
        if self.share_lost >= LEARNT and self.blind.is_known:
            if self.start < self.blind.loss:
                level, start, lowest = told_apart(self.blind.loss, self.start, self.losses[self.best])
                return (
                    f"{runs} came from {start} to {lowest} at best, where {self.blind.what} has {level}: too "
                    "little to tell what a rate is worth."
                )
            came = not_below(self.blind, self.start, self.losses[self.best])
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
