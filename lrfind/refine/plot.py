"""The picture of a refined sweep: a panel a round, over the learning rate on a log axis as in the book."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lrfind.plotting.axes import Axis, linear_axis, rate_axis
from lrfind.plotting.limits import loss_limits
from lrfind.plotting.page import Page, Row, column_width, key_of
from lrfind.plotting.panel import (
    BLACK,
    BLUE,
    MIDDLE,
    PURPLE,
    PURPLE_DARK,
    SKY,
    VERMILLION_TEXT,
    Band,
    Layer,
    Line,
    Marker,
    Panel,
    Points,
    Shape,
    Span,
    above,
)
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.refine.results import RoundResult
    from lrfind.refine.verdict import RefineVerdict, Repeats
    from lrfind.statistics import Floats
    from lrfind.suggestion import Suggestion

_LEFT, _GAP, _LINE, _ABOVE, _BELOW, _LABEL = 0.66, 0.55, 0.165, 0.11, 0.4, 0.22
"""Inches: before the first panel, between two; of a line above a panel, and above these; of what is below a
panel without the label of its axis, and of that."""

_TALL, _SHORT, _ROWS = 1.75, 1.4, 3
"""Inches: height of a panel; that of one of more rows than so many."""

_RIGHT = 0.26
"""Inches after the last panel: half of the longest rate that may stand at its end."""

_NARROW = 1.4
"""Inches of a panel below which its name and its rates stand in two lines."""

_COLUMNS = 3
"""Panels side by side; one more where there would be many rows."""

_MOST_DOTS = 4000
"""Iterations that are drawn a panel; of more, every so many-th."""

_MANY = 1000
"""Of more iterations each is fainter."""

_OVERLAP = 0.1
"""Share of the next round that has to lie within a panel for it to be shaded there."""


def rounds_page(rounds: Sequence[Sequence[RoundResult]], answer: RefineVerdict, title: str) -> Page:
    """Works out the picture: for each round the continued sweep, the restarted one, or both."""
    rounds = _measured(rounds)
    side_by_side = any(len(kinds) > 1 for kinds in rounds)
    columns = 2 if side_by_side else _columns([len(rounds)])
    width = column_width(columns, _GAP, left=_LEFT, right=_RIGHT)
    suggestion = answer.suggestion
    said, line = "no learning rate suggested", ""
    if suggestion is not None:
        said = f"suggested {rate_text(suggestion.lr)}"
        where = "the last round" if answer.round in (None, len(rounds)) else f"round {answer.round}"
        line = f"The bracket, {_bracket_text(suggestion)}, is green in {where}."
    groups = _round_panels(rounds, answer.round, suggestion, width, name="Round", said=said)
    panels = [panel for group in groups for panel in group]
    rows = groups if side_by_side else _in_rows(panels, columns)
    return _page(rows, answer, title, line)


def repeats_page(
    sweeps: Sequence[Sequence[Sequence[RoundResult]]], repeats: Repeats, answer: RefineVerdict, title: str
) -> Page:
    """Works out the picture of several sweeps: the rounds of each in rows of their own."""
    known = [_measured(rounds) for rounds in sweeps]
    columns = _columns([len(rounds) for rounds in known])
    width = column_width(columns, _GAP, left=_LEFT, right=_RIGHT)
    rows: list[list[Panel]] = []
    for seed, alone, rounds in zip(repeats.seeds, repeats.answers, known, strict=True):
        lr, together = alone.suggestion, answer.suggestion
        said = "alone: no answer" if lr is None else f"alone: {rate_text(lr.lr)}"
        groups = _round_panels(rounds, alone.round, together, width, name=f"Seed {seed}, round", said=said)
        rows += _in_rows([panel for group in groups for panel in group], columns)
    together = answer.suggestion
    line = ""
    if together is not None:
        line = f"The line is what the sweeps suggest together, {rate_text(together.lr)}; its bracket, "
        line += f"{_bracket_text(together)}, is green in the rounds that their answers are read from."
    return _page(rows, answer, title, line)


def _bracket_text(suggestion: Suggestion) -> str:
    return f"{rate_text(suggestion.low)} to {rate_text(suggestion.high)}"


def _measured(rounds: Sequence[Sequence[RoundResult]]) -> list[Sequence[RoundResult]]:
    """The rounds of which anything is known."""
    return [kinds for kinds in rounds if any(len(measured.lrs) for measured in kinds)]


def _round_panels(
    rounds: Sequence[Sequence[RoundResult]],
    read: int | None,
    suggestion: Suggestion | None,
    width: float,
    *,
    name: str,
    said: str,
) -> list[list[Panel]]:
    """The panels of each round; `said` stands above the one that is read, or else above the last."""
    groups = []
    for i, kinds in enumerate(rounds):
        answers, last = i + 1 == (read or len(rounds)), i == len(rounds) - 1
        following = None if answers or last else rounds[i + 1][-1].plan.span  # one line holds either
        y = _loss_axis(kinds)
        groups.append(
            [
                round_panel(
                    measured,
                    f"{name} {i + 1}",
                    suggestion,
                    y,
                    width,
                    following=following,
                    said=said if answers and measured is kinds[-1] else None,
                )
                for measured in kinds
            ]
        )
    return groups


def _columns(counts: Sequence[int]) -> int:
    """Panels side by side, of rounds that begin a row each time: as few as need no more rows."""

    def rows(columns: int) -> int:
        return sum(math.ceil(count / columns) for count in counts)

    most = _COLUMNS + (rows(_COLUMNS) > _ROWS)
    return min(range(1, most + 1), key=lambda columns: (rows(columns), columns))


def _in_rows(panels: list[Panel], columns: int) -> list[list[Panel]]:
    return [panels[i : i + columns] for i in range(0, len(panels), columns)]


def _page(rows: Sequence[Sequence[Panel]], answer: RefineVerdict, title: str, note: str = "") -> Page:
    note = f"{note} {answer.no_learning}".rstrip() if answer.suggestion or not rows else answer.verdict
    key = key_of(panel for row in rows for panel in row)
    height = _SHORT if len(rows) > _ROWS else _TALL
    lines = 3 if any(panel.width < _NARROW for row in rows for panel in row) else 2
    found = []
    for i, row in enumerate(rows):
        lowest = [j for j in range(len(row)) if all(len(other) <= j for other in rows[i + 1 :])]
        panels = tuple(
            replace(
                panel,
                height=height,
                x=panel.x if j in lowest else replace(panel.x, label=""),
                y=panel.y if j == 0 else replace(panel.y, label=""),
            )
            for j, panel in enumerate(row)
        )
        below = _BELOW + (_LABEL if lowest else 0.0)
        found.append(Row(panels, _ABOVE + _LINE * lines, below, gap=_GAP))
    return Page(title, (key, *found), note, left=_LEFT if rows else 0.36, right=_RIGHT)


def round_panel(
    measured: RoundResult,
    name: str,
    suggestion: Suggestion | None,
    y: Axis,
    width: float,
    *,
    following: tuple[float, float] | None,
    said: str | None,
) -> Panel:
    """One round: every iteration, one loss a rate, and where the next round looks.

    `following` are the first and the last rate of the next round; `said` is the answer, which stands above
    the round that it is read from alone.
    """
    span = measured.plan.span
    x = rate_axis(span, width, max_labels=5)
    rates, means = measured.lrs, measured.losses
    top, far = y.limits[1], y.limits[1] + 20 * (y.limits[1] - y.limits[0])
    whole = measured.whole
    line = np.where(np.isfinite(means) & whole, np.clip(means, None, far), np.nan)[whole]
    each_x, each_y = _iterations(measured)
    inside, beyond = np.isfinite(each_y) & (each_y <= top), np.isfinite(each_y) & (each_y > top)
    bad = rates[~np.isfinite(means) & whole]
    faint, clear = (PURPLE, PURPLE_DARK) if measured.restarted else (SKY, BLUE)
    how = ", same start" if measured.restarted else ""
    heading = f"{name}{how}: {rate_text(span[0])} to {rate_text(span[1])}"
    narrow = width < _NARROW
    lines = heading.split(": ") if narrow else [heading]
    layers: list[Layer] = [above(text, row=len(lines) - i, colour=BLACK) for i, text in enumerate(lines)]
    if following is not None:
        layers += _next_round(following, x, narrow=narrow)
    if suggestion is not None and said is not None:
        layers += _bracket(suggestion, x)
    if suggestion is not None and span[0] <= suggestion.lr <= span[1]:
        layers.append(Marker("x", suggestion.lr))
    opacity = 0.2 if len(each_x) > _MANY else 0.5
    layers.append(Points(each_x[inside], each_y[inside], faint, "iterations", size=1.6, opacity=opacity))
    spread = measured.spread
    if spread is not None:
        layers.append(Band(rates[whole], line - spread[whole], line + spread[whole], clear, opacity=0.2))
    layers += [
        Line(rates[whole], line, clear, "mean of each rate's second half", width=1.1, dots=1.8),
        Points(
            each_x[beyond],
            np.full(int(beyond.sum()), top),
            faint,
            "above the frame",
            shape=Shape.UP,
            size=2.5,
            clipped=False,
        ),
        Points(bad, np.full(len(bad), top), BLACK, "not finite", shape=Shape.CROSS, size=4.0, clipped=False),
    ]
    if said is not None:
        layers.append(above(said, colour=VERMILLION_TEXT, bold=True))
    return Panel(x, y, tuple(layers), width, _TALL)


def _bracket(suggestion: Suggestion, x: Axis) -> list[Layer]:
    """As much of the bracket as lies in a round; of several sweeps it may lie elsewhere."""
    low, high = max(suggestion.low, x.limits[0]), min(suggestion.high, x.limits[1])
    return [Span("x", low, high)] if low < high else []


def _next_round(following: tuple[float, float], x: Axis, *, narrow: bool) -> list[Layer]:
    """Its rates in words, and shaded where this round has them too."""
    low, high = map(x.fraction, following)
    text = f"next, {rate_text(following[0])} to {rate_text(following[1])}"
    if min(high, 1) - max(low, 0) < _OVERLAP * (high - low):
        return [above(text, colour=MIDDLE)]
    return [
        Span("x", *following, MIDDLE, opacity=0.16),
        above(text if narrow else f"grey: {text}", colour=MIDDLE),
    ]


def _iterations(measured: RoundResult) -> tuple[Floats, Floats]:
    """The losses of all iterations of all seeds, each at its rate, in their order."""
    losses = [
        (at, loss)
        for track in measured.tracks
        for at, all_ in zip(measured.lrs, track.losses, strict=False)
        for loss in all_
    ]
    points = np.array(losses, dtype=np.float64).reshape(-1, 2)
    points = points[:: max(1, math.ceil(len(points) / _MOST_DOTS))]
    return points[:, 0], points[:, 1]


def _loss_axis(kinds: Sequence[RoundResult]) -> Axis:
    """One axis for the sweeps of a round, which are to be compared."""
    limits = []
    for measured in kinds:
        each, means = _iterations(measured)[1], measured.losses[measured.whole]
        losses = each if len(each) > len(means) else means
        limits.append(loss_limits(losses, means, np.empty(0), start=measured.level))
    low, high = min(low for low, _ in limits), max(high for _, high in limits)
    return linear_axis(low, high, "loss", intervals=5)
