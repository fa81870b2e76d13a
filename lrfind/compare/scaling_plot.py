"""The best rate against the batch size, worked out: what each rate came to, and how the best one moves.

Pure numbers and text; `lrfind.plotting.compare_drawing` puts them on paper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrfind.compare.plot import Legend, legend_rows
from lrfind.compare.results import Edge, Judge
from lrfind.plotting.axes import Axis, linear_axis, log_axis
from lrfind.range_test.plot import Series, wrapped
from lrfind.report.formatting import rate_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lrfind.compare.results import Best, Cell, Comparison
    from lrfind.compare.scaling import Rule, Scaling
    from lrfind.compare.verdict import Advice
    from lrfind.range_test.plot import Box

    Floats = NDArray[np.float64]

_WIDTH, _PANEL, _BELOW, _ABOVE, _TITLE_LINE = 7.2, 2.35, 0.52, 0.3, 0.18
"""Inches: width of the picture; height of a panel, of the axis below, of its heading, of a title's line."""

_RATES, _SCALING, _ALONE = (0.62, 2.75), (4.02, 3.08), (0.62, 6.4)
"""Inches: left edge and width of the two panels, and of the first where it stands alone."""

_OUTSIDE = 0.2
"""Share of the rates that the frame may leave out: one that hardly learned would flatten all others."""


@dataclass(frozen=True, slots=True, eq=False)
class RatesLine:
    """What the rates came to at one batch size.

    Attributes:
        shade: From 0 for the smallest batch size to 1 for the largest.
        points: Mean over the seeds against the rate; rates that diverged are left out.
        spread: Standard deviation over the seeds at each point; empty for a single seed.
        best: The best rate and what it came to, or None.
    """

    shade: float
    points: Series
    spread: Floats
    best: tuple[float, float] | None


@dataclass(frozen=True, slots=True, eq=False)
class RatesPanel:
    """What the rates of one optimizer came to at the end."""

    across: Axis
    upright: Axis
    lines: tuple[RatesLine, ...]
    box: Box


@dataclass(frozen=True, slots=True, eq=False)
class RuleLine:
    """A rule drawn through its anchor.

    Attributes:
        linear: Whether it is the linear one.
        line: Over the batch sizes.
        fails: Batch size and rate where it first fails, or None.
    """

    linear: bool
    line: Series
    fails: tuple[float, float] | None


@dataclass(frozen=True, slots=True, eq=False)
class ScalingPanel:
    """The best rate of one optimizer against the batch size, both logarithmic.

    Attributes:
        heading: The fitted exponent.
        across: Batch sizes.
        upright: Rates.
        points: The best rates.
        low: Lower end of the uncertainty of each, shape (points,).
        high: Upper end.
        open_ends: Batch size, rate and whether upwards: where nothing is known beyond what was tried.
        labels: Batch size, rate and its spelling.
        rules: The linear and the square-root one.
        fit: The fitted power, or None.
        fit_low: Its lower bound; empty where there is none.
        fit_high: Its upper bound.
        box: Frame as shares of the picture.
    """

    heading: str
    across: Axis
    upright: Axis
    points: Series
    low: Floats
    high: Floats
    open_ends: tuple[tuple[float, float, bool], ...]
    labels: tuple[tuple[float, float, str], ...]
    rules: tuple[RuleLine, ...]
    fit: Series | None
    fit_low: Series
    fit_high: Series
    box: Box


@dataclass(frozen=True, slots=True)
class ScalingFigure:
    """All that the picture shows: a row an optimizer."""

    title: str
    rates: tuple[RatesPanel, ...]
    scalings: tuple[ScalingPanel, ...]
    legends: tuple[Legend, ...]
    size: tuple[float, float]


def scaling_figure(comparison: Comparison, advice: Advice, title: str) -> ScalingFigure:
    """Works out the picture, of finished runs alone.

    Args:
        comparison: What was measured.
        advice: What was read from it.
        title: What is trained on what.
    """
    lines = wrapped(f"{title}, after {comparison.budget.words}")
    rows = comparison.optimizers
    height = 0.1 + _TITLE_LINE * len(lines) + len(rows) * (_ABOVE + _PANEL + _BELOW)
    rates, scalings, legends = [], [], []
    for i, name in enumerate(rows):
        bottom = height - 0.1 - _TITLE_LINE * len(lines) - i * (_ABOVE + _PANEL + _BELOW) - _ABOVE - _PANEL
        cells = comparison.of(name)
        scaled = [cell for cell in cells if cell.best is not None]
        with_scaling = len(scaled) > 1

        def box(place: tuple[float, float], bottom: float = bottom) -> Box:
            return (place[0] / _WIDTH, bottom / height, place[1] / _WIDTH, _PANEL / height)

        panel = _rates_panel(cells, comparison, box(_RATES if with_scaling else _ALONE))
        rates.append(panel)
        text = f"{name}, batch size" if len(rows) > 1 else "batch size"
        sizes = [(line.points.name, line.shade) for line in panel.lines]
        for entries in legend_rows(text, sizes, _RATES[0])[:1]:
            legends.append(Legend(text, entries, panel.box[0], (bottom + _PANEL + _ABOVE / 2) / height))
        if with_scaling:
            scalings.append(_scaling_panel(scaled, advice.scalings[name], box(_SCALING)))
    return ScalingFigure("\n".join(lines), tuple(rates), tuple(scalings), tuple(legends), (_WIDTH, height))


