"""Several sweeps of one task, each from another seed: their median, and how far their answers spread."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lrfind.range_test.curve import Curve
from lrfind.range_test.curve_smoothing import cliff_level, losses_of, smoothed_curve, without_batches
from lrfind.range_test.smoothed_curve import STOPPED_EARLY, SmoothedCurve
from lrfind.statistics import geometric_deviation
from lrfind.suggestion import Status
from lrfind.training.smoothing import exponential_average

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Repeats:
    """Sweeps of one task and what each of them alone answers.

    Attributes:
        seeds: The seed of each.
        curves: What each measured.
        lrs: What each suggests, three significant digits, or None.
        reason: Why there is more than one, each slower than the one before, of which the last with an answer
            is read; None where so many were asked for along one ladder, whose median is read.
    """

    seeds: tuple[int, ...]
    curves: tuple[Curve, ...]
    lrs: tuple[float | None, ...]
    reason: str | None = None

    @property
    def factor(self) -> float | None:
        """The spread of the answers as a factor; None of sweeps along several ladders."""
        return None if self.reason else geometric_deviation(self.lrs)


def median_curve(curves: Sequence[Curve], *, beta: float) -> Curve:
    """The median of sweeps along one ladder, step by step.

    Where the losses are paired, it is the median of what training did to them, on top of the median loss of
    the untrained models; of losses that are never negative it is the median of the shares of their start that
    are left, so that the median is not negative either, wherever each sweep started. A sweep that has stopped
    early counts as infinitely bad from there on, so the median ends where half of the sweeps have. Validation
    losses are left out.

    Args:
        curves: At least one, all along the same ladder and with the same things measured.
        beta: Weight of the past in the smoothed loss.
    """
    first = curves[0]
    status = _status([curve.status for curve in curves])
    nowhere = all(curve.status is Status.NONFINITE and len(curve) <= 1 for curve in curves)
    if len(curves) == 1 or nowhere:
        return first
    steps = max(len(curve) for curve in curves)
    lrs = next(curve.lrs for curve in curves if len(curve) == steps)
    paired = all(curve.paired for curve in curves)
    starts = _starts(curves, steps, [curve.start_losses if paired else None for curve in curves])
    losses = _median(curves, steps, [curve.losses for curve in curves], starts, worst=math.inf)
    right_at_start = _starts(curves, steps, [curve.start_accuracies if paired else None for curve in curves])
    accuracies = None
    if first.accuracies is not None:
        right = [curve.accuracies for curve in curves]
        accuracies = _median(curves, steps, right, right_at_start, worst=-math.inf)
    kept = int(np.argmin(np.isfinite(losses))) if not np.isfinite(losses).all() else steps
    return Curve(
        lrs=lrs[:kept],
        losses=losses[:kept],
        smoothed=exponential_average(losses[:kept], beta),
        status=status,
        planned_steps=first.planned_steps,
        accuracies=None if accuracies is None else accuracies[:kept],
        start_losses=None if starts is None else starts[:kept],
        start_accuracies=None if right_at_start is None else right_at_start[:kept],
        momentum=first.momentum,
        rectified_by=first.rectified_by,
        epoch_steps=first.epoch_steps,
        skip_start=first.skip_start,
        skip_end=first.skip_end,
    )


def smoothed_median(curve: Curve, curves: Sequence[Curve]) -> SmoothedCurve:
    """What the rules read of the median of sweeps; what is drawn is the median of the sweeps' own lines.

    Args:
        curve: The median of the sweeps, or the only one.
        curves: The sweeps.
    """
    smoothed = smoothed_curve(curve)
    if len(curves) < 2 or len(smoothed) == 0:
        return smoothed
    return replace(smoothed, drawn=np.median(sweep_lines(smoothed, curves), axis=0))


def sweep_lines(middle: SmoothedCurve, curves: Sequence[Curve]) -> NDArray[np.float64]:
    """The drawn lines of sweeps as far as that of their median goes, shape (sweeps, points).

    A sweep whose loss has climbed for good, or that has stopped, stays at the height of its cliff; one that
    was interrupted goes on as the median does.
    """
    lines = np.empty((len(curves), len(middle)))
    for line, curve in zip(lines, curves, strict=True):
        own = smoothed_curve(curve)
        steps = min(len(own), len(middle))
        climbed = own.turned or curve.status in STOPPED_EARLY
        line[:] = cliff_level(own.raw if steps else middle.raw, own.start) if climbed else middle.drawn
        line[:steps] = own.drawn[:steps]
        if own.start is not None and middle.start is not None:
            # Paired lines are told apart by what training did, not by the level their batches stand at.
            additive = min(own.raw.min(initial=0), middle.raw.min(initial=0)) < 0
            moved = slice(0, None if climbed else steps)
            line[moved] = moved_to(line[moved], own.start, middle.start, additive=additive)
    return lines


def _status(found: Sequence[Status]) -> Status:
    """That of most sweeps; interrupted where one was."""
    if Status.INTERRUPTED in found:
        return Status.INTERRUPTED
    counted = Counter(Status.DIVERGED if status is Status.NONFINITE else status for status in found)
    return counted.most_common(1)[0][0]


def _starts(
    curves: Sequence[Curve], steps: int, columns: Sequence[NDArray[np.float64] | None]
) -> NDArray[np.float64] | None:
    """One level for the whole ladder: the median over all sweeps and steps."""
    known = [column for column in columns if column is not None]
    if len(known) < len(curves):
        return None
    every = np.concatenate(known)
    return np.full(steps, float(np.median(every[np.isfinite(every)])))


def _median(
    curves: Sequence[Curve],
    steps: int,
    columns: Sequence[NDArray[np.float64] | None],
    starts: NDArray[np.float64] | None,
    *,
    worst: float,
) -> NDArray[np.float64]:
    table = np.full((len(curves), steps), worst)
    additive = starts is None or worst < 0 or not _never_negative(curves)
    for row, curve, column in zip(table, curves, columns, strict=True):
        assert column is not None
        finite = np.isfinite(column) & (True if starts is None else np.isfinite(curve.start_losses))  # type: ignore[arg-type]
        steps_read = len(column) if finite.all() else int(np.argmin(finite))
        did = column[:steps_read]
        if starts is not None:
            # Losses lose those of their own start, also where accuracies are read.
            paired = losses_of(curve) if worst > 0 else curve
            own, did = without_batches(paired, column if worst > 0 else 1 - column, slice(0, steps_read))
            did = moved_to(did, own or 0.0, float(starts[0]), additive=additive) - float(starts[0])
            did = did * (1 if worst > 0 else -1)
        row[:steps_read] = did
    middle: NDArray[np.float64] = np.median(table, axis=0)
    return middle if starts is None else np.asarray(starts + middle)


def _never_negative(curves: Sequence[Curve]) -> bool:
    """Whether no loss of paired sweeps that is known is below 0."""
    measured = np.concatenate([np.asarray(c) for curve in curves for c in (curve.losses, curve.start_losses)])
    return not bool((measured < 0).any())


def moved_to(values: NDArray[np.float64], own: float, start: float, *, additive: bool) -> NDArray[np.float64]:
    """What a sweep measured, from its own starting level to another.

    Args:
        values: Shape (points,).
        own: The level that they started from.
        start: The level that they are to start from.
        additive: Whether the levels are told apart by their difference, as losses that can be negative are;
            else by their ratio, so that what is not negative stays so.
    """
    return values + (start - own) if additive or own <= 0 else values * (start / own)
