"""The picture of the runs around a rate, worked out: how each trained, and where each ended.

Pure numbers and text; `lrfind.plotting.verify_drawing` puts them on paper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrfind.plotting.axes import Axis, linear_axis, log_axis
from lrfind.range_test.plot import Series, wrapped
from lrfind.report.formatting import rate_text
from lrfind.training.smoothing import centred
from lrfind.verify.candidates import Role
from lrfind.verify.report import roles_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lrfind.range_test.plot import Box
    from lrfind.verify.candidates import Trials
    from lrfind.verify.judge import Judgement

    Floats = NDArray[np.float64]

_WIDTH, _PANEL, _ABOVE, _BELOW, _TITLE_LINE, _KEY_LINE = 7.2, 2.5, 0.32, 0.45, 0.18, 0.16
"""Inches: width of the picture; heights of a panel, of what stands above and below it, of lines of text."""

_LEFT, _RIGHT = (0.62, 3.35), (4.62, 2.48)
"""Inches: left edge and width of each panel."""

_KEYS_A_ROW = 2
"""Entries of the key beside each other: a rate, why it was tried, and how it ended."""

_SMOOTHED_OVER = 60
"""A run is smoothed with a kernel whose standard deviation is so many-th of its length."""

_ASIDE = 1.3
"""How far beside the first and the last rate the right panel goes, as a factor."""

_ROOM = 0.3
"""How far above the initial loss the frame goes, as a share of the fall below it."""

_CLIFF = 3.0
"""The same for what is cut off before it is smoothed: a cliff would be smeared over what is before it."""


@dataclass(frozen=True, slots=True, eq=False)
class RateFigure:
    """One rate.

    Attributes:
        key: The rate, why it was tried and how it ended.
        checked: Whether it is the rate in question.
        each: The smoothed training loss of every seed; a line ends where its run did.
        mean: Their mean, as far as all seeds got.
        finals: Held-out losses at the end, one a seed, at the rate.
        final: Their mean at the rate; empty where one diverged.
        diverged: Where runs that diverged, or ended above the frame, are marked: at its upper edge.
    """

    key: str
    checked: bool
    each: tuple[Series, ...]
    mean: Series
    finals: Series
    final: Series
    diverged: Series


@dataclass(frozen=True, slots=True, eq=False)
class VerifyFigure:
    """All that the picture shows.

    Attributes:
        title: What is trained on what and how, wrapped to the picture's width.
        heading: What the left panel shows.
        answer: What the right panel shows: whether the rate holds.
        holds: Whether the checked rate holds and the pinned one, if any, is sensible; None where nothing can
            be said.
        step: Horizontal axis of the left panel.
        loss: Its upright axis, the training loss.
        rate: Horizontal axis of the right panel.
        held_out: Its upright axis.
        rates: What was measured, rising.
        start: Mean held-out loss before training; None where nothing was measured.
        good: The held-out losses within the margin of the best; None where there is none.
        good_text: What is written of them.
        size: Width and height in inches.
        left_panel: Frame as shares of the picture: left, lower edge, width, height.
        right_panel: The other one.
        keys_a_row: Entries of the key beside each other.
    """

    title: str
    heading: str
    answer: str
    holds: bool | None
    step: Axis
    loss: Axis
    rate: Axis
    held_out: Axis
    rates: tuple[RateFigure, ...]
    start: float | None
    good: tuple[float, float] | None
    good_text: str
    size: tuple[float, float]
    left_panel: Box
    right_panel: Box
    keys_a_row: int


def verify_figure(trials: Trials | None, judgement: Judgement | None, title: str) -> VerifyFigure:
    """Works out the picture.

    Args:
        trials: What was measured; None where there was no rate to run.
        judgement: What it says; None where it was cut off.
        title: What is trained on what and how.
    """
    lines = wrapped(title)
    count = 0 if trials is None else len(trials.candidates)
    keys = _KEY_LINE * -(-count // _KEYS_A_ROW)
    height = keys + _BELOW + _PANEL + _ABOVE + _TITLE_LINE * len(lines) + 0.14
    bottom = (keys + _BELOW + 0.06) / height
    level = -math.inf if trials is None else _level(trials)
    curves: list[list[Floats]] = []
    if trials is not None and math.isfinite(level):
        curves = [_curves(trials, rate, _cliff(trials, level)) for rate in range(count)]
    elif trials is not None:
        curves = [[] for _ in range(count)]
    finals = np.empty(0) if trials is None else np.concatenate([[], *(t.finals for t in trials.seeds)])
    start = None
    if trials is not None and trials.seeds:
        start = float(np.mean([trial.start for trial in trials.seeds]))
    loss = _loss_axis([curve for each in curves for curve in each], level)
    held_out = _held_out_axis(finals, start)
    rates: tuple[RateFigure, ...] = ()
    if trials is not None:
        rates = tuple(_rate(trials, judgement, i, curves[i], held_out.limits) for i in range(count))
    num_steps = 1 if trials is None else trials.num_steps
    lrs = np.array([0.01, 0.1]) if trials is None else trials.lrs
    seeds = 0 if trials is None else len(trials.seeds)
    good = None
    if judgement is not None and judgement.drop > 0:
        best = judgement.start - judgement.drop
        good = (best, best + judgement.margin * judgement.drop)
    return VerifyFigure(
        title="\n".join(lines),
        heading="same start and batches"
        + (f"; thin: {seeds} seeds, thick: mean" if seeds > 1 else ", one seed"),
        answer=_answer(trials, judgement),
        holds=None if judgement is None else judgement.holds and judgement.sensible is not False,
        step=linear_axis(0.0, max(num_steps - 1, 1), "step", intervals=5, whole=True),
        loss=loss,
        rate=log_axis(
            float(lrs.min()) / _ASIDE,
            float(lrs.max()) * _ASIDE,
            "learning rate (log axis, base 10)",
            max_labels=5,
        ),
        held_out=held_out,
        rates=rates,
        start=start,
        good=good,
        good_text="" if good is None or judgement is None else f"within {judgement.margin:.0%} of the drop",
        size=(_WIDTH, height),
        left_panel=(_LEFT[0] / _WIDTH, bottom, _LEFT[1] / _WIDTH, _PANEL / height),
        right_panel=(_RIGHT[0] / _WIDTH, bottom, _RIGHT[1] / _WIDTH, _PANEL / height),
        keys_a_row=_KEYS_A_ROW,
    )


def _rate(
    trials: Trials, judgement: Judgement | None, rate: int, curves: list[Floats], limits: tuple[float, float]
) -> RateFigure:
    candidate = trials.candidates[rate]
    finals = np.array([trial.finals[rate] for trial in trials.seeds])
    seen = finals[np.isfinite(finals)]
    shown = seen[seen <= limits[1]]
    lost = len(seen) > len(shown) or bool(np.isinf(finals).any())
    mean = seen.mean() if len(seen) and not np.isinf(finals).any() else math.nan
    ended = ""
    if judgement is not None:
        times, seeds = int(judgement.diverged[rate]), len(trials.seeds)
        ended = f": ends at {judgement.means[rate]:.3g}"
        if times:
            ended = ": diverged" if times == seeds else f": diverged on {times} of {seeds} seeds"
    return RateFigure(
        key=f"{rate_text(candidate.lr)}, {roles_text(candidate)}{ended}",
        checked=bool({Role.SUGGESTION, Role.GIVEN} & set(candidate.roles)),
        each=tuple(Series("", np.arange(len(curve), dtype=np.float64), curve) for curve in curves),
        mean=_mean(curves),
        finals=_at(candidate.lr, shown),
        final=_at(candidate.lr, np.array([mean] if mean <= limits[1] else [])),
        # A little below the edge, which has writing above it.
        diverged=_at(candidate.lr, np.array([limits[1] - 0.025 * (limits[1] - limits[0])] if lost else [])),
    )


def _at(lr: float, losses: Floats) -> Series:
    return Series("", np.full(len(losses), lr), losses)


def _level(trials: Trials) -> float:
    """Where training begins: the highest loss of a first batch; minus infinity where none is known."""
    first = np.concatenate([[], *(trial.losses[:, 0] for trial in trials.seeds)])
    return float(np.max(first[np.isfinite(first)], initial=-math.inf))


def _cliff(trials: Trials, level: float) -> float:
    """The loss from which on a run is off the picture."""
    known = np.concatenate([[], *(trial.losses.ravel() for trial in trials.seeds)])
    low = float(np.min(known[np.isfinite(known)], initial=level))
    return level + _CLIFF * max(level - low, 0.25 * abs(level))


def _curves(trials: Trials, rate: int, highest: float) -> list[Floats]:
    """The smoothed training loss of each seed, as far as it is finite."""
    found = []
    for trial in trials.seeds:
        losses = trial.losses[rate, : trial.steps_taken[rate]]
        bad = np.flatnonzero(~np.isfinite(losses))
        losses = losses[: bad[0]] if len(bad) else losses
        width = max(trials.num_steps / _SMOOTHED_OVER, 0.5)
        losses = np.minimum(losses, highest)
        if len(losses):
            # At the ends the local line may point beyond all that was measured.
            losses = np.clip(centred(losses, width)[0], losses.min(), losses.max())
        found.append(losses)
    return found


def _mean(curves: list[Floats]) -> Series:
    shortest = min((len(curve) for curve in curves), default=0)
    if not shortest:
        return Series("", np.empty(0), np.empty(0))
    mean = np.mean([curve[:shortest] for curve in curves], axis=0)
    return Series("", np.arange(shortest, dtype=np.float64), mean)


def _loss_axis(curves: list[Floats], level: float) -> Axis:
    """From the lowest loss to a little above where the runs begin: a cliff would hide everything else."""
    label = "training loss, smoothed"
    curves = [curve for curve in curves if len(curve)]
    if not curves:
        return linear_axis(0.0, 1.0, label, intervals=5)
    low = min(float(curve.min()) for curve in curves)
    high = max(float(curve.max()) for curve in curves)
    level = max(level, low)
    return linear_axis(low, min(high, level + _ROOM * (level - low)), label, intervals=5)


def _held_out_axis(finals: Floats, start: float | None) -> Axis:
    """The losses at the end, and the one before training, which all is measured against."""
    label = "held-out loss at the end"
    seen = finals[np.isfinite(finals)]
    if start is None or not np.isfinite(start):
        known = seen if len(seen) else np.array([0.0, 1.0])
        return linear_axis(float(known.min()), float(known.max()), label, intervals=5)
    low = float(seen.min()) if len(seen) else start
    room = _ROOM * max(start - low, 0.25 * abs(start))
    high = min(max(float(seen.max(initial=start)), start), start + room)
    return linear_axis(min(low, start), high, label, intervals=5)


def _answer(trials: Trials | None, judgement: Judgement | None) -> str:
    if trials is None:
        return "no learning rate to check"
    if judgement is None:
        return "interrupted: not judged"
    lr = rate_text(float(trials.lrs[judgement.checked]))
    if judgement.holds is None:
        return "nothing was learnt: not judged"
    said = f"{lr} holds" if judgement.holds else f"{lr} does not hold"
    if judgement.pinned is not None and judgement.sensible is False:
        pinned = rate_text(float(trials.lrs[judgement.pinned]))
        return f"{said}, {pinned} is not sensible" if judgement.pinned != judgement.checked else said
    if judgement.holds or judgement.recommended is None:
        return said
    return f"{said}: try {rate_text(float(trials.lrs[judgement.recommended]))}"
