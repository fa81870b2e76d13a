"""The picture of a multirun: all its curves of a kind in one panel, with the rate that each job suggests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lrfind.multirun.curves import ACCURACY
from lrfind.multirun.report import varied
from lrfind.plotting.axes import linear_axis, rate_axis
from lrfind.plotting.limits import loss_limits
from lrfind.plotting.page import Entry, Key, Page, Row, column_width, key_of
from lrfind.plotting.panel import BLACK, Layer, Line, Panel, Points, Shape, colours_of
from lrfind.plotting.text import text_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.multirun.curves import JobCurve
    from lrfind.multirun.results import MultirunJob
    from lrfind.plotting.axes import Axis

_WIDTH, _PANEL = column_width(1, 0.0), 3.2
"""Inches: width and height of a panel."""

_LINE = _WIDTH - 0.3
"""Inches that a name in the key may take, behind its sample."""

_MOST_NAMED = 24
"""Of more curves than that none is named: the key would be longer than the picture."""


def multirun_page(jobs: Sequence[MultirunJob], curves: Sequence[JobCurve]) -> Page | None:
    """Works out the picture, a panel for losses and one for accuracies; None where no job left a curve."""
    curves = [curve for curve in curves if np.isfinite(curve.values).any() and (curve.lrs > 0).all()]
    if not curves:
        return None
    names = [""] * len(curves)
    if len(curves) <= _MOST_NAMED:
        keys = varied(jobs)
        names = [_name(curve, keys) for curve in curves]
    x = rate_axis(np.concatenate([curve.lrs for curve in curves]).tolist(), _WIDTH)
    looks = list(zip(curves, colours_of(len(curves)), names, strict=True))
    rows = []
    for measured in dict.fromkeys(curve.measured for curve in curves):
        panel = _panel([look for look in looks if look[0].measured == measured], x)
        rows.append(Row((panel,), 0.12, 0.5))
    key = key_of([row.panels[0] for row in rows])
    if any(isinstance(layer, Points) for row in rows for layer in row.panels[0].layers):
        nowhere = np.empty(0)
        sample = Points(nowhere, nowhere, BLACK, shape=Shape.DIAMOND, size=5.0)
        key = Key((*key.entries, Entry("suggested", sample)))
    drawn = len({curve.job.number for curve in curves})
    title = f"lrfind {curves[0].job.command}, {drawn} of {len(jobs)} jobs"
    return Page(title, (*rows, key))


def _panel(looks: Sequence[tuple[JobCurve, str, str]], x: Axis) -> Panel:
    """The panel of curves of one kind, each with its colour and its name."""
    curves = [curve for curve, _, _ in looks]
    measured = curves[0].measured
    y = linear_axis(*_limits(curves), measured, percent=measured == ACCURACY)
    bottom, top = y.limits
    lines: list[Layer] = []
    marks: list[Layer] = []
    for curve, colour, name in looks:
        # A loss of 1e30 would be drawn as a jump of 1e30 inches, or overflow.
        values = np.where(np.isnan(curve.values), np.nan, np.clip(curve.values, None, 2 * top - bottom))
        dots = 0.0 if curve.job.command == "range" else 3.0
        lines.append(Line(curve.lrs, values, colour, name, width=1.3, dots=dots))
        lr = curve.job.lr
        if curve.answers and lr is not None and curve.lrs[0] <= lr <= curve.lrs[-1]:
            height = np.interp([lr], curve.lrs, values)
            marks.append(Points(np.array([lr]), height, colour, shape=Shape.DIAMOND, size=5.0))
    return Panel(x, y, (*lines, *marks), _WIDTH, _PANEL)


def _limits(curves: Sequence[JobCurve]) -> tuple[float, float]:
    """What each curve alone would show, all together."""
    values = np.concatenate([curve.values for curve in curves])
    if curves[0].measured == ACCURACY:
        return 0.0, float(np.nanmax(values))
    each = [loss_limits(curve.values, curve.values, np.empty(0)) for curve in curves]
    return min(low for low, _ in each), max(high for _, high in each)


def _name(curve: JobCurve, keys: Sequence[str]) -> str:
    """Its job, with what it was given, in keys of one word where these are too long for a line, and cut."""
    given = {key: curve.job.values[key] for key in keys if key in curve.job.values}
    part = f", {curve.part}" if curve.part else ""
    for said in (given, {key.rpartition(".")[2]: value for key, value in given.items()}):
        pairs = ", ".join(f"{key}={value}" for key, value in said.items())
        name = f"job {curve.job.number}: {pairs}" if pairs else f"job {curve.job.number}"
        if text_width(name + part) <= _LINE:
            return name + part
    while name and text_width(f"{name}...{part}") > _LINE:
        name = name[:-1]
    return f"{name}...{part}"
