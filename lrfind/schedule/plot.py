"""The picture of learning-rate policies, worked out: a few in one panel, many in a panel each.

Pure numbers and text; `lrfind.plotting.schedule_drawing` puts them on paper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lrfind.plotting.axes import Axis, linear_axis
from lrfind.range_test.plot import Series, wrapped
from lrfind.report.formatting import rate_text
from lrfind.schedule.policies import Policy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.range_test.plot import Box
    from lrfind.schedule.schedule import Schedule, ScheduleTable

_WIDTH, _LEFT, _RIGHT = 7.2, 0.76, 0.16
"""Inches: of the picture, before the first panel, after the last."""

_TITLE_LINE, _BELOW, _KEY_LINE = 0.18, 0.50, 0.17
"""Inches: a line of the title, the text of the horizontal axis, a line of the key."""

_PANEL, _MOMENTUM, _MOMENTUM_GAP = 2.35, 1.55, 0.76
"""Inches: height of the one panel; width of that of the momentum, and the gap before it."""

_COLUMNS, _SMALL, _GAP, _ABOVE = 3, 0.95, 0.22, 0.52
"""Panels a row where each policy has one; in inches height, gap beside it, text above it."""

TOGETHER = 5
"""So many policies can be told apart in one panel."""

_NOTE_CHARACTERS = 36
_KEY_CHARACTERS = 96
_MOST_POINTS = 3000


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: `stairs` where the rate is held between drops, `colour` counts the policies from 0."""

    series: Series
    stairs: bool
    colour: int


@dataclass(frozen=True, slots=True)
class SchedulePanel:
    """A panel of curves against the step.

    Attributes:
        heading: What it shows; empty where the key says it.
        note: What it is made of, a line.
        across: The steps.
        upright: The rate or the momentum.
        lines: The curves.
        box: Frame as shares of the picture: left, lower edge, width, height.
    """

    heading: str
    note: str
    across: Axis
    upright: Axis
    lines: tuple[Line, ...]
    box: Box


@dataclass(frozen=True, slots=True)
class ScheduleFigure:
    """All that the picture shows.

    Attributes:
        title: Wrapped to the picture's width.
        panels: Left to right, top to bottom.
        key: What each policy is made of, a line a policy, for curves that share a panel; `key_at` is where,
            the upper edge as a share of the picture, `key_line` the height of a line.
        size: Width and height in inches.
    """

    title: str
    panels: tuple[SchedulePanel, ...]
    key: tuple[str, ...]
    key_at: float
    key_line: float
    size: tuple[float, float]


def schedule_figure(courses: Sequence[ScheduleTable], lr: float, source: str) -> ScheduleFigure:
    """Works out the picture.

    Args:
        courses: The schedules, all of as many steps.
        lr: The peak rate.
        source: Where it comes from, for the title; may be empty.
    """
    title = wrapped(_title(courses, lr, source))
    across = linear_axis(0, courses[0].schedule.num_steps, "step", whole=True)
    upright = linear_axis(
        0, max(float(course.rates.max()) for course in courses), "learning rate", intervals=5
    )
    make = _together if len(courses) <= TOGETHER else _apart
    return make(courses, title, across, upright)


def _together(
    courses: Sequence[ScheduleTable], title: list[str], across: Axis, upright: Axis
) -> ScheduleFigure:
    """One panel of rates, the momentum beside it, and a key that says what each curve is made of."""
    key = tuple(_shortened(_made_of(course.schedule), _KEY_CHARACTERS) for course in courses)
    height = 0.1 + _TITLE_LINE * len(title) + 0.16 + _PANEL + _BELOW + _KEY_LINE * len(key) + 0.08
    low = (0.08 + _KEY_LINE * len(key) + _BELOW) / height
    moved = [course for course in courses if course.momenta is not None]
    beside = _MOMENTUM + _MOMENTUM_GAP if moved else 0.0
    width = _WIDTH - _LEFT - _RIGHT - beside
    box = (_LEFT / _WIDTH, low, width / _WIDTH, _PANEL / height)
    lines = tuple(_line(course, i) for i, course in enumerate(courses))
    panels = [SchedulePanel("", "", across, upright, lines, box)]
    if moved:
        box = (1 - (_RIGHT + _MOMENTUM) / _WIDTH, low, _MOMENTUM / _WIDTH, _PANEL / height)
        narrow = linear_axis(0, courses[0].schedule.num_steps, "step", intervals=4, whole=True)
        panels.append(_momentum_panel(courses, narrow, box))
    key_at = (0.06 + _KEY_LINE * len(key)) / height
    return ScheduleFigure("\n".join(title), tuple(panels), key, key_at, _KEY_LINE / height, (_WIDTH, height))


