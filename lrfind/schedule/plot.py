"""The picture of learning-rate policies: a few in one panel, many in a panel each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lrfind.plotting.axes import Axis, linear_axis
from lrfind.plotting.page import Entry, Key, Page, Row, column_width
from lrfind.plotting.panel import (
    FONT_SIZE,
    MIDDLE,
    Band,
    Dash,
    Layer,
    Line,
    Panel,
    above,
    colour_of,
)
from lrfind.report.formatting import counted, listed
from lrfind.schedules.policy import Policy
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.schedule.peak import Peak
    from lrfind.schedules.schedule import Schedule, ScheduleTable
    from lrfind.statistics import Floats

LEFT, RIGHT = 0.76, 0.16
"""Inches before the first panel and after the last."""

_PANEL, _MOMENTUM, _MOMENTUM_GAP, _BELOW = 2.35, 1.55, 0.76, 0.52
"""Inches: height of the one panel; width of that of the momentum and the gap before it; the axis below."""

_COLUMNS, _SMALL, _GAP, _ABOVE, _ROOM = 3, 0.95, 0.22, 0.45, 0.32
"""Panels a row where each policy has one; in inches their height, the gap between them, the text above, and
what an axis of its own takes beside a panel."""

TOGETHER = 5
"""So many policies can be told apart in one panel."""

_DASHES: tuple[Dash, ...] = ((), (7, 1.5), (4, 1.5), (6, 1.2, 1.2, 1.2), (1.5, 1.2))
"""Through the gaps of the later ones the earlier ones show where they lie on each other."""

_NOTE_CHARACTERS, _KEY_CHARACTERS = 36, 96
_MOST_POINTS = 3000
_FEW = 31
"""Up to so many steps each is a dot of its own."""


def schedule_page(tables: Sequence[ScheduleTable], peak: Peak) -> Page:
    """Works out the picture.

    Args:
        tables: The schedules, all of as many steps.
        peak: Where their rates come from, for the title.
    """
    make = _together if len(tables) <= TOGETHER else _apart
    return Page(_title(tables, peak), make(tables), left=LEFT, right=RIGHT)


def dash_of(index: int) -> Dash:
    """A dash for lines that may lie on each other, counted from 0."""
    return _DASHES[index % len(_DASHES)]


def _together(tables: Sequence[ScheduleTable]) -> tuple[Row | Key, ...]:
    """One panel of rates, the momentum beside it, and a key that says what each curve is made of."""
    lines = [_line(table, i, dash_of(i)) for i, table in enumerate(tables)]
    moved = any(table.momenta is not None for table in tables)
    width = column_width(1, 0.0, left=LEFT, right=RIGHT) - (_MOMENTUM + _MOMENTUM_GAP if moved else 0.0)
    x, y = _step_axis(tables, 6), _rate_axis(tables, 5)
    panels = [Panel(x, y, tuple(lines), width, _PANEL, grid="both")]
    if moved:
        momenta = [
            _momentum(table, i, dash_of(i)) for i, table in enumerate(tables) if table.momenta is not None
        ]
        axes = _step_axis(tables, 4), _momentum_axis(tables, 5, "momentum")
        panels.append(Panel(*axes, tuple(momenta), _MOMENTUM, _PANEL, grid="both"))
    entries = [
        Entry(_shortened(_made_of(table.schedule), _KEY_CHARACTERS), line)
        for table, line in zip(tables, lines, strict=True)
    ]
    return Row(tuple(panels), 0.16, _BELOW, gap=_MOMENTUM_GAP), Key(tuple(entries), columns=1)


def _apart(tables: Sequence[ScheduleTable]) -> tuple[Row | Key, ...]:
    """A panel a policy, all on the same axes, and one of the momentum, with an axis of its own."""
    width = column_width(_COLUMNS, _GAP, left=LEFT, right=RIGHT)
    moved = [table for table in tables if table.momenta is not None]
    count = len(tables) + len(moved)
    step, rate = _step_axis(tables, 4), _rate_axis(tables, 3)
    panels = []
    for i in range(count):
        x = step if i + _COLUMNS >= count else step.bare
        if i >= len(tables):
            table = moved[i - len(tables)]
            heading, note = f"{table.schedule.policy.value}: momentum", ""
            line, y = _momentum(table, 1, ()), _momentum_axis(moved, 3, "")
            room = _ROOM if i % _COLUMNS else 0.0
        else:
            heading = tables[i].schedule.policy.value
            note = _shortened(", ".join(_parameters(tables[i].schedule)), _NOTE_CHARACTERS)
            line, y, room = _line(tables[i], 0, ()), rate if i % _COLUMNS == 0 else rate.bare, 0.0
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


def _line(table: ScheduleTable, index: int, dash: Dash) -> Line:
    """The rates; one that is held between drops stays so to the end, for no update has the one after that."""
    stairs = table.schedule.policy in (Policy.STEP, Policy.MULTISTEP)
    rates = np.append(table.rates[:-1], table.rates[-2]) if stairs else table.rates
    x, y = _points(rates)
    name = table.schedule.policy.value
    dots = 3.0 if len(x) <= _FEW else 0.0
    return Line(x, y, colour_of(index), name, width=1.6, dash=dash, stairs=stairs, dots=dots)


def _momentum(table: ScheduleTable, index: int, dash: Dash) -> Line:
    assert table.momenta is not None
    x, y = _points(table.momenta)
    return Line(x, y, colour_of(index), "momentum", width=1.6, dash=dash, dots=3.0 if len(x) <= _FEW else 0.0)


def _points(values: Floats) -> tuple[Floats, Floats]:
    """Step and value; of very many, evenly spread ones."""
    steps = np.arange(len(values))
    if len(steps) > _MOST_POINTS:
        steps = np.unique(np.linspace(0, len(values) - 1, _MOST_POINTS).round().astype(int))
    return steps.astype(np.float64), values[steps]


def _step_axis(tables: Sequence[ScheduleTable], intervals: int) -> Axis:
    return linear_axis(0, tables[0].schedule.num_steps, "step", intervals=intervals, whole=True)


def _rate_axis(tables: Sequence[ScheduleTable], intervals: int) -> Axis:
    high = max(float(table.rates.max()) for table in tables)
    return linear_axis(0, high, "learning rate", intervals=intervals)


def _momentum_axis(tables: Sequence[ScheduleTable], intervals: int, label: str) -> Axis:
    values = np.concatenate([table.momenta for table in tables if table.momenta is not None])
    return linear_axis(float(values.min()), float(values.max()), label, intervals=intervals)


def _title(tables: Sequence[ScheduleTable], peak: Peak) -> str:
    names = [table.schedule.policy.value for table in tables]
    if len(names) > TOGETHER:
        title = f"{len(names)} learning-rate policies"
    elif len(names) == 1:
        title = f"Learning-rate policy {names[0]}"
    else:
        title = f"Learning-rate policies {listed(names)}"
    title += f", {counted(tables[0].schedule.num_steps, 'step')}"
    policies = [table.schedule.policy for table in tables]
    name = "peak" if peak.is_reached_by(each.schedule for each in tables) else "rate"
    title += f", {name} {peak.text(policies)}"
    return f"{title}\n{name.capitalize()} {peak.source}" if peak.source else title


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
