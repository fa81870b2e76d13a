"""Where each rate of a search ended, and what that says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from lrfind.plotting.axes import kept_on_page, linear_axis, log_axis
from lrfind.plotting.limits import ceiling_of
from lrfind.plotting.panel import (
    DARK,
    DOTTED,
    GREEN,
    GREEN_TEXT,
    VERMILLION_TEXT,
    Layer,
    Marker,
    Panel,
    Points,
    Shape,
    Span,
    above,
)
from lrfind.plotting.text import text_width
from lrfind.suggestion import rate_text
from lrfind.training.baseline import is_gain, is_learning
from lrfind.verify.candidates import FACTOR, Role
from lrfind.verify.ends import ends_of
from lrfind.verify.rate_colours import FINE, rate_colours
from lrfind.verify.report import ROLE_WORDS, roles_text

if TYPE_CHECKING:
    from lrfind.plotting.axes import Axis
    from lrfind.statistics import Floats
    from lrfind.verify.candidates import Trials
    from lrfind.verify.judge import Judgement

WIDTH, HEIGHT, MARGIN = 2.48, 2.5, 0.1
"""Inches: of the panel, and between it and the edge of the page."""

GREY = "#808080"
"""Of what belongs to no rate."""

_ASIDE = 1.3
"""How far beside the first and the last rate the panel goes, as a factor."""

_NEAR, _LEAST = 0.4, 0.05
"""Shares of the drop: the panel shows what is worse than the best by less than the first, and at least the
second."""

_HELD = {True: "holds", False: "does not hold", None: "is not judged"}
"""What is said of the rate in question."""


def ends_panel(trials: Trials, judgement: Judgement | None) -> Panel:
    """The held-out loss at the end of every run over its rate, their mean, and whether the rate holds.

    Args:
        trials: What was measured.
        judgement: What it says; None where it was cut off.
    """
    start, blind, y = start_of(trials), blind_of(trials), held_out_axis(trials)
    shown = trials.lrs[~np.isnan(trials.finals).all(axis=0)].tolist()
    aside = _ASIDE if len(shown) > 1 else FACTOR
    if judgement is not None and judgement.recommended is not None:
        shown += [judgement.low, judgement.high]
    x = log_axis(min(shown) / aside, max(shown) * aside, "learning rate (log axis, base 10)", max_labels=5)
    layers: list[Layer] = []
    if judgement is not None and judgement.low < judgement.high:
        layers.append(Span("x", judgement.low, judgement.high, GREEN, opacity=0.16))
    if start is not None and start <= y.limits[1]:
        layers.append(Marker("y", start, GREY, width=0.8, dash=DOTTED))
    if blind is not None:
        layers.append(Marker("y", blind, GREY, width=0.8, dash=FINE))
    for rate, colour in enumerate(rate_colours(trials)):
        layers += _ends(trials, rate, colour, y)
    holds = None if judgement is None else judgement.holds and judgement.sensible is not False
    colour = {True: GREEN_TEXT, False: VERMILLION_TEXT, None: DARK}[holds]
    said = answer(trials, judgement)
    for row, text in enumerate(reversed(said)):
        # What is longer than the panel goes to its left, where there is room above the other one.
        is_long = text_width(text) > WIDTH
        align: Literal["right", "center"] = "right" if is_long else "center"
        layers.append(above(text, 1.0 if is_long else 0.5, row, align=align, colour=colour, bold=True))
    return Panel(kept_on_page(x, WIDTH, MARGIN), y, tuple(layers), WIDTH, HEIGHT)


def _ends(trials: Trials, rate: int, colour: str, y: Axis) -> list[Layer]:
    """Each seed's end, their mean where none diverged; at the edge what diverged, or lies above the frame."""
    lr, (low, high) = trials.candidates[rate].lr, y.limits
    finals = np.array([trial.finals[rate] for trial in trials.seeds])
    known = finals[np.isfinite(finals)]
    shown = known[known <= high]
    diverged = bool(np.isinf(finals).any())
    lost = diverged or len(known) > len(shown)
    mean = known.mean(keepdims=True) if len(known) and not diverged else np.empty(0)
    mean = mean[mean <= high]
    # A little below the edge, which has writing above it.
    edge = np.array([high - 0.025 * (high - low)] if lost else [])

    def at_rate(losses: Floats, shape: Shape, size: float, opacity: float = 1.0) -> Points:
        x = np.full(len(losses), lr)
        return Points(x, losses, colour, shape=shape, size=size, opacity=opacity, clipped=False)

    return [
        at_rate(shown, Shape.DOT, 3.0, 0.5),
        at_rate(mean, Shape.BAR, 13.0),
        at_rate(edge, Shape.CROSS if diverged else Shape.UP, 6.0),
    ]


def held_out_axis(trials: Trials) -> Axis:
    """The losses at the end that come near the lowest: of those above the frame there is a triangle."""
    known, start = trials.finals[np.isfinite(trials.finals)], start_of(trials)
    if start is None:
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    else:
        low, blind = min(float(known.min(initial=start)), start), blind_of(trials)
        # All of the drop would leave no room to tell good rates from one another.
        learnt = blind is None and is_gain(start, low)
        low = low if blind is None else min(low, blind)
        if learnt and is_gain(trials.blind.loss, low):
            start = min(start, trials.blind.loss)  # as the drop is counted
        near = low + _NEAR * (start - low) if learnt else ceiling_of(start, known)
        highest = float(known.max(initial=low if learnt else start))
        high = min(max(highest, low + _LEAST * (start - low)), near)
    return linear_axis(low, high, "held-out loss at the end", intervals=5)


def start_of(trials: Trials) -> float | None:
    """Mean held-out loss before training; None where it was not finite."""
    start = float(np.mean([trial.start for trial in trials.seeds]))
    return start if math.isfinite(start) else None


def blind_of(trials: Trials) -> float | None:
    """The loss of the same answer to every input, where the rates came down to that and not below."""
    start, blind = start_of(trials), trials.blind.loss
    if start is None or not blind < start:
        return None
    means = ends_of(trials.finals).means
    lowest = float(np.min(means[np.isfinite(means)], initial=math.inf))
    return None if is_learning(blind, start, lowest) else blind


def answer(trials: Trials, judgement: Judgement | None) -> list[str]:
    """What is suggested, and whether the rate that was checked holds: one line or two."""
    if judgement is None:
        return ["interrupted: not judged"]
    if judgement.holds is None and judgement.recommended is None:
        learnt = "too little was learnt" if judgement.fell else "nothing was learnt"
        return [f"{learnt if math.isfinite(judgement.start) else 'no finite loss'}: not judged"]
    if judgement.recommended is None:
        found, held = [], "no rate holds"
    else:
        found = [f"suggested {rate_text(float(trials.lrs[judgement.recommended]))}"]
        lr = rate_text(float(trials.lrs[judgement.checked]))
        whose = roles_text(trials.candidates[judgement.checked], trials.whose).split(", ")[0]
        whose = f"the {whose}" if whose in (ROLE_WORDS[Role.GIVEN], ROLE_WORDS[Role.PINNED]) else whose
        lr = lr if trials.meant is None else f"{rate_text(trials.meant)} (as {lr})"
        held = f"{whose} {lr} {_HELD[judgement.holds]}"
    if judgement.pinned not in (None, judgement.checked) and judgement.sensible is False:
        refused = f"{rate_text(float(trials.lrs[judgement.pinned]))} is not sensible"
        found = [", ".join([*found, refused])]
    return [*found, held]
