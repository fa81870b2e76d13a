"""The picture of a refined sweep, worked out: a panel a round, in log10 of the learning rate as in the book.

Pure numbers and text; `lrfind.plotting.rounds_drawing` puts them on paper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lrfind.plotting.axes import Axis, linear_axis
from lrfind.plotting.limits import loss_limits
from lrfind.range_test.plot import Series, wrapped
from lrfind.report.formatting import rate_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lrfind.range_test.plot import Box
    from lrfind.refine.results import RoundResult
    from lrfind.refine.verdict import Answer
    from lrfind.suggestion import Suggestion

    Floats = NDArray[np.float64]

_WIDTH, _LEFT, _RIGHT, _GAP = 7.2, 0.66, 0.1, 0.7
"""Inches: of the picture, before the first panel, after the last, between two."""

_PANEL, _ABOVE, _BELOW, _TITLE_LINE = 1.75, 0.44, 0.62, 0.18
"""Inches: height of a panel, of the text above it, of the axis below it, of a line of the title."""

_MOST_DOTS = 4000
"""Iterations that are drawn a panel; of more, every so many-th."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where the next round looks, in log10 of the rate."""

    low: float
    high: float
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class RoundPanel:
    """One round, in log10 of the learning rate.

    Attributes:
        heading: Which round it is.
        across: Horizontal axis, linear in log10 of the rate; its labels say the rate, too.
        upright: The loss.
        each: The loss of every iteration.
        line: One loss a rate: the mean over the second half of its iterations, and over the seeds.
        band: Mean less and plus a standard deviation over the seeds; both empty for a single seed.
        above: Iterations above the frame, at its upper edge.
        nonfinite: Rates whose loss was not finite, at the upper edge.
        chosen: log10 of the suggested rate, or None where it lies outside the round or there is none.
        chosen_text: What is written of it; empty but in the last round.
        following: The next round's span, or None.
        restarted: Whether every rate began at the same start.
        box: Frame as shares of the picture: left, lower edge, width, height.
    """

    heading: str
    across: Axis
    upright: Axis
    each: Series
    line: Series
    band: tuple[Series, Series]
    above: Series
    nonfinite: Series
    chosen: float | None
    chosen_text: str
    following: Span | None
    restarted: bool
    box: Box


@dataclass(frozen=True, slots=True)
class RoundsFigure:
    """All that the picture shows.

    Attributes:
        title: Wrapped to the picture's width.
        panels: In the order of the rounds; with both kinds of sweep, the continued one comes first.
        size: Width and height in inches.
    """

    title: str
    panels: tuple[RoundPanel, ...]
    size: tuple[float, float]


def rounds_figure(rounds: Sequence[Sequence[RoundResult]], answer: Answer, title: str) -> RoundsFigure:
    """Works out the picture.

    Args:
        rounds: For each round what was measured in it: the continued sweep, the restarted one, or both.
        answer: What was read from them.
        title: What is trained on what and how.
    """
    rounds = [kinds for kinds in rounds if any(len(measured.lrs) for measured in kinds)]
    side_by_side = any(len(kinds) > 1 for kinds in rounds)
    columns = 2 if side_by_side else max(1, min(len(rounds), 3))
    rows = len(rounds) if side_by_side else math.ceil(len(rounds) / columns)
    lines = wrapped(title)
    height = 0.1 + _TITLE_LINE * len(lines) + rows * (_ABOVE + _PANEL + _BELOW)
    width = (_WIDTH - _LEFT - _RIGHT - (columns - 1) * _GAP) / columns
    panels = []
    for i, kinds in enumerate(rounds):
        following = rounds[i + 1][-1].plan.span if i + 1 < len(rounds) else None
        for j, measured in enumerate(kinds):
            row, column = (i, j) if side_by_side else divmod(i, columns)
            bottom = height - 0.1 - _TITLE_LINE * len(lines) - row * (_ABOVE + _PANEL + _BELOW)
            bottom -= _ABOVE + _PANEL
            left = _LEFT + column * (width + _GAP)
            box = (left / _WIDTH, bottom / height, width / _WIDTH, _PANEL / height)
            last = i == len(rounds) - 1
            panels.append(_panel(measured, i + 1, answer.suggestion, following, box, last=last))
        if len(kinds) > 1:
            panels[-len(kinds) :] = _same_scale(panels[-len(kinds) :])
    return RoundsFigure("\n".join(lines), tuple(panels), (_WIDTH, height))


