"""The picture of a trial of policies, worked out: held-out loss, and accuracy, against the step.

Pure numbers and text; `lrfind.plotting.trial_drawing` puts them on paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrfind.plotting.axes import Axis, linear_axis, log_axis
from lrfind.range_test.plot import Series, wrapped
from lrfind.report.formatting import rate_text
from lrfind.schedule.plot import TOGETHER
from lrfind.schedule.trial_report import accuracy_text, loss_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lrfind.range_test.plot import Box
    from lrfind.schedule.results import Tried

    Floats = NDArray[np.float64]

_WIDTH, _LEFT, _RIGHT, _GAP = 7.2, 0.76, 0.16, 0.72
"""Inches: of the picture, before the first panel, after the last, between two."""

_PANEL, _BELOW, _TITLE_LINE, _KEY_LINE = 2.35, 0.50, 0.18, 0.17
"""Inches: height of a panel, of the text below it, of a line of the title and of the key."""

_FIRST = 7
"""The first of so many parts of the best policy's way may lie above the frame: there all fall alike."""

_DECADES = 100
"""From such a ratio of losses on, the axis is a log axis."""


@dataclass(frozen=True, slots=True, eq=False)
class PolicyLine:
    """One policy.

    Attributes:
        mean: Over the seeds that were read.
        band: Mean less and plus a standard deviation over the seeds, without what a seed does to all policies
            alike; both empty for a single seed, and but for the best where many would hide each other.
        colour: Counts the policies from 0, as in the picture of their rates.
        best: Whether it ended lowest.
    """

    mean: Series
    band: tuple[Series, Series]
    colour: int
    best: bool


@dataclass(frozen=True, slots=True, eq=False)
class TriedPanel:
    """Loss or accuracy against the step.

    Attributes:
        across: The steps.
        upright: Loss or accuracy.
        lines: One a policy that was read.
        box: Frame as shares of the picture: left, lower edge, width, height.
    """

    across: Axis
    upright: Axis
    lines: tuple[PolicyLine, ...]
    box: Box


@dataclass(frozen=True, slots=True)
class TriedFigure:
    """All that the picture shows.

    Attributes:
        title: Wrapped to the picture's width.
        panels: The loss, and the accuracy beside it where it was measured.
        key: What each policy came to, a line a policy.
        best: The line of the key that ended lowest, or None.
        key_at: Upper edge of the key as a share of the picture.
        key_line: Height of a line of it.
        size: Width and height in inches.
    """

    title: str
    panels: tuple[TriedPanel, ...]
    key: tuple[str, ...]
    best: int | None
    key_at: float
    key_line: float
    size: tuple[float, float]


def tried_figure(tried: Tried, lr: float, title: str) -> TriedFigure:
    """Works out the picture; runs that were cut off are shown as far as they came.

    Args:
        tried: What was measured.
        lr: The peak rate.
        title: What was trained on what.
    """
    count = len(tried.seeds)
    over = "one seed" if count == 1 else f"mean of {count} seeds"
    if len(tried.finished) > 1:
        over += ", band: ± one standard deviation, compared seed by seed"
    cut_off = " (cut off)" if tried.interrupted else ""
    lines = wrapped(f"{title}, policies with a peak of {rate_text(lr)}{cut_off}\n{over[0].upper()}{over[1:]}")
    key = tuple(_key(tried))
    height = 0.1 + _TITLE_LINE * len(lines) + 0.16 + _PANEL + _BELOW + _KEY_LINE * len(key) + 0.08
    low = (0.08 + _KEY_LINE * len(key) + _BELOW) / height
    kinds = ["loss", "accuracy"] if tried.measures_accuracy else ["loss"]
    width = (_WIDTH - _LEFT - _RIGHT - (len(kinds) - 1) * _GAP) / len(kinds)
    panels = []
    for column, kind in enumerate(kinds):
        left = _LEFT + column * (width + _GAP)
        drawn = _lines(tried, kind)
        panels.append(
            TriedPanel(
                across=linear_axis(
                    0, tried.read_at[-1], "step", intervals=4 if len(kinds) > 1 else 6, whole=True
                ),
                upright=_accuracy_axis(drawn) if kind == "accuracy" else _loss_axis(drawn),
                lines=drawn,
                box=(left / _WIDTH, low, width / _WIDTH, _PANEL / height),
            )
        )
    key_at = (0.06 + _KEY_LINE * len(key)) / height
    return TriedFigure(
        "\n".join(lines), tuple(panels), key, tried.best, key_at, _KEY_LINE / height, (_WIDTH, height)
    )


