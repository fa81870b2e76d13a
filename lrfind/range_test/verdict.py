"""What kind of curve it is, and what to say about it."""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from lrfind.range_test.centre import valley_sides
from lrfind.range_test.smoothed_curve import RISE, STOPPED_EARLY
from lrfind.report.formatting import told_apart
from lrfind.suggestion import Status, rate_text

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


RISEN = 0.1
"""Share of the level from which on a rise of the drawn line is spoken of."""

LOST = 3.0
"""Times of the untrained model's loss that a loss lies above it where the training is lost."""


class Shape(str, Enum):
    """What a curve shows."""

    HEALTHY = "healthy"
    """It falls and turns."""
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
    return smoothed.evidence > _evidence_needed(smoothed)


def _evidence_needed(smoothed: SmoothedCurve) -> float:
    slight = smoothed.haste < 1 and smoothed.share_lost < VISIBLE
    return EVIDENT_IF_SLIGHT if slight else EVIDENT


def verdict(curve: Curve, smoothed: SmoothedCurve, shape: Shape) -> str:
    """What the curve shows and what to do about it, in plain language."""
    said = _said(curve, smoothed, shape)
    if curve.accuracies is not None and shape in (Shape.FLAT, Shape.NEVER_FALLS, Shape.TOO_NOISY):
        said += " An accuracy moves later than the loss: range.metric=loss shows more in as many steps."
    if curve.start_losses is not None and len(curve) and not curve.paired:
        said += (
            " The untrained model's loss on the first batch came out differently the second time (random "
            "numbers or a state of the model's own), so the losses were read as if range.paired were false."
        )
    return said


def _said(curve: Curve, smoothed: SmoothedCurve, shape: Shape) -> str:
    steps = len(curve)
    last_lr = rate_text(curve.lrs[-1]) if steps else "none"
    what = curve.metric
    if shape is Shape.HEALTHY:
        return _healthy(curve, smoothed)
    if shape is Shape.FALLS_TO_END:
        return (
            f"The {what} fell to the end of the ladder ({last_lr}),{_fall_in_words(smoothed)}, and did not "
            "turn: the best rate may lie beyond. Raise range.end_lr, by a factor of 10 or more, until it "
            "turns."
        )
    if shape is Shape.FLAT and (highest := _lost_before_read(curve)) is not None:
        return (
            f"The loss shot up to {highest:.3g} at the first rates, which are not read, and hardly moved "
            "after that: even the first rates are too high. Lower range.start_lr, by a factor of 100 or more."
        )
    if shape is Shape.FLAT or (shape is Shape.NEVER_FALLS and _hardly_moved(curve, smoothed)):
        return (
            f"Flat: no rate up to {last_lr} moved the loss. Raise range.end_lr; if it stays flat, the model "
            "does not learn from this data (is anything frozen, is the loss connected to the parameters?)."
        )
    if shape is Shape.BELOW_LADDER:
        return (
            "The loss fell and turned, but so near the first rate that the answer would lie below it, where "
            "nothing was tried. Lower range.start_lr, by a factor of 10 or more."
        )
    if shape is Shape.DIVERGES_AT_ONCE:
        return f"{_rose_at_once(smoothed, what)}. Lower range.start_lr, by a factor of 100 or more."
    if shape is Shape.NEVER_FALLS:
        return (
            f"{_no_fall(smoothed, what)}, and then rose. Give it more "
            f"range.num_steps ({max(100, 2 * steps):,} or more) or a larger batch_size to show a fall, or "
            "lower range.start_lr where the first rates are too high already; a model that is trained "
            "already has nowhere to fall."
        )
    if shape is Shape.TOO_NOISY:
        return (
            f"Too noisy: from batch to batch the {what} varies by "
            f"{_share(smoothed.noise, smoothed.plateau)} of "
            "its value, more than any rate moved it. Use a larger batch_size, accumulation_steps, or more "
            "range.num_steps."
        )
    if shape is Shape.BAD_BATCH and curve.bad_batch:
        return (
            f"The loss was not finite at step {steps - 1}, and that batch holds NaN or infinities itself, so "
            "it is not the learning rate: look for them in the data."
        )
    if shape is Shape.BAD_BATCH:
        return (
            f"The loss was not finite at step {steps - 1}, and the untrained model has no finite loss on "
            "that batch either, so it is not the learning rate: look for NaN or infinities in the data, a "
            "loss outside its domain (log of 0), or try precision=fp32."
        )
    if shape is Shape.NEVER_FINITE:
        return (
            "The loss was not finite from the start, before any update: look for NaN in the data, a loss "
            "outside its domain (log of 0), or try precision=fp32."
        )
    if shape is Shape.INTERRUPTED:
        return f"Interrupted after {steps} of {curve.planned_steps} steps: too early to read a rate from it."
    if steps < curve.planned_steps:
        return (
            f"The test ended after {steps} of {curve.planned_steps} steps, before there was a curve to read: "
            "the rates rise too fast. Lower range.end_lr, or raise range.num_steps."
        )
    lower = ", or lower range.skip_start and range.skip_end" if curve.skip_start or curve.skip_end else ""
    return (
        f"Too few steps: {steps} were taken, and what is left of them to read is {len(smoothed)}. Raise "
        f"range.num_steps (60 is the default){lower}."
    )


