"""The picture of learning-rate policies: a few in one panel, many in a panel each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lrfind.plotting.axes import Axis, linear_axis
from lrfind.plotting.page import Entry, Key, Page, Row, column_width
from lrfind.plotting.panel import (
    BLUE,
    FONT_SIZE,
    GREEN,
    MIDDLE,
    PURPLE,
    SKY,
    VERMILLION,
    Band,
    Dash,
    Layer,
    Line,
    Panel,
    above,
)
from lrfind.schedule.policy import Policy
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lrfind.schedule.schedule import Schedule, ScheduleTable

    Floats = NDArray[np.float64]

LEFT, RIGHT = 0.76, 0.16
"""Inches before the first panel and after the last."""

_PANEL, _MOMENTUM, _MOMENTUM_GAP, _BELOW = 2.35, 1.55, 0.76, 0.52
"""Inches: height of the one panel; width of that of the momentum and the gap before it; the axis below."""

_COLUMNS, _SMALL, _GAP, _ABOVE, _ROOM = 3, 0.95, 0.22, 0.45, 0.32
"""Panels a row where each policy has one; in inches their height, the gap between them, the text above, and
what an axis of its own takes beside a panel."""

TOGETHER = 5
"""So many policies can be told apart in one panel."""

_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, SKY)
_DASHES: tuple[Dash, ...] = ((), (7, 1.5), (4, 1.5), (6, 1.2, 1.2, 1.2), (1.5, 1.2))
"""Through the gaps of the later ones the earlier ones show where they lie on each other."""

_NOTE_CHARACTERS, _KEY_CHARACTERS = 36, 96
_MOST_POINTS = 3000
_FEW = 31
"""Up to so many steps each is a dot of its own."""


def schedule_page(courses: Sequence[ScheduleTable], lr: float, source: str) -> Page:
    """Works out the picture.

    Args:
        courses: The schedules, all of as many steps.
        lr: The peak rate.
        source: Where it comes from, for the title; may be empty.
    """
    make = _together if len(courses) <= TOGETHER else _apart
    return Page(_title(courses, lr, source), make(courses), left=LEFT, right=RIGHT)


def colour_of(index: int) -> str:
    """The colour of a policy, counted from 0; after the last one they begin again."""
    return _COLOURS[index % len(_COLOURS)]


def dash_of(index: int) -> Dash:
    """A dash for lines that may lie on each other, counted from 0."""
    return _DASHES[index % len(_DASHES)]


def _together(courses: Sequence[ScheduleTable]) -> tuple[Row | Key, ...]:
    """One panel of rates, the momentum beside it, and a key that says what each curve is made of."""
    lines = [_line(course, i, dash_of(i)) for i, course in enumerate(courses)]
    moved = any(course.momenta is not None for course in courses)
    width = column_width(1, 0.0, left=LEFT, right=RIGHT) - (_MOMENTUM + _MOMENTUM_GAP if moved else 0.0)
    x, y = _step_axis(courses, 6), _rate_axis(courses, 5)
    panels = [Panel(x, y, tuple(lines), width, _PANEL, grid="both")]
    if moved:
        momenta = [
            _momentum(course, i, dash_of(i)) for i, course in enumerate(courses) if course.momenta is not None
        ]
        axes = _step_axis(courses, 4), _momentum_axis(courses, 5, "momentum")
        panels.append(Panel(*axes, tuple(momenta), _MOMENTUM, _PANEL, grid="both"))
    entries = [
        Entry(_shortened(_made_of(course.schedule), _KEY_CHARACTERS), line)
        for course, line in zip(courses, lines, strict=True)
    ]
    return Row(tuple(panels), 0.16, _BELOW, gap=_MOMENTUM_GAP), Key(tuple(entries), columns=1)


def _apart(courses: Sequence[ScheduleTable]) -> tuple[Row | Key, ...]:
    """A panel a policy, all on the same axes, and one of the momentum, with an axis of its own."""
    width = column_width(_COLUMNS, _GAP, left=LEFT, right=RIGHT)
    moved = [course for course in courses if course.momenta is not None]
    count = len(courses) + len(moved)
    step, rate = _step_axis(courses, 4), _rate_axis(courses, 3)
    panels = []
    for i in range(count):
        x = step if i + _COLUMNS >= count else step.bare
        if i >= len(courses):
            course = moved[i - len(courses)]
            heading, note = f"{course.schedule.policy.value}: momentum", ""
            line, y = _momentum(course, 1, ()), _momentum_axis(moved, 3, "")
            room = _ROOM if i % _COLUMNS else 0.0
        else:
            heading = courses[i].schedule.policy.value
            note = _shortened(", ".join(_parameters(courses[i].schedule)), _NOTE_CHARACTERS)
            line, y, room = _line(courses[i], 0, ()), rate if i % _COLUMNS == 0 else rate.bare, 0.0
        # A panel of its own has room for the area.
        floor = np.full(len(line.x), y.limits[0])
        layers: list[Layer] = [
            Band(line.x, floor, line.y, line.colour, opacity=0.1, stairs=line.stairs),
            line,
            above(heading, 0.0, row=1, align="left", bold=True),
        ]
        if note:
            layers.append(above(note, 0.0, align="left", colour=MIDDLE, size=FONT_SIZE - 1))
        panels.append(Panel(x, y, tuple(layers), width - room, _SMALL, grid="both", room=room))
    rows = [panels[i : i + _COLUMNS] for i in range(0, count, _COLUMNS)]
    last = len(rows) - 1
    return tuple(
        Row(tuple(row), _ABOVE, 0.07 if i < last else _BELOW, gap=_GAP) for i, row in enumerate(rows)
    )


def _line(course: ScheduleTable, index: int, dash: Dash) -> Line:
    """The rates; one that is held between drops stays so to the end, for no update has the one after that."""
    stairs = course.schedule.policy in (Policy.STEP, Policy.MULTISTEP)
    rates = np.append(course.rates[:-1], course.rates[-2]) if stairs else course.rates
    x, y = _points(rates)
    name = course.schedule.policy.value
    dots = 3.0 if len(x) <= _FEW else 0.0
    return Line(x, y, colour_of(index), name, width=1.6, dash=dash, stairs=stairs, dots=dots)


def _momentum(course: ScheduleTable, index: int, dash: Dash) -> Line:
    assert course.momenta is not None
    x, y = _points(course.momenta)
    return Line(x, y, colour_of(index), "momentum", width=1.6, dash=dash, dots=3.0 if len(x) <= _FEW else 0.0)


def _points(values: Floats) -> tuple[Floats, Floats]:
    """Step and value; of very many, evenly spread ones."""
    steps = np.arange(len(values))
    if len(steps) > _MOST_POINTS:
        steps = np.unique(np.linspace(0, len(values) - 1, _MOST_POINTS).round().astype(int))
    return steps.astype(np.float64), values[steps]


def _step_axis(courses: Sequence[ScheduleTable], intervals: int) -> Axis:
    return linear_axis(0, courses[0].schedule.num_steps, "step", intervals=intervals, whole=True)


def _rate_axis(courses: Sequence[ScheduleTable], intervals: int) -> Axis:
    high = max(float(course.rates.max()) for course in courses)
    return linear_axis(0, high, "learning rate", intervals=intervals)


def _momentum_axis(courses: Sequence[ScheduleTable], intervals: int, label: str) -> Axis:
    values = np.concatenate([course.momenta for course in courses if course.momenta is not None])
    return linear_axis(float(values.min()), float(values.max()), label, intervals=intervals)


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
        # Of a factor just below 1 three digits would say that nothing falls.
        return rate_text(value, 3 if value == 1 or rate_text(value) != "1" else 9)
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _shortened(text: str, most: int) -> str:
    """As many of the parameters as there is room for."""
    parts = text.split(", ")
    while len(parts) > 1 and len(", ".join(parts)) > most:
        parts.pop()
    return ", ".join(parts)