def _panel(
    measured: RoundResult,
    number: int,
    suggestion: Suggestion | None,
    following: tuple[float, float] | None,
    box: Box,
    *,
    last: bool,
) -> RoundPanel:
    lrs = measured.lrs
    x = np.log10(lrs)
    means = measured.losses
    each_x, each_y = _iterations(measured, x)
    bad = ~np.isfinite(means)
    spread = measured.spread
    low, high = loss_limits(each_y if len(each_y) > len(means) else means, means, np.empty(0))
    upright = linear_axis(low, high, "loss", intervals=5)
    bottom, top = upright.limits
    line = np.where(np.isfinite(means), np.clip(means, None, top + 20 * (top - bottom)), np.nan)
    seen = np.isfinite(each_y) & (each_y <= top)
    above = np.isfinite(each_y) & ~seen
    nothing = Series("", np.empty(0), np.empty(0))
    band = (nothing, nothing)
    if spread is not None:
        band = (Series("", x, line - spread), Series("", x, line + spread))
    chosen = None
    if suggestion is not None and measured.plan.span[0] <= suggestion.lr <= measured.plan.span[1]:
        chosen = math.log10(suggestion.lr)
    how = ", same start" if measured.restarted else ""
    shaded = None
    if following is not None:
        text = f"shaded: next, {rate_text(following[0])} to {rate_text(following[1])}"
        shaded = Span(math.log10(following[0]), math.log10(following[1]), text)
    first_lr, last_lr = measured.plan.span
    return RoundPanel(
        heading=f"Round {number}{how}: {rate_text(first_lr)} to {rate_text(last_lr)}",
        across=_across(math.log10(first_lr), math.log10(last_lr)),
        upright=upright,
        each=Series("each iteration", each_x[seen], each_y[seen]),
        line=Series("each rate", x, line),
        band=band,
        above=Series("above the frame", each_x[above], np.full(int(above.sum()), top)),
        nonfinite=Series("not finite", x[bad], np.full(int(bad.sum()), top)),
        chosen=chosen,
        chosen_text=_chosen_text(suggestion) if last else "",
        following=shaded,
        restarted=measured.restarted,
        box=box,
    )


def _iterations(measured: RoundResult, x: Floats) -> tuple[Floats, Floats]:
    """The losses of all iterations of all seeds, each at its rate, in the order they were measured."""
    losses = [(at, loss) for track in measured.tracks for at, all_ in zip(x, track.losses, strict=False)
              for loss in all_]  # fmt: skip
    points = np.array(losses, dtype=np.float64).reshape(-1, 2)
    points = points[:: max(1, math.ceil(len(points) / _MOST_DOTS))]
    return points[:, 0], points[:, 1]


def _across(low: float, high: float) -> Axis:
    """log10 of the rate, and under each tick the rate itself."""
    axis = linear_axis(low, high, "log₁₀ of the learning rate", intervals=4)
    labels = tuple(
        f"{label}\n{rate_text(10**tick, 2)}" for label, tick in zip(axis.tick_labels, axis.ticks, strict=True)
    )
    return replace(axis, tick_labels=labels)


def _same_scale(panels: list[RoundPanel]) -> list[RoundPanel]:
    """Panels that are to be compared, with one axis of the loss."""
    low = min(panel.upright.limits[0] for panel in panels)
    high = max(panel.upright.limits[1] for panel in panels)
    pad = 0.03 / 1.06 * (high - low)
    upright = linear_axis(low + pad, high - pad, panels[0].upright.label, intervals=5)
    top = upright.limits[1]
    return [
        replace(
            panel,
            upright=upright,
            above=replace(panel.above, y=np.full(len(panel.above.x), top)),
            nonfinite=replace(panel.nonfinite, y=np.full(len(panel.nonfinite.x), top)),
        )
        for panel in panels
    ]


def _chosen_text(suggestion: Suggestion | None) -> str:
    return "no learning rate suggested" if suggestion is None else f"suggested {rate_text(suggestion.lr)}"
