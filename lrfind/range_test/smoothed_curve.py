"""The line that the rules read: a curve aligned with its causes, cut, and smoothed without lag."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrfind.statistics import starting_level
from lrfind.suggestion import Status

if TYPE_CHECKING:
    from lrfind.statistics import Floats


USUAL_STEPS = 10.0
"""Steps a decade of the ladder on which the rule was found."""

EPOCH_STEPS = 60
"""Steps from which on an epoch is long: a fifth of the 300 that the rule was measured for."""

DEEP_ENOUGH, RISE = 0.7, 0.35
"""The first valley is the one to read: it is as deep as that share of the deepest place, and the line rises
after it by that share of its depth. What follows was measured on a model that too high a rate threw about."""

WIDTH = 4
"""Points of the narrowest valley that is one."""

FEWEST_TO_DISAGREE = 6
"""Points before the fall that it takes to tell how far batches disagree."""

STOPPED_EARLY = (Status.DIVERGED, Status.NONFINITE)


@dataclass(frozen=True, slots=True, eq=False)
class SmoothedCurve:
    """What the rules read, and what is drawn.

    There are two lines. `values` is for the answer: at each rate the level of the rates around it, a cliff
    among them, since a rate beside a cliff is no good one. `drawn` is for people: it goes through the
    measurements.

    `values[j]` is the measurement that first shows the effect of `lrs[j]`, that is the one of the step after.
    Where accuracy was measured the values are the share of wrong answers, so that less is better throughout.
    Where the losses are paired, a value is the mean loss of the model as it was at the start plus what
    training did to the loss of the batch: the batch itself has cancelled.

    Attributes:
        lrs: Rates, shape (points,), above 0 and rising.
        raw: Measurements, shape (points,), finite.
        values: `raw` smoothed without lag and with the cliff after a divergence cut off, shape (points,).
        drawn: The line through `raw` that is drawn and spoken of, shape (points,); see `drawn_line`.
        averaged: The bias-corrected exponential average at the same points, shape (points,).
        noise: Standard deviation of the loss of one batch about its neighbours.
        smoothed_noise: Standard deviation of each smoothed value by noise, shape (points,); it is most at the
            ends, and where the losses are paired, at the right.
        turned: Whether the line ends because the loss was clearly above where it had started.
        climb: The rate at which it was so first, and the loss, cut off at the height of a cliff; else None.
        start: Mean loss of the model as it was at the start, where the losses are paired, else None.
        momentum: Of the optimizer, in [0, 1).
        rectified_by: Weight of the past in RAdam's average of squares, None of other optimizers.
        first_step: Of the sweep, counted from 1, at which the first of the rates was used.
        epoch_share: Steps of an epoch as a share of `EPOCH_STEPS`, at most 1; 1 where they are not known.
        haste: How fast the rates rise against `USUAL_STEPS` a decade, at most 1: 1/3 where they take three
            times as many steps.
        reach: Points that `evidence` looks at.
        loss_share_lost: Where accuracies are read, `share_lost` of the losses of the same sweep; else None.
        noise_grows: Whether the noise of paired measurements grows with the rate, as that of losses does.
    """

    lrs: Floats
    raw: Floats
    values: Floats
    drawn: Floats
    averaged: Floats
    noise: float
    smoothed_noise: Floats
    turned: bool = False
    climb: tuple[float, float] | None = None
    start: float | None = None
    momentum: float = 0.0
    rectified_by: float | None = None
    first_step: int = 1
    epoch_share: float = 1.0
    haste: float = 1.0
    reach: int = 1
    loss_share_lost: float | None = None
    noise_grows: bool = True

    def __len__(self) -> int:
        """Number of points."""
        return len(self.lrs)

    @property
    def log10_lrs(self) -> Floats:
        """Base-10 logarithms of the rates."""
        return np.log10(self.lrs)

    @property
    def slopes(self) -> Floats:
        """D value / d log10 lr at each point; needs two points."""
        return np.gradient(self.values, self.log10_lrs)

    @property
    def lowest(self) -> int:
        """Index of the lowest smoothed value of the first valley that is nearly as deep as any.

        Valleys of less than `WIDTH` points are filled up before it is looked for.
        """
        wide = filled(self.values, WIDTH)
        least = np.minimum.accumulate(wide)
        fallen = self.plateau - least
        deep = (fallen >= DEEP_ENOUGH * fallen[-1]) & (fallen > 0)
        risen = np.flatnonzero(deep & (wide - least >= RISE * fallen))
        end = int(risen[0]) if len(risen) else len(wide)
        bottom = np.flatnonzero(wide[:end] == wide[:end].min())
        return int(bottom[np.argmin(self.values[bottom])])

    @property
    def lowest_drawn(self) -> int:
        """Index of the lowest point of the drawn line in the same valley.

        That is where the drawn line is down by half of its fall without a break, about `lowest`.
        """
        lowest = self.lowest
        half = (self.plateau + float(self.drawn[lowest])) / 2
        up = np.flatnonzero(self.drawn > half)
        first = int(up[up < lowest][-1]) + 1 if (up < lowest).any() else 0
        last = int(up[up > lowest][0]) if (up > lowest).any() else len(self)
        valley = self.drawn[first:last]
        return first + int(np.argmin(valley)) if len(valley) else lowest

    @property
    def plateau(self) -> float:
        """Level at the start: known where the losses are paired, else the median of the first raw points."""
        return starting_level(self.raw) if self.start is None else self.start

    @property
    def falls(self) -> slice:
        """Where the loss falls: from where it has lost a tenth of its fall, for good, to its lowest point."""
        lowest = self.lowest
        begun = self.plateau - 0.1 * (self.plateau - self.values[lowest])
        above = np.flatnonzero(self.values[: lowest + 1] > begun)
        first = 0 if len(above) == 0 else min(int(above[-1]) + 1, lowest)
        return slice(first, lowest + 1)

    @property
    def evidence(self) -> float:
        """How consistently the paired losses lie below the start on the way to the lowest point.

        The sum of the falls there, each over its rate (which is how their noise grows; that of accuracies
        does not), divided by the root of the sum of their squares. Where training does nothing but wander,
        their signs are random, and the variance of this is 1 however fast the noise grows; where every one of
        n is a fall, it is about sqrt(n).

        Source: the self-normalized sum (de la Peña, Lai and Shao 2009, chapter 2).
        """
        lowest = self.lowest
        level = self.plateau
        on_the_way = slice(max(0, lowest + 1 - self.reach), lowest + 1)
        falls = level - self.raw[on_the_way]
        if self.noise_grows:
            falls = falls / self.lrs[on_the_way]
        largest = float(np.abs(falls).max())
        if largest == 0:
            return 0.0
        falls = falls / largest  # whose squares cannot overflow
        return float(falls.sum() / np.sqrt((falls**2).sum()))

    @property
    def disagreement(self) -> float:
        """How far batches disagree on what training does to their loss: standard deviation over mean.

        Of the falls, each over its rate, at the last `reach` rates before the loss has fallen by a tenth of
        its whole fall; the deviation is taken from one step to the next, so that a trend does not count. It
        is that of the gradients of single batches, and goes with one over the root of their size. Infinite
        where the loss does not fall on average, 0 where it is not known.
        """
        begins = self.falls.start if len(self) else 0
        before = slice(max(0, begins - self.reach), begins)
        if self.start is None or not self.noise_grows or begins < FEWEST_TO_DISAGREE:
            return 0.0
        falls = (self.start - self.raw[before]) / self.lrs[before]
        mean = float(falls.mean())
        return math.sqrt(float(np.mean(np.diff(falls) ** 2)) / 2) / mean if mean > 0 else math.inf

    @property
    def fall(self) -> tuple[float, float]:
        """How far the loss fell to its lowest point, and the standard deviation of that by noise alone.

        It fell from the mean of what stood before the fall; where nothing did, from the first point, so that
        a line that only rises has fallen from nowhere.
        """
        lowest = self.lowest
        before = self.falls.start
        if self.start is not None:
            level, deviation = self.start, 0.0
        elif before > 0:
            level, deviation = float(self.raw[:before].mean()), self.noise / math.sqrt(before)
        else:
            level, deviation = float(self.values[0]), float(self.smoothed_noise[0])
        deviation = math.hypot(deviation, float(self.smoothed_noise[lowest]))
        return level - float(self.values[lowest]), deviation

    @property
    def share_lost(self) -> float:
        """The fall as a share of the level that it starts from, between 0 and 1."""
        fall, level = self.plateau - float(self.values[self.lowest]), abs(self.plateau)
        return min(1.0, max(0.0, fall / level)) if level else 1.0

    @property
    def learnt(self) -> float:
        """How much is learnt: the same share of the loss, also where accuracies are read.

        Wrong answers can be nearly gone where the loss is still at half.
        """
        return self.share_lost if self.loss_share_lost is None else self.loss_share_lost

    @property
    def rise(self) -> tuple[float, float]:
        """How far the line rises after its deepest point, and the standard deviation there by noise alone.

        Its last two points do not count: a lone high measurement at the end lifts them by much.
        """
        deepest = int(np.argmin(self.values))
        after = self.values[deepest : max(deepest + 1, len(self) - 2)]
        highest = deepest + int(np.argmax(after))
        return float(self.values[highest] - self.values[deepest]), float(self.smoothed_noise[highest])


def filled(values: Floats, width: int) -> Floats:
    """The values with every valley of less than `width` points filled up to its lower brim, shape (n,).

    Source: the closing of mathematical morphology (Serra 1982), with a flat window.
    """
    width = min(width, len(values))
    if width < 2:
        return values
    brims = np.lib.stride_tricks.sliding_window_view(values, width).max(axis=1)
    around = np.pad(brims, width - 1, constant_values=np.inf)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(around, width).min(axis=1))