def _rates_panel(cells: Sequence[Cell], comparison: Comparison, box: Box) -> RatesPanel:
    accuracy = comparison.judge is Judge.ACCURACY
    lines = []
    for i, cell in enumerate(cells):
        values = cell.accuracies if accuracy else cell.losses
        known = np.isfinite(cell.losses).all(axis=0)
        x, means = np.array(cell.lrs)[known], values[:, known].mean(axis=0)
        several = len(cell.runs) > 1
        spread = values[:, known].std(axis=0, ddof=1) if several else np.empty(0)
        best = cell.best
        marked = None if best is None else (best.lr, float(values[:, best.index].mean()))
        shade = i / max(len(cells) - 1, 1)
        lines.append(RatesLine(shade, Series(str(cell.batch_size), x, means), spread, marked))
    rates = [lr for cell in cells for lr in cell.lrs]
    return RatesPanel(
        across=log_axis(min(rates), max(rates), "learning rate (log axis, base 10)"),
        upright=_upright(lines, accuracy=accuracy),
        lines=tuple(lines),
        box=box,
    )


def _upright(lines: Sequence[RatesLine], *, accuracy: bool) -> Axis:
    """With all of the best and its spread."""
    kind = "held-out accuracy" if accuracy else "held-out loss"
    values = np.concatenate([line.points.y for line in lines])
    if len(values) == 0:
        return linear_axis(0.0, 1.0, kind, percent=accuracy)
    spread = np.concatenate([line.spread if len(line.spread) else 0 * line.points.y for line in lines])
    if accuracy:
        low, high = float(np.quantile(values, _OUTSIDE)), float((values + spread).max())
        return linear_axis(max(low, 0.0), min(high, 1.0), kind, percent=True)
    low, high = float((values - spread).min()), float(np.quantile(values, 1 - _OUTSIDE))
    return linear_axis(low, max(high, low * 1.02 + 1e-12), kind)


def _scaling_panel(cells: Sequence[Cell], scaling: Scaling, box: Box) -> ScalingPanel:
    known = [(cell.batch_size, cell.best) for cell in cells if cell.best is not None]
    sizes = np.array([size for size, _ in known], dtype=np.float64)
    best = [b for _, b in known]
    x = np.geomspace(sizes[0], sizes[-1], 33)
    rules = tuple(_rule_line(rule, x) for rule in scaling.rules)
    fit, fit_low, fit_high, heading = _fit(known, scaling)
    seen = [b.low for b in best] + [b.high for b in best]
    # The rules may leave the frame; what was measured may not.
    low, high = min(seen) / 2.6, max(seen) * 1.6  # room for the legend below
    return ScalingPanel(
        heading=heading,
        across=_size_axis([size for size, _ in known]),
        upright=log_axis(low, high, "best learning rate (log axis)"),
        points=Series("best of those tried", sizes, np.array([b.lr for b in best])),
        low=np.array([b.low for b in best]),
        high=np.array([b.high for b in best]),
        open_ends=tuple(_open_ends(known)),
        labels=tuple((float(size), b.lr, rate_text(b.lr)) for size, b in known),
        rules=rules,
        fit=fit,
        fit_low=fit_low,
        fit_high=fit_high,
        box=box,
    )


def _open_ends(known: Sequence[tuple[int, Best]]) -> list[tuple[float, float, bool]]:
    ends = []
    for size, best in known:
        if best.edge is Edge.HIGH:
            ends.append((float(size), best.high * 1.12, True))
        if best.edge is Edge.LOW:
            ends.append((float(size), best.low / 1.12, False))
    return ends


def _rule_line(rule: Rule, x: Floats) -> RuleLine:
    linear = rule.exponent == 1
    name = "linear, lr ~ B" if linear else "square root, lr ~ √B"
    if rule.fails_at is not None:
        name += f": fails at {rule.fails_at}"
    y = np.array([rule.at(size) for size in x])
    fails = None if rule.fails_at is None else (float(rule.fails_at), rule.predicted)
    return RuleLine(linear, Series(name, x, y), fails)


def _fit(known: Sequence[tuple[int, Best]], scaling: Scaling) -> tuple[Series | None, Series, Series, str]:
    nothing = Series("", np.empty(0), np.empty(0))
    exponent = scaling.exponent
    if exponent is None:
        return None, nothing, nothing, "best rate against batch size"
    fitted = [(size, best.lr) for size, best in known if size in exponent.batch_sizes]
    centre = math.exp(sum(math.log(size) for size, _ in fitted) / len(fitted))
    level = math.exp(sum(math.log(lr) for _, lr in fitted) / len(fitted))
    x = np.geomspace(fitted[0][0], fitted[-1][0], 33)
    curves = [level * (x / centre) ** power for power in (exponent.value, exponent.low, exponent.high)]
    power, spread = exponent.words
    return (
        Series("fitted", x, curves[0]),
        Series("", x, np.minimum(curves[1], curves[2])),
        Series("", x, np.maximum(curves[1], curves[2])),
        f"best rate ~ {power} ({spread})",
    )


def _size_axis(sizes: Sequence[int]) -> Axis:
    span = sizes[-1] / sizes[0]
    ticks = tuple(float(size) for size in sizes)
    return Axis(
        "batch size (log axis)", "log", (sizes[0] / span**0.06, sizes[-1] * span**0.22), ticks,
        tuple(str(size) for size in sizes),
    )  # fmt: skip
