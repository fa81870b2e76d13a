"""What is drawn of a cell of a comparison, and in which frame: a curve a rate, or its only reading."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lrfind.plotting.axes import Axis, kept_on_page, linear_axis, rate_axis
from lrfind.plotting.limits import outcome_limits
from lrfind.plotting.panel import DASHED, MIDDLE, Band, Label, Layer, Line, Marker, Points, Shape
from lrfind.statistics import known_mean
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lrfind.compare.results import Cell, Comparison
    from lrfind.plotting.panel import Colour, Dash
    from lrfind.statistics import Floats

    Kind = str
    """What is read: `accuracy` or `loss`."""

OUTSIDE = 0.2
"""Share of the rates whose end the frame may leave out: one that hardly learned would flatten all others."""

_NARROW = 1.6
"""Inches of a panel below which its axis of time has fewer ticks."""

_MARKED = 25
"""Up to so many readings each is a dot of its own."""


def learning_curves(
    cell: Cell, comparison: Comparison, kind: Kind, colours: Mapping[float, Colour], dash: Dash = ()
) -> list[Layer]:
    """A line a rate, the mean over the seeds; and a band of their standard deviation."""
    times = np.array([_time(comparison, j) for j in range(comparison.budget.readings)])
    best, diverged = _best(cell), _diverged(cell)
    bands: list[Layer] = []
    lines: list[Line] = []
    for i, (lr, mean) in enumerate(zip(cell.lrs, means_of(cell, kind), strict=True)):
        known = np.isfinite(mean)
        x, y, colour = times[known], mean[known], colours[lr]
        spread = _spread(_values(cell, kind, i), mean)
        if spread is not None and not diverged[i]:  # whose losses may be a thousand times apart
            bands.append(Band(x, y - spread[known], y + spread[known], colour))
        dots = 0.0 if len(x) > _MARKED else 3.4 if i == best else 1.9
        width = 2.0 if i == best else 0.9
        lines.append(Line(x, y, colour, rate_text(lr), width=width, dots=dots, dash=dash))
    return [*bands, *sorted(lines, key=lambda line: line.width)]


def single_readings(cell: Cell, kind: Kind, colours: Mapping[float, Colour]) -> list[Layer]:
    """The only reading of each rate, the mean over the seeds with a bar of a standard deviation."""
    means = means_of(cell, kind)
    layers: list[Layer] = [Line(np.array(cell.lrs), np.concatenate(means), MIDDLE, width=0.9)]
    for i, (lr, mean) in enumerate(zip(cell.lrs, means, strict=True)):
        if not np.isfinite(mean).all():
            continue
        spread = _spread(_values(cell, kind, i), mean)
        low, high = (None, None) if spread is None else (mean - spread, mean + spread)
        size = 6.0 if i == _best(cell) else 3.4
        at = np.array([lr])
        layers.append(Points(at, mean, colours[lr], rate_text(lr), size=size, low=low, high=high))
    return layers


def diverged_crosses(cell: Cell, y: Axis, colour: Colour, *, accuracy: bool, place: int = 0) -> list[Points]:
    """A cross for each rate that diverged with one seed at least, at the worse end of the axis.

    `place` is that of the cell among others in the panel, which each have a height of their own.
    """
    low, high = y.limits
    gone = np.array(cell.lrs)[_diverged(cell)]
    aside = (0.03 + 0.05 * place) * (high - low)
    at = np.full(len(gone), low + aside if accuracy else high - aside)
    return [Points(gone, at, colour, shape=Shape.CROSS, size=3.6)] if len(gone) else []


def untrained_line(cell: Cell, kind: Kind, x: Axis, y: Axis) -> list[Layer]:
    """A line at the height of what is had without training, where nothing more was learnt."""
    at = _baseline(cell, kind)
    if at is None or not y.holds(np.array([at])).any():
        return []
    shift = (-2.0, -9.0 if kind == "accuracy" else 4.0)  # on the side of what learns
    words = Label(
        "without training", x.limits[1], at, in_data=True, shift=shift, align="right", colour=MIDDLE
    )
    return [Marker("y", at, colour=MIDDLE, dash=DASHED), words]


def means_of(cell: Cell, kind: Kind) -> list[Floats]:
    """For each rate the mean over the seeds that were read, shape (readings,); NaN where none was."""
    return [known_mean(_values(cell, kind, i)) for i in range(len(cell.lrs))]


def ends_axis(shown: Sequence[tuple[Floats, Floats]], *, accuracy: bool, outside: float = OUTSIDE) -> Axis:
    """The axis of what rates came to, their means and spreads: some of the worst may be left out."""
    kind = "held-out accuracy" if accuracy else "held-out loss"
    values = np.concatenate([means for means, _ in shown])
    spread = np.concatenate([spread for _, spread in shown])
    if len(values) == 0:
        return linear_axis(0.0, 1.0, kind, percent=accuracy)
    low, high = float((values - spread).min()), float((values + spread).max())
    if accuracy:
        low = max(float(np.quantile(values, outside)) if outside else low, 0.0)
        return linear_axis(min(low, high - 0.002), min(high, 1.0), kind, percent=True)
    high = float(np.quantile(values, 1 - outside)) if outside else high
    return linear_axis(low, max(high, low * 1.02 + 1e-12), kind)


def value_axis(block: Sequence[Cell], means: Sequence[Sequence[Floats]], kind: Kind) -> Axis:
    """What matters in the end, and the way of the best rates there, but for their very first readings."""
    curves = [[mean[np.isfinite(mean)] for mean in panel] for panel in means]
    # Those that diverged are named above the panel, and may have come to any height before.
    whole = [[curves[i][j] for j in np.flatnonzero(~_diverged(cell))] for i, cell in enumerate(block)]
    kept = [curve for panel in (whole if any(whole) else curves) for curve in panel if len(curve)]
    best = [
        panel[index] for cell, panel in zip(block, curves, strict=True) if (index := _best(cell)) is not None
    ]
    kept += [np.array([at]) for cell in block if (at := _baseline(cell, kind)) is not None]
    rising = kind == "accuracy"
    low, high = outcome_limits(kept, [curve for curve in best if len(curve)], rising=rising, outside=OUTSIDE)
    return linear_axis(low, high, f"held-out {kind}", intervals=5, percent=rising)


def single_reading_axis(block: Sequence[Cell], means: Sequence[Sequence[Floats]], kind: Kind) -> Axis:
    """As `value_axis`, of a single reading and its spread."""
    shown = []
    for cell, panel in zip(block, means, strict=True):
        for i, mean in enumerate(panel):
            spread = _spread(_values(cell, kind, i), mean)
            if np.isfinite(mean).all():
                shown.append((mean, np.zeros(1) if spread is None else spread))
        if (at := _baseline(cell, kind)) is not None:
            shown.append((np.array([at]), np.zeros(1)))
    outside = OUTSIDE if len(shown) > len(block) else 0.0
    return ends_axis(shown or [(np.empty(0), np.empty(0))], accuracy=kind == "accuracy", outside=outside)


def time_axis(comparison: Comparison, rates: Sequence[float], width: float, margin: float) -> Axis:
    """From the first reading to the last; of a single one, the rates.

    `width` is that of the panel, and `margin` what labels may stick out of it, in inches.
    """
    if comparison.budget.readings == 1:
        return kept_on_page(rate_axis(rates, width), width, margin)
    start, end = (_time(comparison, j) for j in (0, comparison.budget.readings - 1))
    label = "epoch" if comparison.budget.pool is not None else "thousands of samples"
    whole = math.floor(end) > math.ceil(start)
    return linear_axis(start, end, label, intervals=4 if width < _NARROW else 5, whole=whole)


def _diverged(cell: Cell) -> NDArray[np.bool_]:
    """Which rates diverged with one seed at least, shape (rates,)."""
    found: NDArray[np.bool_] = np.logical_or.reduce([run.diverged for run in cell.runs], axis=0)
    return found


def _baseline(cell: Cell, kind: Kind) -> float | None:
    """What is had without training, where nothing more was learnt: the frame is to show it."""
    if cell.learnt or cell.diverged:
        return None
    return float(
        np.mean([run.baseline.accuracy if kind == "accuracy" else run.baseline.least for run in cell.runs])
    )


def _best(cell: Cell) -> int | None:
    """The rate that came out best; None where all diverged or a run is not finished."""
    best = cell.best if all(run.whole for run in cell.runs) else None
    return None if best is None else best.index


def _values(cell: Cell, kind: Kind, index: int) -> Floats:
    """What one rate came to, shape (seeds, readings)."""
    return np.array([(run.accuracies if kind == "accuracy" else run.readings)[index] for run in cell.runs])


def _spread(values: Floats, mean: Floats) -> Floats | None:
    """Standard deviation over the seeds that were read, shape (readings,); None for a single seed."""
    if len(values) < 2:
        return None
    apart = np.where(np.isfinite(values), values - mean, 0.0)
    count = np.isfinite(values).sum(axis=0)
    deviations: Floats = np.sqrt((apart**2).sum(axis=0) / np.maximum(count - 1, 1))
    return deviations


def _time(comparison: Comparison, reading: int) -> float:
    epoch = comparison.budget.epoch(reading)
    if epoch is not None:
        return epoch
    return comparison.budget.samples * (reading + 1) / comparison.budget.readings / 1000
