"""When training has diverged: along rising rates, and at a rate that stays what it is."""

from __future__ import annotations

import math

from lrfind.training.smoothing import ExponentialAverage

GRACE = 10
"""Steps at the start that cannot end a training, a fifth of a short one: with fewer the smoothed loss is the
mean of a few batches, and noise alone ends one test in ten."""


class DivergenceTest:
    """Says when a sweep has left the valley for good, from the smoothed loss so far.

    It fires when

        smoothed > lowest + (factor - 1) * scale,

    where `lowest` is the smallest smoothed loss after the first `grace` steps. For a loss that stays
    positive, scale = lowest, and this is Gugger's test, smoothed > factor * lowest. Two cases need another
    scale. A positive loss that falls to almost nothing (one batch learnt by heart) would fire at the first
    ripple, so scale is at least a hundredth of the fall. A loss that goes below zero has no natural zero:
    its level says nothing, its fall does, and scale = max(|lowest|, fall). The fall is counted from the
    largest smoothed loss before the lowest one.

    The first steps never decide: their smoothed loss is the mean of a few batches, and one lucky batch would
    set a minimum that everything later is 4 times above.

    Args:
        factor: How many times the lowest is too much, greater than 1; None never fires.
        grace: Steps before the test begins.
    """

    __slots__ = ("_fall_from", "_lowest", "_peak", "_signed", "_steps", "factor", "grace")

    def __init__(self, factor: float | None, *, grace: int = 0) -> None:
        if factor is not None and not factor > 1:
            raise ValueError(f"the stop factor must be greater than 1, got {factor}")
        self.factor = factor
        self.grace = grace
        self._steps = 0
        self._signed = False
        self._peak = -math.inf
        self._fall_from = -math.inf
        self._lowest = math.inf

    def update(self, loss: float, smoothed: float) -> bool:
        """Takes the next raw and smoothed loss, both finite, and says whether the sweep has diverged."""
        self._steps += 1
        self._signed = self._signed or loss < 0
        self._peak = max(self._peak, smoothed)
        if self.factor is None or self._steps <= self.grace:
            return False
        if smoothed < self._lowest:
            self._lowest, self._fall_from = smoothed, self._peak
            return False
        fall = self._fall_from - self._lowest
        scale = max(abs(self._lowest), fall if self._signed else fall / 100)
        return smoothed > self._lowest + (self.factor - 1) * scale


class DivergenceMonitor:
    """Says when a rate has diverged: not finite, or its smoothed loss far above where all rates began.

    After `GRACE` steps, or a fifth of them, it fires when smoothed > start + (stop_factor - 1) * scale, where
    `start` is the mean loss of the untrained model and scale = |start|, or the fall since then if that is
    more (a loss that goes below zero). A start of exactly 0 gives no scale: from there it fires for a
    loss that is not finite alone. A range test compares with the lowest loss; here the rate stays what it is,
    and one that spikes below its start may still win.
    """

    __slots__ = ("_average", "_factor", "_grace", "_lowest", "_start", "_steps")

    def __init__(self, start: float, *, grace: int, beta: float, factor: float | None) -> None:
        self._average = ExponentialAverage(beta)
        self._factor = factor
        self._grace = grace
        self._start = self._lowest = start
        self._steps = 0

    def fires(self, loss: float) -> bool:
        """Takes the next loss."""
        if not math.isfinite(loss):
            return True
        self._steps += 1
        smoothed = self._average.update(loss)
        self._lowest = min(self._lowest, smoothed)
        if self._factor is None or self._start == 0 or self._steps <= self._grace:
            return False
        return smoothed > self._start + (self._factor - 1) * max(abs(self._start), self._start - self._lowest)
