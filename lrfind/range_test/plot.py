"""The picture of a range test: the measured values and their curve over the rates, beside the ladder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lrfind.plotting.axes import Axis, linear_axis, log_axis
from lrfind.plotting.limits import loss_limits
from lrfind.plotting.page import Page, Row, key_of
from lrfind.plotting.panel import (
    BLACK,
    BLUE,
    DARK,
    DASHED,
    DOTTED,
    GREEN,
    GREEN_TEXT,
    GREY,
    PURPLE,
    SKY,
    VERMILLION,
    VERMILLION_TEXT,
    Band,
    Label,
    Layer,
    Line,
    Marker,
    Panel,
    Points,
    Shape,
    Span,
    above,
)
from lrfind.plotting.text import beside_labels, held_above
from lrfind.range_test.held_out_plot import held_out_row
from lrfind.range_test.horizon import STEPS, purpose_of
from lrfind.range_test.repeats import sweep_lines
from lrfind.range_test.trials import RULE as TRIALS
from lrfind.suggestion import Status, rate_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lrfind.range_test.curve import Curve
    from lrfind.range_test.reading import Reading
    from lrfind.range_test.repeats import Repeats
    from lrfind.range_test.smoothed_curve import SmoothedCurve
    from lrfind.range_test.trials import Trials
    from lrfind.statistics import Floats
    from lrfind.suggestion import Suggestion

_CURVE, _LADDER, _PANEL = 4.0, 1.68, 2.35
"""Inches: widths of the two panels and their height."""

_LEFT, _LABELS = 0.6, 0.3
"""Inches before the first panel, and what of them labels of its ticks may take."""

_ABOVE, _BELOW = 0.46, 0.5
"""Inches: what is written above the panels and below them."""

_MARGIN = 0.04
"""Share of the height that is left below the lowest end of a run."""

_MANY = 1000
"""Of more measurements than that each is faint and small."""


def range_page(curve: Curve, reading: Reading, title: str, repeats: Repeats | None = None) -> Page:
    """Works out the picture of a curve as it was read.

    Args:
        curve: What the sweep measured, or the median of several; any length, zero included.
        reading: What was read from it; where accuracies were measured, they are what is read and drawn.
        title: What was trained on what.
        repeats: The several sweeps; between the smoothed lines of those along one ladder a band is drawn.
    """
    curve_panel = range_panel(curve, reading, repeats)
    if repeats is not None:
        count = len(repeats.curves)
        if repeats.reason is None:
            title += f", median of {count} sweeps"
        else:
            read = [i for i, each in enumerate(repeats.curves, 1) if each.lrs is curve.lrs]
            title += f", sweep {read[-1] if read else count} of {count}"
    if reading.trials is not None and reading.rules.get(TRIALS):
        also = "" if reading.held_out is None or reading.held_out.factor == 1 else " and samples held out"
        title += f", {len(reading.trials.losses)} runs at constant rates{also} decided"
    if purpose := purpose_of(reading):
        title += f",{purpose}"
    panels = beside_labels(curve_panel, _LABELS), ladder_panel(curve, reading.suggestion)
    row = Row(panels, _ABOVE, _BELOW, gap=0.7)
    rows = [row] if reading.held_out is None else [row, held_out_row(reading.held_out, _LEFT)]
    note = reading.no_learning if reading.suggestion else reading.verdict
    key = key_of([curve_panel, *(each.panels[0] for each in rows[1:])])
    return Page(title, (*rows, key), note, left=_LEFT)


def range_panel(curve: Curve, reading: Reading, repeats: Repeats | None = None) -> Panel:
    """The panel of the curve alone, as it was read; see `range_page`."""
    accuracy = curve.accuracies is not None
    panel = curve_panel(
        curve,
        reading.suggestion,
        line=drawn_points(reading.smoothed, accuracy=accuracy),
        sweeps=None
        if repeats is None or repeats.reason
        else _between(reading.smoothed, repeats, accuracy=accuracy),
        trials=reading.trials,
    )
    others = []
    if reading.held_out is not None and reading.held_out.factor != 1:
        what = "as other runs show it" if reading.rules.get(TRIALS) else "as the curve shows it"
        others.append((reading.held_out.first, what, DOTTED))
    horizon = reading.horizon
    if horizon is not None and horizon.read is not None and horizon.extrapolated:
        others.append((horizon.read.lr, f"for {STEPS} steps", DASHED))
    height = np.array(panel.y.limits)
    shown = (
        Line(np.array([lr, lr]), height, DARK, f"{rate_text(lr)}, {what}", width=0.8, dash=dash)
        for lr, what, dash in others
    )
    return replace(panel, layers=(*panel.layers, *shown))


def curve_panel(
    curve: Curve,
    suggestion: Suggestion | None,
    *,
    line: tuple[Floats, Floats] | None = None,
    sweeps: tuple[Floats, Floats, Floats] | None = None,
    trials: Trials | None = None,
) -> Panel:
    """The accuracies where they were measured, else the losses, over the rates.

    Every measurement stands at the rate whose effect it first shows, that of the step before, as the line
    that the rules read does; the very first one stands at the first rate.

    Args:
        curve: What the sweep measured.
        suggestion: The suggestion, or None.
        line: Learning rates and values, shapes (n,), of the smoothed line that the rules read; NaN is a gap.
            Without it the line is `curve.smoothed`, or none for accuracies.
        sweeps: Learning rates, lower and upper values, shapes (n,), between which several sweeps lie.
        trials: Training runs at constant rates.
    """
    accuracy = curve.accuracies is not None
    values = curve.losses if curve.accuracies is None else curve.accuracies
    line_x, line_y = line or ((np.empty(0), np.empty(0)) if accuracy else (curve.lrs, curve.smoothed))
    checks = None if accuracy else curve.validation_losses
    checked = np.isfinite(checks) if checks is not None else np.zeros(len(curve), dtype=bool)
    check_y = checks[checked] if checks is not None else np.empty(0)
    finite = np.isfinite(values)
    lengths = trials.lengths if trials else ()
    tried = np.array([lr for runs in lengths for lr in runs.losses], dtype=np.float64)
    ended = np.array([loss for runs in lengths for loss in runs.losses.values()], dtype=np.float64)
    ended = 1 - ended if accuracy else ended
    x = _rate_axis(curve, suggestion, tried)
    if accuracy:
        best = float(np.max([*values[finite], *ended[np.isfinite(ended)]], initial=0.05))
        y = linear_axis(0.0, min(1.0, 1.1 * best), "training accuracy", percent=True)
    else:
        low = np.empty(0) if sweeps is None else sweeps[1]
        least, most = loss_limits(values, line_y, np.concatenate([check_y, low]))
        if ended.min(initial=least) < least:
            least = float(ended.min()) - _MARGIN * (most - float(ended.min()))
        y = linear_axis(least, most, "training loss")
    bottom, top = y.limits
    # A loss of 1e30 would be drawn as a jump of 1e30 inches, or overflow.
    line_y = np.where(np.isnan(line_y), np.nan, np.clip(line_y, None, top + 20 * (top - bottom)))
    causes, unread, many = curve.causes, _unread(curve), len(curve) > _MANY
    name = "batches" if sweeps is None else "batches, median"

    def at_edge(which: NDArray[np.bool_], height: float, name: str, shape: Shape, colour: str) -> Points:
        heights = np.full(int(which.sum()), height)
        size = 4.0 if shape is Shape.CROSS else 3.0
        return Points(causes[which], heights, colour, name, shape=shape, size=size, clipped=False)

    within = finite & y.holds(values)
    read, skipped = within & ~unread, within & unread
    size, opacity = (1.2, 0.25) if many else (2.6, 0.75)
    layers: list[Layer] = [
        *_marks(suggestion, x),
        Points(causes[read], values[read], SKY, name, size=size, opacity=opacity),
        Points(causes[skipped], values[skipped], GREY, "not read", shape=Shape.RING, size=2.6, opacity=0.5),
        *([Band(*sweeps, BLUE, "all sweeps", opacity=0.2)] if sweeps is not None else []),
        Line(
            line_x, line_y, BLUE, "smoothed, batch noise cancelled" if curve.paired else "smoothed", width=1.5
        ),
        Line(causes[checked], check_y, PURPLE, width=0.8),
        Points(causes[checked], check_y, PURPLE, "validation", shape=Shape.DIAMOND),
        *_ends(tried, ended, y, lengths),
        at_edge(finite & (values > top), top, "above the frame", Shape.UP, SKY),
        at_edge(finite & (values < bottom), bottom, "below the frame", Shape.DOWN, SKY),
        at_edge(~finite, top, "not finite", Shape.CROSS, BLACK),
        *_answer(suggestion, x, line_x, line_y),
    ]
    return Panel(x, y, tuple(layers), _CURVE, _PANEL)


def drawn_points(smoothed: SmoothedCurve, *, accuracy: bool) -> tuple[Floats, Floats]:
    """The line through what the rules read, and on to the first loss of the climb that ended it.

    Args:
        smoothed: The line, as it was read.
        accuracy: Whether it is of shares of wrong answers, which are turned back into accuracies.
    """
    lr, level = ([value] for value in smoothed.climb) if smoothed.climb else ([], [])
    values = np.concatenate([smoothed.drawn, level])
    return np.concatenate([smoothed.lrs, lr]), 1 - values if accuracy else values


def _ends(lrs: Floats, ends: Floats, y: Axis, lengths: Sequence[Trials]) -> list[Layer]:
    """Where runs at constant rates end; what diverged, or ends outside, is marked at the edge.

    Args:
        lrs: The rates, shape (runs,).
        ends: Where they end, shape (runs,).
        y: The axis that they stand along.
        lengths: The runs of every length, in the order of `lrs`; the last decide, where they show enough.
    """
    if not lengths:
        return []
    shown, (bottom, top) = y.holds(ends), y.limits
    edge = np.where(ends[~shown] > bottom, top, bottom)
    steps = np.repeat([runs.steps for runs in lengths], [len(runs.losses) for runs in lengths])
    return [
        *(
            Points(
                lrs[shown & (steps == runs.steps)],
                ends[shown & (steps == runs.steps)],
                DARK,
                f"after {runs.steps} steps at one rate",
                shape=Shape.DIAMOND,
                size=5.0 if runs is lengths[-1] else 3.0,
            )
            for runs in lengths
        ),
        Points(
            lrs[~shown],
            edge,
            DARK,
            "diverged, or outside the frame",
            shape=Shape.CROSS,
            size=4.0,
            clipped=False,
        ),
    ]


def ladder_panel(curve: Curve, suggestion: Suggestion | None) -> Panel:
    """The rates over the iterations, and how far along them the sweep came."""
    lrs = curve.lrs
    low, high = (float(lrs.min()), float(lrs.max())) if len(lrs) else (1e-3, 1.0)
    axis = linear_axis if _is_linear(lrs) else log_axis
    layers: list[Layer] = []
    if suggestion is not None:
        layers += [
            Span("y", suggestion.low, suggestion.high),
            Marker("y", suggestion.lr, width=1.0),
        ]
    steps = np.arange(len(lrs), dtype=np.float64)
    layers += [
        Line(steps, lrs, "#404040", width=1.3, dots=0.0 if len(lrs) > 1 else 3.0),
        above(_outcome(curve), colour=DARK),
    ]
    x = linear_axis(0.0, max(curve.planned_steps - 1, 1), "iteration", intervals=4, whole=True)
    return Panel(x, axis(low, high, "learning rate"), tuple(layers), _LADDER, _PANEL)


def _marks(suggestion: Suggestion | None, x: Axis) -> list[Layer]:
    """The bracket and the line at the suggested rate."""
    if suggestion is None:
        return []
    text = f"bracket {rate_text(suggestion.low)} to {rate_text(suggestion.high)}"
    middle = (x.fraction(suggestion.low) + x.fraction(suggestion.high)) / 2
    return [
        Span("x", suggestion.low, suggestion.high, GREEN),
        above(text, held_above(middle, text, _CURVE), row=1, colour=GREEN_TEXT),
        Marker("x", suggestion.lr),
    ]


def _answer(suggestion: Suggestion | None, x: Axis, line_x: Floats, line_y: Floats) -> list[Layer]:
    """The suggested rate in words, and its point on the line, where it was read from that."""
    if suggestion is None:
        return [above("no learning rate suggested", colour=DARK)]
    text = f"suggested {rate_text(suggestion.lr)}"
    at = held_above(x.fraction(suggestion.lr), text, _CURVE)
    label: Label = above(text, at, colour=VERMILLION_TEXT, bold=True)
    known = np.isfinite(line_y)
    if suggestion.rule == TRIALS or not known.any():
        return [label]
    if not line_x[known][0] <= suggestion.lr <= line_x[known][-1]:
        return [label]
    height = np.interp([suggestion.lr], line_x[known], line_y[known])
    return [label, Points(np.array([suggestion.lr]), height, VERMILLION, size=4.5)]


def _between(middle: SmoothedCurve, repeats: Repeats, *, accuracy: bool) -> tuple[Floats, Floats, Floats]:
    """The lowest and the highest of the sweeps' own lines, as far as the median's line goes."""
    lines = sweep_lines(middle, repeats.curves)
    low, high = lines.min(axis=0), lines.max(axis=0)
    return (middle.lrs, 1 - high, 1 - low) if accuracy else (middle.lrs, low, high)


def _unread(curve: Curve) -> NDArray[np.bool_]:
    unread = np.zeros(len(curve), dtype=bool)
    unread[: curve.skip_start] = True
    if curve.status is not Status.COMPLETED and curve.skip_end:
        unread[-curve.skip_end :] = True
    return unread


def _is_linear(lrs: Floats) -> bool:
    """Whether the ladder takes equal steps in the rate itself."""
    if len(lrs) and lrs.min() <= 0:
        return True
    gaps = np.diff(lrs)
    return len(lrs) > 2 and bool(np.allclose(gaps, gaps[0], rtol=1e-6, atol=0.0))


def _rate_axis(curve: Curve, suggestion: Suggestion | None, tried: Floats) -> Axis:
    shown = [*curve.lrs.tolist(), *tried.tolist()] or [1e-3, 1.0]
    if suggestion is not None:
        shown += [suggestion.lr, suggestion.low, suggestion.high]
    if _is_linear(curve.lrs):
        return linear_axis(min(shown), max(shown), "learning rate (linear axis)")
    return log_axis(min(shown), max(shown), "learning rate (log axis, base 10)")


def _outcome(curve: Curve) -> str:
    """Why the sweep ended and after how many of the planned steps."""
    if curve.status is Status.COMPLETED:
        return f"{len(curve)} iterations"
    words = "not finite" if curve.status is Status.NONFINITE else curve.status.value
    return f"{words}: {len(curve)} of {curve.planned_steps}"
