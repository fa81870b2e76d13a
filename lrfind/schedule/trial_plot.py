"""The picture of a trial of policies: held-out loss, and accuracy, over the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lrfind.plotting.axes import Axis, linear_axis, log_axis
from lrfind.plotting.limits import outcome_limits
from lrfind.plotting.page import Entry, Key, Page, Row, column_width
from lrfind.plotting.panel import Band, Layer, Line, Panel, colour_of
from lrfind.schedule.peak import peaks_text
from lrfind.schedule.plot import LEFT, RIGHT, TOGETHER, dash_of
from lrfind.schedule.trial_report import accuracy_text, loss_text
from lrfind.statistics import known_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.schedule.results import Tried
    from lrfind.statistics import Floats

_GAP, _PANEL, _ABOVE, _BELOW = 0.72, 2.35, 0.16, 0.52
"""Inches: between two panels; heights of a panel, above and below it."""

_MARKED = 25
"""Up to so many readings each is a dot of its own."""

_DECADES = 100
"""From such a ratio of losses on, the axis is a log axis."""


def trial_page(tried: Tried, title: str) -> Page:
    """Works out the picture; runs that were cut off are shown as far as they came.

    Args:
        tried: What was measured.
        title: What was trained on what.
    """
    count = len(tried.seeds)
    over = "One seed" if count == 1 else f"Mean of {count} seeds"
    if len(tried.finished) > 1:
        over += (
            ". Band: ± one standard deviation of the distance to the mean of all policies on the same seed; "
            "below, ± is that of the losses themselves"
        )
    cut_off = " (cut off)" if tried.interrupted else ""
    kinds = ["loss", "accuracy"] if tried.measures_accuracy else ["loss"]
    width = column_width(len(kinds), _GAP, left=LEFT, right=RIGHT)
    row = Row(tuple(trial_panel(tried, kind, width) for kind in kinds), _ABOVE, _BELOW, gap=_GAP)
    peaks = peaks_text({course.schedule.policy: course.schedule.lr for course in tried.courses})
    return Page(
        f"{title}, policies with a peak of {peaks}{cut_off}\n{over}",
        (row, _key(tried)),
        left=LEFT,
        right=RIGHT,
    )


def trial_panel(tried: Tried, kind: str, width: float) -> Panel:
    """Loss or accuracy of every policy that was read, the mean over the seeds.

    Each has a band of a standard deviation over the seeds, without what a seed does to all policies alike;
    of many policies, whose bands would hide each other, the best alone.
    """
    steps = np.array(tried.read_at, dtype=np.float64)
    values, spreads = _values(tried, kind, finished=False), _spreads(tried, kind)
    lines: list[Line] = []
    bands: list[Layer] = []
    for i, policy in enumerate(tried.policies):
        mean = known_mean(values[:, i])
        read = np.isfinite(mean)
        if not read.any():
            continue
        mean, x, spread = mean[read], steps[read], spreads[i, read]
        best, colour = tried.best == i, colour_of(i)
        if np.isfinite(spread).all() and (len(tried.policies) <= TOGETHER or best):
            bands.append(Band(x, mean - spread, mean + spread, colour, opacity=0.14))
        dots = 0.0 if len(mean) > _MARKED else 3.2 if best else 2.2
        line = Line(x, mean, colour, policy, width=2.0 if best else 1.1, dash=_dash(i), dots=dots)
        lines.append(line)
    lines.sort(key=lambda line: line.width)
    y = _value_axis([line.y for line in lines], _best_of(lines, tried), kind)
    first, last = tried.read_at[0], tried.read_at[-1]
    x_axis = linear_axis(
        first if first < last else 0, last, "step", intervals=4 if width < 4 else 6, whole=True
    )
    return Panel(x_axis, y, (*bands, *lines), width, _PANEL, grid="both")


def _best_of(lines: Sequence[Line], tried: Tried) -> list[Floats]:
    name = None if tried.best is None else tried.policies[tried.best]
    return [line.y for line in lines if line.name == name]


def _dash(index: int) -> tuple[float, ...]:
    """Of more policies than there are colours, the others are dashed."""
    return dash_of(index // TOGETHER)


def _key(tried: Tried) -> Key:
    """What each policy came to, a line a policy."""
    count = len(tried.finished)
    entries = []
    for i, outcome in enumerate(tried.outcomes):
        ended = loss_text(outcome, count)
        if outcome.loss is not None:
            right = accuracy_text(outcome)
            ended = f"ends at a held-out loss of {ended}" + (f", accuracy {right}" if right else "")
        best, nothing = tried.best == i, np.empty(0)
        looks = Line(nothing, nothing, colour_of(i), width=2.2 if best else 1.4, dash=_dash(i))
        entries.append(Entry(f"{outcome.policy}: {ended}", looks, bold=best))
    return Key(tuple(entries), columns=1)


def _values(tried: Tried, kind: str, *, finished: bool) -> Floats:
    """Shape (seeds, policies, readings)."""
    seeds = tried.finished if finished else tried.seeds
    rows = [seed.accuracies if kind == "accuracy" else seed.readings for seed in seeds]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(tried.policies), len(tried.read_at))


def _spreads(tried: Tried, kind: str) -> Floats:
    """Standard deviation over the finished seeds, shape (policies, readings); NaN where there is none.

    Each seed is first moved by what all policies have in common with it, so that its mean over the policies
    is that of all seeds: how hard its held-out samples are says nothing about a policy.

    Source: Cousineau, "Confidence intervals in within-subject designs", Tutorials in Quantitative Methods for
    Psychology 1 (2005).
    """
    spreads = np.full((len(tried.policies), len(tried.read_at)), np.nan)
    values = _values(tried, kind, finished=True)
    kept = [i for i, outcome in enumerate(tried.outcomes) if not outcome.diverged]
    if len(values) < 2 or not kept:
        return spreads
    values = values - values[:, kept].mean(axis=1, keepdims=True)
    spreads[kept] = values[:, kept].std(axis=0, ddof=1)
    return spreads


def _value_axis(curves: Sequence[Floats], best: Sequence[Floats], kind: str) -> Axis:
    """Where the policies end, and the way of the one that ended best."""
    rising, label = kind == "accuracy", f"held-out {kind}"
    low, high = outcome_limits(curves, best, rising=rising)
    if not rising and low > 0 and high > _DECADES * low:
        return log_axis(low, high, label)
    return linear_axis(low, high, label, intervals=5, percent=rising)