def _key(tried: Tried) -> list[str]:
    count = len(tried.finished)
    found = []
    for outcome in tried.outcomes:
        told = loss_text(outcome, count)
        if outcome.loss is not None:
            right = accuracy_text(outcome)
            told = f"ends at a held-out loss of {told}" + (f", accuracy {right}" if right else "")
        found.append(f"{outcome.policy}: {told}")
    return found


def _lines(tried: Tried, kind: str) -> tuple[PolicyLine, ...]:
    steps = np.array(tried.read_at, dtype=np.float64)
    values = _values(tried, kind, finished=False)
    spreads = _spreads(tried, kind)
    nothing = Series("", np.empty(0), np.empty(0))
    found = []
    for i, policy in enumerate(tried.policies):
        count = np.isfinite(values[:, i]).sum(axis=0)
        known = count > 0
        if not known.any():
            continue
        mean = np.where(np.isfinite(values[:, i]), values[:, i], 0.0).sum(axis=0)[known] / count[known]
        band = (nothing, nothing)
        spread = spreads[i, known]
        if np.isfinite(spread).all() and (len(tried.policies) <= TOGETHER or tried.best == i):
            band = (Series("", steps[known], mean - spread), Series("", steps[known], mean + spread))
        found.append(PolicyLine(Series(policy, steps[known], mean), band, i, tried.best == i))
    return tuple(found)


def _values(tried: Tried, kind: str, *, finished: bool) -> Floats:
    """Shape (seeds, policies, readings)."""
    seeds = tried.finished if finished else tried.seeds
    rows = [seed.accuracies if kind == "accuracy" else seed.losses for seed in seeds]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(tried.policies), len(tried.read_at))


def _spreads(tried: Tried, kind: str) -> Floats:
    """Standard deviation over the finished seeds, shape (policies, readings); NaN where there is none.

    Each seed is first moved by what all policies have in common with it, so that its mean over the policies
    is that of all seeds: how hard its held-out samples are says nothing about a policy.

    Source: Cousineau, "Confidence intervals in within-subject designs", Tutorials in Quantitative Methods for
    Psychology 1 (2005).
    """
    nothing = np.full((len(tried.policies), len(tried.read_at)), np.nan)
    values = _values(tried, kind, finished=True)
    kept = [i for i, outcome in enumerate(tried.outcomes) if not outcome.diverged]
    if len(values) < 2 or not kept:
        return nothing
    values = values - values[:, kept].mean(axis=1, keepdims=True)
    nothing[kept] = values[:, kept].std(axis=0, ddof=1)
    return nothing


def _settled(line: PolicyLine) -> Floats:
    """A line without its beginning."""
    return line.mean.y[len(line.mean.y) // _FIRST :]


def _shown(lines: Sequence[PolicyLine]) -> Floats:
    """What the frame holds: where the policies end, and the way of those that ended best."""
    ends = np.array([line.mean.y[-1] for line in lines])
    ways = [_settled(line) for line in lines if line.best] or [_settled(line) for line in lines]
    return np.concatenate([ends, *ways])


def _loss_axis(lines: Sequence[PolicyLine]) -> Axis:
    if not lines:
        return linear_axis(0.0, 1.0, "held-out loss")
    values = _shown(lines)
    low, high = float(min(line.mean.y.min() for line in lines)), float(values.max())
    if low > 0 and high > _DECADES * low:
        return log_axis(low, high, "held-out loss")
    return linear_axis(low, max(high, low + 0.02 * abs(low) + 1e-12), "held-out loss", intervals=5)


def _accuracy_axis(lines: Sequence[PolicyLine]) -> Axis:
    if not lines:
        return linear_axis(0.0, 1.0, "held-out accuracy", percent=True)
    low, high = float(_shown(lines).min()), float(max(line.mean.y.max() for line in lines))
    return linear_axis(min(low, high - 0.002), high, "held-out accuracy", intervals=5, percent=True)
