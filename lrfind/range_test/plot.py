"""The picture of a range test, worked out: what is drawn, where, and what is written beside it.

Pure numbers and text; `lrfind.plotting.draw` puts them on paper.
"""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from lrfind.plotting.axes import Axis, linear_axis, log_axis
from lrfind.plotting.limits import loss_limits
from lrfind.range_test.smoothed_curve import cliff_level, smoothed_curve
from lrfind.report.formatting import rate_text
from lrfind.suggestion import Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lrfind.range_test.curve import Curve
    from lrfind.range_test.reading import Reading
    from lrfind.range_test.repeats import Repeats
    from lrfind.range_test.smoothed_curve import SmoothedCurve
    from lrfind.suggestion import Suggestion

    Floats = NDArray[np.float64]
    Box = tuple[float, float, float, float]
    """Left, lower edge, width and height as shares of the picture."""

FONT_SIZE = 8.0
"""Points, of all but the title, which is a point larger."""

_WIDTH = 7.2
"""Width of the picture in inches: a page's text width, so that a font size is what it says."""

_LEFT, _RIGHT = (0.60, 4.00), (5.30, 1.68)
"""Left edge and width of the two panels in inches."""

_BELOW, _PANEL, _ABOVE, _TITLE_LINE = 0.72, 2.35, 0.46, 0.18
"""Heights in inches: axis text and legend, panel, the marks' texts, one line of the title."""

_CHARACTER = 0.64 * FONT_SIZE / 72
"""Width in inches of a digit; few letters are wider."""

