"""Where a round was lowest, and which rates were as good.

Source: ai-edu, chapter 12.3.2: everything the curve was still falling at is too small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrfind.refine.segments import rungs
from lrfind.statistics import deviation

if TYPE_CHECKING:
    from lrfind.refine.results import RoundResult
    from lrfind.statistics import Floats

AS_GOOD = 0.05
"""Share of a round's fall within which a loss is as good as the lowest, as it is within twice its noise."""

WIDE = 2.0
"""Rates that differ by more than this factor and are equally good do not locate a turn."""

SLIGHT = 0.1
"""Share of the level below which a fall is slight."""

SIGNIFICANT = 4.0
"""Standard deviations of the noise that make a fall."""


@dataclass(frozen=True, slots=True)
class Minimum:
    """Where a round was lowest, and the rates that were as good.

    Attributes:
        lowest: The rate at the lowest loss.
        low: The first rate as good as the lowest.
        high: The last one.
        falling: The last rate at which the loss was still falling; `low` where there is none.
        beyond: The first rate after `high`; `high` where there is none.
        at_start: Whether the first rate of the round is the lowest.
        at_end: Whether the last planned rate was as good as the lowest, and only those just before it were.
        learned: Whether the loss fell at all, by more than its noise.
        slight: Whether it fell by little: on a plateau smaller rates show no more.
        rises: Whether it stood above the start from the first rate on.
        rose: Whether it stood there at the last one, or was no longer finite.
    """

    lowest: float
    loss: float
    low: float
    high: float
    falling: float
    beyond: float
    at_start: bool
    at_end: bool
    learned: bool
    slight: bool
    rises: bool
    rose: bool


def valley(measured: RoundResult) -> Minimum | None:
    """Reads a round by its running median of three, which takes away a single lucky or unlucky rate.

    Rates from the first loss that is not finite on are not read, nor those that halving dropped: they had
    fewer steps, and their losses stand higher for that alone. None where there is no finite loss.
    """
    whole, every = measured.whole, measured.lrs
    losses, lrs = measured.losses[whole], every[whole]
    halved = not whole.all()
    bad = np.flatnonzero(~np.isfinite(losses))
    ended = len(bad) > 0
    if ended:
        losses, lrs = losses[: bad[0]], lrs[: bad[0]]
    if len(losses) == 0:
        return None
    seen = _median_of_three(losses)
    seeds = len(measured.tracks)
    if halved:
        # The rates that are left lie apart: how much neighbours scatter shows while all are still there.
        early = measured.early
        noise = _noise(early.mean(axis=0), early.std(axis=0, ddof=1) if seeds > 1 else None, seeds)
    else:
        noise = _noise(losses, measured.spread, seeds)
    near = int(np.argmin(seen))
    around_it = slice(max(near - 1, 0), near + 2)
    # The median takes a dip of a single rate away, and with it the very bottom of a sharp valley.
    lowest = around_it.start + int(np.argmin(losses[around_it]))
    loss = float(losses[lowest])
    bottom = float(seen[near])
    level = measured.level if math.isfinite(measured.level) else float(losses[0])
    # The level may be the loss of one batch, and where nothing moved yet the first rate shows it better.
    scatter = max(noise, _scatter(measured))
    unmoved = not halved and abs(float(seen[0]) - level) <= SIGNIFICANT * scatter
    start = float(seen[0]) if unmoved else level
    top = float(seen[: near + 1].max())
    # What halving left are the good ones: how far the round fell is not to be seen in them.
    within = max(AS_GOOD * ((max(top, level) if halved else top) - bottom), 2 * noise)
    low = high = lowest
    while low > 0 and seen[low - 1] <= bottom + within:
        low -= 1
    while high < len(seen) - 1 and seen[high + 1] <= bottom + within:
        high += 1
    last = len(seen) - 1
    planned = len(rungs(measured.plan.segments))
    first, final, end = (int(np.searchsorted(every, lrs[i])) for i in (low, high, last))
    return Minimum(
        lowest=float(lrs[lowest]),
        loss=loss,
        low=float(lrs[low]),
        high=float(lrs[high]),
        falling=float(every[max(first - 1, 0)]),
        beyond=float(every[min(final + 1, len(every) - 1 if halved and not ended else end)]),
        at_start=float(lrs[lowest]) == float(every[0]) and (last > 0 or halved),
        at_end=high == last and lrs[high] <= WIDE * lrs[low] and not ended and final == planned - 1,
        learned=start - bottom > max(SIGNIFICANT * noise, 1e-6 * abs(level)),
        slight=start - bottom < SLIGHT * abs(level),
        rises=float(seen[0]) - level > SIGNIFICANT * scatter,
        rose=ended or float(seen[-1]) - start > SIGNIFICANT * noise,
    )


def _scatter(measured: RoundResult) -> float:
    """Standard deviation of a single reading, the mean over the seeds; 0 where a rate has only one."""
    known = [
        deviation(np.array(losses))
        for track in measured.tracks
        for losses in track.losses
        if len(losses) > 2 and all(map(math.isfinite, losses))
    ]
    return float(np.median(known)) / math.sqrt(len(measured.tracks)) if known else 0.0


def _median_of_three(values: Floats) -> Floats:
    """Monotone stretches stay as they are; the ends, too."""
    if len(values) < 3:
        return values.copy()
    middle = np.median(np.stack([values[:-2], values[1:-1], values[2:]]), axis=0)
    return np.concatenate([values[:1], middle, values[-1:]])


def _noise(losses: Floats, spread: Floats | None, seeds: int) -> float:
    """Standard deviation of a loss about a smooth curve: from its second differences, or over the seeds."""
    noise = deviation(losses) if len(losses) >= 5 else 0.0
    if spread is not None:
        known = spread[: len(losses)]
        noise = max(noise, float(np.median(known)) / math.sqrt(seeds))
    return noise
