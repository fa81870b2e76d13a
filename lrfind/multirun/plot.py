"""The picture of a multirun: all its curves in one panel, with the rate that each job suggests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lrfind.multirun.curves import MEASURED
from lrfind.multirun.report import varied
from lrfind.plotting.axes import linear_axis, rate_axis
from lrfind.plotting.limits import loss_limits
from lrfind.plotting.page import Entry, Key, Page, Row, column_width, key_of
from lrfind.plotting.panel import BLACK, Layer, Line, Panel, Points, Shape, colours_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.multirun.curves import JobCurve
    from lrfind.multirun.results import MultirunJob

_PANEL = 3.2
"""Inches: height of the panel."""

_MOST_NAMED = 24
"""Of more curves than that none is named: the key would be longer than the picture."""


def multirun_page(jobs: Sequence[MultirunJob], curves: Sequence[JobCurve]) -> Page | None:
    """Works out the picture; None where no job left a curve."""
    curves = [curve for curve in curves if np.isfinite(curve.losses).any() and (curve.lrs > 0).all()]
    if not curves:
        return None
    y = linear_axis(*_limits(curves), MEASURED[curves[0].job.command])
    width = column_width(1, 0.0)
    x = rate_axis(np.concatenate([curve.lrs for curve in curves]).tolist(), width)
    bottom, top = y.limits
    keys = varied(jobs)
    lines: list[Layer] = []
    marks: list[Layer] = []
    for curve, colour in zip(curves, colours_of(len(curves)), strict=True):
        # A loss of 1e30 would be drawn as a jump of 1e30 inches, or overflow.
        losses = np.where(np.isnan(curve.losses), np.nan, np.clip(curve.losses, None, 2 * top - bottom))
        name = _name(curve, keys) if len(curves) <= _MOST_NAMED else ""
        dots = 0.0 if curve.job.command == "range" else 3.0
        lines.append(Line(curve.lrs, losses, colour, name, width=1.3, dots=dots))
        lr = curve.job.lr
        if curve.answers and lr is not None and curve.lrs[0] <= lr <= curve.lrs[-1]:
            height = np.interp([lr], curve.lrs, losses)
            marks.append(Points(np.array([lr]), height, colour, shape=Shape.DIAMOND, size=5.0))
    panel = Panel(x, y, (*lines, *marks), width, _PANEL)
    key = key_of([panel])
    if marks:
        nowhere = np.empty(0)
        sample = Points(nowhere, nowhere, BLACK, shape=Shape.DIAMOND, size=5.0)
        key = Key((*key.entries, Entry("suggested", sample)))
    drawn = len({curve.job.number for curve in curves})
    title = f"lrfind {curves[0].job.command}, {drawn} of {len(jobs)} jobs"
    return Page(title, (Row((panel,), 0.12, 0.5), key))


def _limits(curves: Sequence[JobCurve]) -> tuple[float, float]:
    """What each curve alone would show, all together."""
    each = [loss_limits(curve.losses, curve.losses, np.empty(0)) for curve in curves]
    return min(low for low, _ in each), max(high for _, high in each)


def _name(curve: JobCurve, keys: Sequence[str]) -> str:
    values = curve.job.values
    said = ", ".join(f"{key}={values[key]}" for key in keys if key in values)
    name = f"job {curve.job.number}: {said}" if said else f"job {curve.job.number}"
    return f"{name}, {curve.part}" if curve.part else name