_TITLE_CHARACTERS = 84


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Points that share a name: shapes (n,) each."""

    name: str
    x: Floats
    y: Floats


@dataclass(frozen=True, slots=True)
class Mark:
    """A rate, or a span of rates, that is pointed out.

    Attributes:
        low: The rate, or the lower end of the span.
        high: The same rate, or the upper end of the span.
        text: What is written above it.
        text_at: Centre of the text as a share of the panel's width, such that it stays above the panel.
        height: Value of the curve at the rate; NaN for a span and where the curve has none.
    """

    low: float
    high: float
    text: str
    text_at: float
    height: float = math.nan


@dataclass(frozen=True, slots=True, eq=False)
class RangeFigure:
    """All that the picture of a range test shows.

    Attributes:
        title: Wrapped to the picture's width.
        outcome: Why the sweep ended and after how many of the planned steps.
        rate: Horizontal axis of the left panel.
        value: Vertical axis of the left panel, the loss or the accuracy.
        step: Horizontal axis of the right panel.
        rate_upright: Vertical axis of the right panel.
        read: Measured values that a rule reads.
        skipped: Measured values that are kept but not read.
        line: The smoothed values; those far outside the frame are moved to where they still leave it.
        band: Rates, lower and upper values between which several sweeps lie, or None.
        validation: Validation losses where measured.
        above: Measured values above the frame, at its upper edge.
        nonfinite: Losses that are NaN or infinite, at the upper edge.
        ladder: Learning rate against iteration.
        suggestion: The suggested rate, or None.
        bracket: The rates around it, or None.
        size: Width and height in inches.
        left_panel: Frame of the curve.
        right_panel: Frame of the ladder.
    """

    title: str
    outcome: str
    rate: Axis
    value: Axis
    step: Axis
    rate_upright: Axis
    read: Series
    skipped: Series
    line: Series
    band: tuple[Floats, Floats, Floats] | None
    validation: Series
    above: Series
    nonfinite: Series
    ladder: Series
    suggestion: Mark | None
    bracket: Mark | None
    size: tuple[float, float]
    left_panel: Box
    right_panel: Box


def picture_of(curve: Curve, reading: Reading, title: str, repeats: Repeats | None = None) -> RangeFigure:
    """Works out the picture of a curve as it was read.

    Args:
        curve: What the sweep measured, or the median of several.
        reading: What was read from it; where accuracies were measured, they are what is read and drawn.
        title: What was trained on what.
        repeats: The several sweeps, between whose smoothed lines a band is drawn.
    """
    accuracy = curve.accuracies is not None
    return range_figure(
        curve,
        reading.suggestion,
        title if repeats is None else f"{title}, median of {len(repeats.curves)} sweeps",
        reading_line=_drawn(reading.smoothed, accuracy=accuracy),
        band=None if repeats is None else _band(reading.smoothed, repeats, accuracy=accuracy),
        metric="accuracy" if accuracy else "loss",
    )


def _band(middle: SmoothedCurve, repeats: Repeats, *, accuracy: bool) -> tuple[Floats, Floats, Floats]:
    """Between the lowest and the highest of the sweeps' own lines, as far as the median's line goes."""
    low, high = np.full(len(middle), np.inf), np.full(len(middle), -np.inf)
    for curve in repeats.curves:
        own = smoothed_curve(curve)
        # Paired lines are told apart by what training did, not by the level their batches stand at.
        shift = 0.0 if own.start is None or middle.start is None else middle.start - own.start
        n = min(len(own), len(middle))
        low[:n] = np.minimum(low[:n], own.values[:n] + shift)
        high[:n] = np.maximum(high[:n], own.values[:n] + shift)
    known = np.isfinite(low)
    ends = (1 - high[known], 1 - low[known]) if accuracy else (low[known], high[known])
    return middle.lrs[known], *ends


def range_figure(
    curve: Curve,
    suggestion: Suggestion | None,
    title: str,
    *,
    reading_line: tuple[Floats, Floats] | None = None,
    band: tuple[Floats, Floats, Floats] | None = None,
    metric: Literal["loss", "accuracy"] = "loss",
) -> RangeFigure:
    """Works out the picture of a range test.

    Every measurement stands at the rate whose effect it first shows, that of the step before, as the line
    that the rules read does; the very first one stands at the first rate.

    Args:
        curve: What the sweep measured; any length, zero included.
        suggestion: The suggestion, or None.
        title: Model, data, optimizer and batch size, so that the picture can be read on its own.
        reading_line: Learning rates and values, shapes (n,), of the smoothed line that the rules read; NaN is
            a gap. Without it the line is `curve.smoothed`, or none where the metric is the accuracy.
        band: Learning rates, lower and upper values, shapes (n,), between which several sweeps lie.
        metric: What is drawn over the rates.

    Raises:
        ValueError: The accuracy is asked for and was not measured.
    """
    nothing = np.empty(0)
    if metric == "loss":
        values = curve.losses
        line_x, line_y = reading_line or (curve.lrs, curve.smoothed)
    elif curve.accuracies is None:
        raise ValueError("metric must be 'loss' for a curve without accuracies, got 'accuracy'")
    else:
        values = curve.accuracies
        line_x, line_y = reading_line or (nothing, nothing)
    lrs = curve.lrs
    causes = curve.causes
    steps = np.arange(len(lrs), dtype=np.float64)
    finite = np.isfinite(values)
    unread = _unread(curve)

    checks = curve.validation_losses if metric == "loss" else None
    checked = np.isfinite(checks) if checks is not None else np.zeros(len(lrs), dtype=bool)
    check_y = checks[checked] if checks is not None else nothing

    if metric == "loss":
        low, high = loss_limits(values, line_y, check_y)
        value = linear_axis(low, high, "training loss")
    else:
        best = float(np.max(values[finite], initial=0.05))
        value = linear_axis(0.0, min(1.0, 1.1 * best), "accuracy in each batch", percent=True)
    bottom, top = value.limits
    # A loss of 1e30 would be drawn as a jump of 1e30 inches, or overflow.
    line_y = np.where(np.isnan(line_y), np.nan, np.clip(line_y, None, top + 20 * (top - bottom)))
    if not np.isfinite(line_y).any():
        line_x = line_y = nothing
    seen = finite & (values <= top)
    above = finite & ~seen

    rate, upright = _rate_axes(lrs, suggestion)
    lines = wrapped(title)
    height = _BELOW + _PANEL + _ABOVE + _TITLE_LINE * len(lines) + 0.06
    return RangeFigure(
        title="\n".join(lines),
        outcome=_outcome(curve),
        rate=rate,
        value=value,
        step=linear_axis(0.0, max(curve.planned_steps - 1, 1), "iteration", intervals=4, whole=True),
        rate_upright=upright,
        read=Series("each batch", causes[seen & ~unread], values[seen & ~unread]),
        skipped=Series("not read", causes[seen & unread], values[seen & unread]),
        line=Series("smoothed" if not curve.paired else "smoothed, batch noise cancelled", line_x, line_y),
        band=band,
        validation=Series("validation", causes[checked], check_y),
        above=Series("above the frame", causes[above], np.full(int(above.sum()), top)),
        nonfinite=Series("not finite", causes[~finite], np.full(int((~finite).sum()), top)),
        ladder=Series("learning rate", steps, lrs),
        suggestion=_suggestion_mark(suggestion, rate, line_x, line_y) if suggestion else None,
        bracket=_bracket_mark(suggestion, rate) if suggestion else None,
        size=(_WIDTH, height),
        left_panel=(_LEFT[0] / _WIDTH, _BELOW / height, _LEFT[1] / _WIDTH, _PANEL / height),
        right_panel=(_RIGHT[0] / _WIDTH, _BELOW / height, _RIGHT[1] / _WIDTH, _PANEL / height),
    )


def _drawn(smoothed: SmoothedCurve, *, accuracy: bool) -> tuple[Floats, Floats]:
    """The line that the rules read, as it can be shown.

    Where the cliff was cut off before it was smoothed, the line would run level while the losses climb: it
    ends at the first such loss. Errors are turned back into accuracies.
    """
    if len(smoothed) == 0:
        return smoothed.lrs, smoothed.values
    cliff = np.flatnonzero(smoothed.raw > cliff_level(smoothed.raw, smoothed.start))
    shown = slice(None, cliff[0] if len(cliff) else None)
    values = smoothed.values[shown]
    return smoothed.lrs[shown], 1 - values if accuracy else values


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


def _rate_axes(lrs: Floats, suggestion: Suggestion | None) -> tuple[Axis, Axis]:
    taken = lrs.tolist() or [1e-3, 1.0]
    marked = [] if suggestion is None else [suggestion.lr, suggestion.low, suggestion.high]
    low, high = min(taken + marked), max(taken + marked)
    if _is_linear(lrs):
        across = linear_axis(low, high, "learning rate (linear axis)")
        return across, linear_axis(min(taken), max(taken), "learning rate")
    across = log_axis(low, high, "learning rate (log axis, base 10)")
    return across, log_axis(min(taken), max(taken), "learning rate")


def _suggestion_mark(suggestion: Suggestion, rate: Axis, line_x: Floats, line_y: Floats) -> Mark:
    text = f"suggested {rate_text(suggestion.lr)}"
    known = np.isfinite(line_y)
    height = math.nan
    if known.any() and line_x[known][0] <= suggestion.lr <= line_x[known][-1]:
        height = float(np.interp(suggestion.lr, line_x[known], line_y[known]))
    at = _text_at(rate.fraction(suggestion.lr), text)
    return Mark(suggestion.lr, suggestion.lr, text, at, height)


def _bracket_mark(suggestion: Suggestion, rate: Axis) -> Mark:
    text = f"bracket {rate_text(suggestion.low)} to {rate_text(suggestion.high)}"
    middle = (rate.fraction(suggestion.low) + rate.fraction(suggestion.high)) / 2
    return Mark(suggestion.low, suggestion.high, text, _text_at(middle, text))


def _text_at(fraction: float, text: str) -> float:
    half = len(text) * _CHARACTER / _LEFT[1] / 2
    return min(max(fraction, half), 1 - half)


def _outcome(curve: Curve) -> str:
    if curve.status is Status.COMPLETED:
        return f"{len(curve)} iterations"
    words = "not finite" if curve.status is Status.NONFINITE else curve.status.value
    return f"{words}: {len(curve)} of {curve.planned_steps}"


def wrapped(title: str) -> list[str]:
    """A title in lines of the picture's width."""
    wrapper = textwrap.TextWrapper(_TITLE_CHARACTERS, break_on_hyphens=False)
    return [part for line in title.splitlines() for part in wrapper.wrap(line)]
