"""The shape of a curve: what kind it is, and whether a rate can be read from it."""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from lrfind.range_test.centre import valley_sides
from lrfind.range_test.smoothed_curve import RISE, STOPPED_EARLY
from lrfind.suggestion import Status

if TYPE_CHECKING:
    from lrfind.range_test.curve import Curve
    from lrfind.range_test.smoothed_curve import SmoothedCurve

FEWEST_POINTS = 5
"""Points below which a curve has no shape."""

SIGNIFICANT = 4.0
"""Standard deviations that make a fall: of the lowest of a hundred values, chosen for being lowest, from the
mean before it. Of flat curves with normal noise this takes about one in a hundred for a fall."""

EVIDENT = 2.4
"""What `SmoothedCurve.evidence` must be for a fall of paired losses. Sweeps of models with nothing to learn
hardly ever reach it (docs/method.md)."""

EVIDENT_IF_SLIGHT = 3.0
"""The same of a fall by less than `VISIBLE` of the level on a slower ladder than usual: what is learnt shows
there in more steps than on a fast one, and it is mostly asked where a fast one showed nothing."""

BEYOND_DOUBT = 10.0
"""Standard deviations of one batch's loss by which a lone last loss must be above the start to be a turn."""

FLOOR_WIDTH, FLOOR_DEPTH = math.sqrt(10), 0.2
"""A loss that does not rise again may be at a floor: where it is down by three quarters of its fall over that
factor of rates, and where the fall is that share of the level. What falls in proportion to the rate is down
by as much over a factor of 1.3 before the ladder ends."""

NOISY = 0.075
"""Standard deviation of one batch's loss, as a share of the level, from which noise may be hiding a fall."""

VISIBLE = 0.01
"""Share of the level from which on a fall of the drawn line is spoken of, also where it may be chance."""

LOST = 3.0
"""Times of the untrained model's loss that a loss lies above it where the training is lost."""


class Shape(str, Enum):
    """What a curve shows."""

    HEALTHY = "healthy"
    """It falls and turns."""
    WEAK = "weak"
    """It falls and turns, but by so little, or so noisily, that runs at constant rates had to decide."""
    FALLS_TO_END = "falls to the end"
    """It falls and the ladder ends before it turns."""
    FLAT = "flat"
    """It does not move."""
    DIVERGES_AT_ONCE = "diverges at once"
    """It rises from the start."""
    BELOW_LADDER = "below the ladder"
    """It falls and turns, and what is read from it lies below the first rate."""
    NEVER_FALLS = "never falls"
    """It stays level and then rises."""
    TOO_NOISY = "too noisy"
    """It moves less than its noise, and the noise is large."""
    TOO_FEW_STEPS = "too few steps"
    """There are not enough points to read."""
    BAD_BATCH = "a bad batch"
    """A batch on which the model as it was at the start has no finite loss either, or that is not finite."""
    NEVER_FINITE = "never finite"
    """The loss was NaN or infinite from the start."""
    INTERRUPTED = "interrupted"
    """The user stopped it."""

    @property
    def answers(self) -> bool:
        """Whether a learning rate can be read from it."""
        return self is Shape.HEALTHY


def shape_of(curve: Curve, smoothed: SmoothedCurve) -> Shape:
    """The shape of a curve, read from its line."""
    if curve.status is Status.INTERRUPTED:
        return Shape.INTERRUPTED
    if curve.bad_batch and len(curve) > 1:
        return Shape.BAD_BATCH
    bad = curve.status is Status.NONFINITE and curve.start_losses is not None
    if bad and len(curve) > 1 and not np.isfinite(curve.start_losses[-1]):  # type: ignore[index]
        return Shape.BAD_BATCH
    if curve.status is Status.NONFINITE and len(curve) <= 2:
        return Shape.NEVER_FINITE if len(curve) == 1 else Shape.DIVERGES_AT_ONCE
    if len(smoothed) < FEWEST_POINTS:
        return Shape.DIVERGES_AT_ONCE if smoothed.turned or _shot_up(curve) else Shape.TOO_FEW_STEPS
    if _fell(smoothed):
        return Shape.HEALTHY if _turns(curve, smoothed) else Shape.FALLS_TO_END
    level = smoothed.plateau + max(SIGNIFICANT * smoothed.noise, 1e-6 * abs(smoothed.plateau))
    within = np.flatnonzero(smoothed.raw <= level)
    rises_after = int(within[-1]) + 1 if len(within) else 0
    early = curve.planned_steps / 4
    if min(rises_after, len(smoothed)) < early and (smoothed.turned or rises_after < len(smoothed) / 4):
        return Shape.DIVERGES_AT_ONCE
    if (_shot_up(curve) and len(curve) < early) or multiplied(curve) < early:
        return Shape.DIVERGES_AT_ONCE
    rises = smoothed.turned or rises_after < len(smoothed)
    if rises or _shot_up(curve) or curve.status in STOPPED_EARLY:
        return Shape.NEVER_FALLS
    noise = smoothed.noise if smoothed.start is None else float(smoothed.smoothed_noise[smoothed.lowest])
    return Shape.TOO_NOISY if noise > NOISY * abs(smoothed.plateau) else Shape.FLAT