def _apart(courses: Sequence[ScheduleTable], title: list[str], across: Axis, upright: Axis) -> ScheduleFigure:
    """A panel a policy, all on the same axes, and one of the momentum where it moves."""
    count = len(courses) + any(course.momenta is not None for course in courses)
    rows = math.ceil(count / _COLUMNS)
    height = 0.1 + _TITLE_LINE * len(title) + rows * (_ABOVE + _SMALL) + _BELOW
    width = (_WIDTH - _LEFT - _RIGHT - (_COLUMNS - 1) * _GAP) / _COLUMNS
    across = linear_axis(0, courses[0].schedule.num_steps, "step", intervals=4, whole=True)
    upright = linear_axis(0, upright.limits[1] / 1.03, upright.label, intervals=3)
    panels = []
    for i in range(count):
        row, column = divmod(i, _COLUMNS)
        bottom = height - 0.1 - _TITLE_LINE * len(title) - (row + 1) * (_ABOVE + _SMALL)
        box = (
            (_LEFT + column * (width + _GAP)) / _WIDTH,
            bottom / height,
            width / _WIDTH,
            _SMALL / height,
        )
        step = across if i + _COLUMNS >= count else _bare(across)
        if i == len(courses):
            panels.append(_momentum_panel(courses, step, box, inside=True))
            continue
        schedule = courses[i].schedule
        note = _shortened(", ".join(_parameters(schedule)), _NOTE_CHARACTERS)
        rate = upright if column == 0 else _bare(upright)
        panels.append(SchedulePanel(schedule.policy.value, note, step, rate, (_line(courses[i], 0),), box))
    return ScheduleFigure("\n".join(title), tuple(panels), (), 0.0, 0.0, (_WIDTH, height))


def _momentum_panel(
    courses: Sequence[ScheduleTable], across: Axis, box: Box, *, inside: bool = False
) -> SchedulePanel:
    lines, values = [], []
    for i, course in enumerate(courses):
        if course.momenta is not None:
            values.append(course.momenta)
            x, y = _points(course.momenta)
            lines.append(Line(Series("momentum", x, y), stairs=False, colour=1 if inside else i))
    low, high = float(np.min(values)), float(np.max(values))
    upright = linear_axis(low, high, "" if inside else "momentum", intervals=3 if inside else 5)
    if not inside:
        return SchedulePanel("", "", across, upright, tuple(lines), box)
    # Its numbers stand within, where its neighbours have none.
    ends = f"{low:g} to {high:g}"
    return SchedulePanel("one_cycle: momentum", ends, across, _bare(upright), tuple(lines), box)


def _line(course: ScheduleTable, colour: int) -> Line:
    x, y = _points(course.rates)
    stairs = course.schedule.policy in (Policy.STEP, Policy.MULTISTEP)
    return Line(Series(course.schedule.policy.value, x, y), stairs, colour)


def _points(values: Any) -> tuple[Any, Any]:
    """Step and value; of very many, evenly spread ones."""
    steps = np.arange(len(values))
    if len(steps) > _MOST_POINTS:
        steps = np.unique(np.linspace(0, len(values) - 1, _MOST_POINTS).round().astype(int))
    return steps.astype(np.float64), values[steps]


def _bare(axis: Axis) -> Axis:
    return replace(axis, label="", tick_labels=("",) * len(axis.ticks))


def _title(courses: Sequence[ScheduleTable], lr: float, source: str) -> str:
    names = [course.schedule.policy.value for course in courses]
    if len(names) > TOGETHER:
        said = f"{len(names)} learning-rate policies"
    elif len(names) == 1:
        said = f"Learning-rate policy {names[0]}"
    else:
        said = f"Learning-rate policies {', '.join(names[:-1])} and {names[-1]}"
    steps = courses[0].schedule.num_steps
    said += f", {steps:,} {'step' if steps == 1 else 'steps'}, peak {rate_text(lr)}"
    return f"{said}\nPeak {source}" if source else said


def _made_of(schedule: Schedule) -> str:
    parameters = _parameters(schedule)
    return f"{schedule.policy.value}: {', '.join(parameters)}" if parameters else schedule.policy.value


def _parameters(schedule: Schedule) -> list[str]:
    return [f"{name} {_spelled(value)}" for name, value in schedule.parameters.items()]


def _spelled(value: Any) -> str:
    if isinstance(value, float):
        return rate_text(value)
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _shortened(text: str, most: int) -> str:
    """As many of the parameters as there is room for."""
    parts = text.split(", ")
    while len(parts) > 1 and len(", ".join(parts)) > most:
        parts.pop()
    return ", ".join(parts)