def _healthy(curve: Curve, smoothed: SmoothedCurve) -> str:
    fall, deviation = smoothed.fall
    last_lr = rate_text(curve.lrs[-1])
    above = f"rose above its start at {rate_text(smoothed.climb[0])}" if smoothed.climb else None
    if curve.status in STOPPED_EARLY:
        # The rate that ended the test is far beyond the one from which on nothing was learnt.
        diverged = curve.status is Status.DIVERGED
        which = "" if curve.accuracies is None else "the loss "
        end = f"and {which}{'diverged' if diverged else 'was no longer finite'} at {last_lr}"
        if above:
            end = f"{above}, " + (f"and the test ended at {last_lr}" if diverged else end)
    elif above:
        end = f"and {above}"
    else:
        rose = smoothed.turned or smoothed.rise[0] > max(0.1 * fall, SIGNIFICANT * smoothed.rise[1])
        end = "and rose again after it" if rose else f"and did not clearly rise after it, up to {last_lr}"
    said = f"Healthy: the {curve.metric} fell{_fall_in_words(smoothed, where=True)}, {end}."
    weak = (
        fall < 1.5 * SIGNIFICANT * deviation
        if smoothed.start is None
        else smoothed.evidence < 1.25 * _evidence_needed(smoothed)
    )
    if weak:
        said += (
            " It is noisy, though: another seed may move the answer by a factor of a few. A larger "
            "batch_size or more range.num_steps would steady it."
        )
    if (highest := _lost_before_read(curve)) is not None:
        said += (
            f" But at the first rates, which are not read, the loss had shot up to {highest:.3g}: they are "
            "too high, and what was read is the model that they left. Lower range.start_lr, by a factor of "
            "100 or more."
        )
    return said


def _fall_in_words(smoothed: SmoothedCurve, *, where: bool = False) -> str:
    """From which level to which the drawn line fell; where it did not, the wider average that rules read.

    Args:
        smoothed: Of a loss that fell.
        where: Whether the rate of the lowest place is said too.
    """
    lowest, average = smoothed.lowest_drawn, ""
    start, least = smoothed.plateau, float(smoothed.drawn[lowest])
    if least >= start:
        lowest, average = smoothed.lowest, " on average over neighbouring rates"
        least = float(smoothed.values[lowest])
        start = least + smoothed.fall[0]
    high, low = told_apart(start, least)
    near = f", lowest near {rate_text(smoothed.lrs[lowest])}" if where else ""
    return f" from {high} to {low}{average}{near}"


def _lost_before_read(curve: Curve) -> float | None:
    """The highest loss of the steps that are not read, where the training was lost in them; else None.

    Where the untrained model is measured beside, every step is read.
    """
    first = curve.losses[: curve.skip_start + 1]
    if curve.start_losses is not None or len(first) < 2 or not np.isfinite(first).all():
        return None
    highest = float(first.max())
    return highest if highest - first[0] > LOST * abs(float(first[0])) else None


def _hardly_moved(curve: Curve, smoothed: SmoothedCurve) -> bool:
    """Whether the line stays where it was, to its end, the climb that ends it included."""
    if curve.status in STOPPED_EARLY:
        return False
    level, climb = smoothed.plateau, [] if smoothed.climb is None else [smoothed.climb[1]]
    return bool(np.abs(np.append(smoothed.drawn, climb) - level).max() <= VISIBLE * abs(level))


def _no_fall(smoothed: SmoothedCurve, what: str) -> str:
    """Where the drawn line went that shows no fall, and why it shows none."""
    lowest, (fall, deviation) = smoothed.lowest_drawn, smoothed.fall
    high, low = told_apart(smoothed.plateau, float(smoothed.drawn[lowest]))
    if smoothed.plateau - float(smoothed.drawn[lowest]) <= VISIBLE * abs(smoothed.plateau):
        return (
            f"The {what} never fell by more than its noise ({_share(smoothed.noise, smoothed.plateau)} of "
            f"its value from batch to batch): it stayed near {smoothed.plateau:.3g}"
        )
    chance = ""
    if smoothed.start is not None:
        chance = (
            f" (evidence {smoothed.evidence:.2f}, where such a fall takes {_evidence_needed(smoothed):g})"
        )
    elif deviation > 0:
        chance = (
            f" ({max(fall, 0.0) / deviation:.1f} deviations of its noise, where a fall takes {SIGNIFICANT:g})"
        )
    return (
        f"The {what} went from {high} to {low}, lowest near {rate_text(smoothed.lrs[lowest])}, but no more "
        f"steadily than by chance{chance}"
    )


def _rose_at_once(smoothed: SmoothedCurve, what: str) -> str:
    """What the drawn line shows of a loss that rose at the first rates."""
    too_high = "even the first rates are too high"
    if len(smoothed) < FEWEST_POINTS:
        return f"The {what} rose from the start, within the first steps: {too_high}"
    start, lowest = smoothed.plateau, int(np.argmin(smoothed.drawn))
    if start - float(smoothed.drawn[lowest]) <= VISIBLE * abs(start):
        return f"The {what} rose from the start and never fell below it: {too_high}"
    if (smoothed.drawn[:lowest] > start + RISEN * abs(start)).any():
        high, low = told_apart(start, float(smoothed.drawn[lowest]))
        where = rate_text(smoothed.lrs[lowest])
        return (
            f"The {what} rose from the start, and fell below it ({high}) only after that, to {low} near "
            f"{where}: {too_high} for the untrained model"
        )
    return f"{_no_fall(smoothed, what)}, and rose soon: the first rates may be too high already"


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


def _share(noise: float, level: float) -> str:
    return f"{noise / abs(level):.0%}" if level else f"{noise:.3g}, against a level of 0"