def _turns(curve: Curve, smoothed: SmoothedCurve) -> bool:
    """Whether the end of the fall is on the ladder, and not only the end of the ladder.

    The sweep ended on the way up; or its last loss is beyond doubt above the start; or the line rises after
    its deepest point, by a share of the fall and by more than chance; or it has settled at a floor.
    """
    if smoothed.turned or curve.status in STOPPED_EARLY or _ended_high(smoothed):
        return True
    fall, (rise, deviation) = smoothed.fall[0], smoothed.rise
    return (rise >= RISE * fall and rise > SIGNIFICANT * deviation) or _settled(smoothed)


def _ended_high(smoothed: SmoothedCurve) -> bool:
    """Whether the last loss is twice the level of the start, and farther above it than any batch would be."""
    above = float(smoothed.raw[-1]) - smoothed.plateau
    return above > max(abs(smoothed.plateau), BEYOND_DOUBT * smoothed.noise)


def _settled(smoothed: SmoothedCurve) -> bool:
    """Whether the line is at a floor: deep, and not falling any more.

    That is: by no tenth over its last quarter; or, where it has been low over a wide stretch of rates, by no
    fifth over its last twelfth. A stretch of rates closer than 3 to 4 is too short to tell.
    """
    fall, sides = smoothed.fall[0], valley_sides(smoothed)
    if sides is None or fall < FLOOR_DEPTH * abs(smoothed.plateau):
        return False

    def further(share: int) -> float:
        steps = len(smoothed) - max(3, math.ceil(len(smoothed) / share))
        before = smoothed.values[:steps][smoothed.lrs[:steps] <= 0.75 * smoothed.lrs[-1]]
        return float(before.min() - smoothed.values.min()) / fall if len(before) else math.inf

    wide = sides[1] >= FLOOR_WIDTH * sides[0]
    return further(4) < 0.1 or (wide and further(12) < 0.2)


def _fell(smoothed: SmoothedCurve) -> bool:
    """Whether the loss fell by more than chance would make it seem to."""
    fall, deviation = smoothed.fall
    if fall <= 1e-6 * abs(smoothed.plateau):
        return False
    if smoothed.start is None:
        return fall > SIGNIFICANT * deviation
    return smoothed.evidence > evidence_needed(smoothed)


def evidence_needed(smoothed: SmoothedCurve) -> float:
    """What `SmoothedCurve.evidence` must be for a fall of these losses; they are paired."""
    slight = smoothed.haste < 1 and smoothed.share_lost < VISIBLE
    return EVIDENT_IF_SLIGHT if slight else EVIDENT


def _shot_up(curve: Curve) -> bool:
    """Whether the loss left its start upwards without ever having been lower by more than a tenth."""
    if curve.status not in STOPPED_EARLY or len(curve) < 2:
        return False
    finite = curve.losses[np.isfinite(curve.losses)]
    return len(finite) > 0 and float(finite.min()) > float(finite[0]) - 0.1 * abs(float(finite[0]))


def multiplied(curve: Curve) -> float:
    """The step from which on the loss is four times that of the untrained model, which is lost for good.

    Of the raw losses, since a loss that explodes drowns all else in what is taken for noise; infinite where
    there is none such, or the untrained model was not measured.
    """
    if curve.start_losses is None:
        return math.inf
    level = float(np.nanmax(np.abs(curve.start_losses)))
    above = np.flatnonzero(curve.losses - curve.start_losses > LOST * level)
    return float(above[0]) if len(above) else math.inf
