"""The picture of the runs around a rate: how each trained, and where each ended."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from lrfind.plotting.axes import Axis, linear_axis, log_axis
from lrfind.plotting.limits import ceiling_of
from lrfind.plotting.page import Entry, Key, Page, Row, text_width
from lrfind.plotting.panel import (
    BLUE,
    DARK,
    DOTTED,
    GREEN,
    GREEN_TEXT,
    MIDDLE,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
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
    shade,
)
from lrfind.report.formatting import counted
from lrfind.suggestion import rate_text
from lrfind.training.smoothing import centred
from lrfind.verify.candidates import Role
from lrfind.verify.plan import CONSTANT, horizon_text
from lrfind.verify.report import ROLE_WORDS, roles_text
from lrfind.verify.search_plot import search_panel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lrfind.plotting.panel import Colour
    from lrfind.verify.candidates import Trials
    from lrfind.verify.judge import Judgement

    Floats = NDArray[np.float64]

_TRAINING, _ENDS, _PANEL = 3.35, 2.48, 2.5
"""Inches: widths of the two upper panels and their height."""

_GAP, _SEARCH = 0.65, 1.5
"""Inches: between the two, and the height of the lower one."""

_LABELS, _MARGIN = 0.34, 0.1
"""Inches: room for the labels of a vertical axis beside its title, and to the right of all panels."""

_ABOVE, _LINE = 0.32, 0.17
"""Inches: above the upper panels where one line is written there, and for each further one."""

_OTHERS = (SKY, BLUE, PURPLE, ORANGE, MIDDLE)
"""Colours of the rates beside the one in question, rising; of more rates from cold to warm."""

_WARMEST = 0.55
"""The warmest of those: beyond it they come near the colour of the rate in question."""

_GREY, _LEFT, _NOTHING = "#808080", "#b8b8b8", np.empty(0)

_SMOOTHED_OVER = 60
"""A run is smoothed with a kernel whose standard deviation is so many-th of its length."""

_ASIDE = 1.3
"""How far beside the first and the last rate the right panel goes, as a factor."""

_NEAR, _LEAST = 0.4, 0.05
"""Shares of the drop: the right panel shows what is worse than the best by less than the first, and at least
the second."""

_HELD = {True: "holds", False: "does not hold", None: "is not judged"}
"""What is said of the rate in question."""

_CLIFF = 3.0
"""How far above the first loss, as a share of the fall below it, losses are cut off before they are smoothed:
a cliff would be smeared over what is before it."""


def verify_page(trials: Trials | None, judgement: Judgement | None, title: str) -> Page:
    """Works out the picture.

    Args:
        trials: What was measured; None where there was no rate to run.
        judgement: What it says; None where it was cut off.
        title: What is trained on what and how.
    """
    over = _ABOVE + _LINE * (len(_answer(trials, judgement)) - 1)
    first, ends = [training_panel(trials)], ends_panel(trials, judgement)
    if trials is not None and trials.moves:
        colours = dict(zip(trials.lrs.tolist(), _colours(trials), strict=True))
        first.append(search_panel(trials, colours, width=_TRAINING + _GAP + _ENDS, height=_SEARCH))
    beside = max(map(_room, first))
    training, *wide = (replace(panel, width=panel.width - beside) for panel in first)
    ends = replace(ends, width=ends.width - _room(ends), room=_room(ends))
    rows = [Row((training, ends), over, 0.48, gap=_GAP), *(Row((panel,), 0.38, 0.48) for panel in wide)]
    if trials is not None and trials.schedule != CONSTANT:
        title += f", {counted(trials.num_steps, 'step')} {horizon_text(trials.schedule)}"
    return Page(title, (*rows, _key(trials, judgement)), left=0.62 + beside, right=_MARGIN)


def _room(panel: Panel) -> float:
    """Inches that the labels of the vertical axis need beyond those that are there."""
    return max(_LABELS, *map(text_width, panel.y.tick_labels)) - _LABELS


def training_panel(trials: Trials | None) -> Panel:
    """The smoothed training loss of every seed, thin, and their mean, as far as all seeds got."""
    num_steps = 1 if trials is None else trials.num_steps
    x = linear_axis(0.0, max(num_steps - 1, 1), "step", intervals=5, whole=True)
    level = -math.inf if trials is None else _level(trials)
    if trials is None or not math.isfinite(level):
        y = linear_axis(0.0, 1.0, "training loss, smoothed", intervals=5)
        return Panel(x, y, () if trials is None else (_heading(trials),), _TRAINING, _PANEL)
    measured = np.concatenate([trial.losses.ravel() for trial in trials.seeds])
    cliff = ceiling_of(level, measured, _CLIFF)
    layers: list[Layer] = []
    shown: list[Floats] = []
    for rate, colour in enumerate(_colours(trials)):
        curves = _curves(trials, rate, cliff)
        shown += [curve for curve in curves if len(curve)]
        layers += [Line(_steps(curve), curve, colour, width=0.5, opacity=0.4) for curve in curves]
        shortest = min((len(curve) for curve in curves), default=0)
        mean = np.mean([curve[:shortest] for curve in curves], axis=0) if shortest else _NOTHING
        layers.append(Line(_steps(mean), mean, colour, width=1.6))
    return Panel(x, _loss_axis(shown, level), (*layers, _heading(trials)), _TRAINING, _PANEL)


def ends_panel(trials: Trials | None, judgement: Judgement | None) -> Panel:
    """The held-out loss at the end of every run over its rate, their mean, and whether the rate holds."""
    start = _start(trials)
    y = _held_out_axis(trials)
    lrs = np.array([0.01, 0.1]) if trials is None else trials.lrs
    x = log_axis(
        float(lrs.min()) / _ASIDE,
        float(lrs.max()) * _ASIDE,
        "learning rate (log axis, base 10)",
        max_labels=5,
    )
    x = replace(x, tick_labels=tuple(map(partial(_label, x), x.ticks, x.tick_labels)))
    layers: list[Layer] = []
    if judgement is not None and judgement.recommended is not None:
        layers.append(Span("x", judgement.low, judgement.high, GREEN, opacity=0.16))
    if start is not None and start <= y.limits[1]:
        layers.append(Marker("y", start, _GREY, width=0.8, dash=DOTTED))
    if trials is not None:
        for rate, colour in enumerate(_colours(trials)):
            layers += _ends(trials, rate, colour, y)
    holds = None if judgement is None else judgement.holds and judgement.sensible is not False
    colour = {True: GREEN_TEXT, False: VERMILLION_TEXT, None: DARK}[holds]
    said = _answer(trials, judgement)
    for row, text in enumerate(reversed(said)):
        # What is longer than the panel goes to its left, where there is room above the other one.
        is_long = text_width(text) > _ENDS
        align: Literal["right", "center"] = "right" if is_long else "center"
        layers.append(above(text, 1.0 if is_long else 0.5, row, align=align, colour=colour, bold=True))
    return Panel(x, y, tuple(layers), _ENDS, _PANEL)


def _label(x: Axis, tick: float, text: str) -> str:
    """What is written at a tick of the right panel: nothing where the edge of the page would cut it."""
    return text if text_width(text) / 2 <= (1 - x.fraction(tick)) * _ENDS + _MARGIN else ""


def _ends(trials: Trials, rate: int, colour: str, y: Axis) -> list[Layer]:
    """Each seed's end, their mean where none diverged; at the edge what diverged, or lies above the frame."""
    lr, (low, high) = trials.candidates[rate].lr, y.limits
    finals = np.array([trial.finals[rate] for trial in trials.seeds])
    known = finals[np.isfinite(finals)]
    shown = known[known <= high]
    diverged = bool(np.isinf(finals).any())
    lost = diverged or len(known) > len(shown)
    mean = known.mean(keepdims=True) if len(known) and not diverged else _NOTHING
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


def _key(trials: Trials | None, judgement: Judgement | None) -> Key:
    """Each rate, why it was tried and how it ended; and what the lines beside the ends mean."""
    entries = []
    if trials is not None:
        for rate, colour in enumerate(_colours(trials)):
            text = _rate_in_words(trials, judgement, rate)
            entries.append(Entry(text, Line(_NOTHING, _NOTHING, colour, width=2.0)))
    start = _start(trials)
    if start is not None:
        looks = Line(_NOTHING, _NOTHING, _GREY, dash=DOTTED)
        place = "" if start <= _held_out_axis(trials).limits[1] else " (above)"
        entries.append(Entry(f"held-out loss before training: {start:.3g}{place}", looks))
    if (
        trials is not None
        and (trials.finals[np.isfinite(trials.finals)] > _held_out_axis(trials).limits[1]).any()
    ):
        entries.append(Entry("above the frame", Points(_NOTHING, _NOTHING, _GREY, shape=Shape.UP, size=6.0)))
    if judgement is not None and judgement.recommended is not None:
        looks_good = Band(_NOTHING, _NOTHING, _NOTHING, GREEN, opacity=0.25)
        low, high = rate_text(judgement.low), rate_text(judgement.high)
        what = "within the margin of the best" if judgement.on_one_seed else "cannot be told from the best"
        entries.append(Entry(f"{low} to {high}: {what}", looks_good))
    return Key(tuple(entries), columns=2)


def _rate_in_words(trials: Trials, judgement: Judgement | None, rate: int) -> str:
    candidate = trials.candidates[rate]
    ended = ""
    if judgement is not None:
        times, seeds = int(judgement.diverged[rate]), int(judgement.seeds[rate])
        ended = f": ends at {judgement.means[rate]:.3g}"
        if not judgement.seeds[rate]:
            ended = f": {trials.short(rate)}"
        elif times:
            ended = ": diverged" if times == seeds else f": diverged on {times} of {seeds} seeds"
    return f"{rate_text(candidate.lr)}, {roles_text(candidate, trials.whose)}{ended}"


def _colours(trials: Trials) -> list[str]:
    """One a rate; the rate in question always has the same, and those that were given up are grey."""
    colours, others = [_LEFT] * len(trials.candidates), []
    for rate, candidate in enumerate(trials.candidates):
        if {Role.SUGGESTION, Role.GIVEN, Role.CONFIG} & set(candidate.roles):
            colours[rate] = VERMILLION
        elif any(trial.finished[rate] for trial in trials.seeds):
            others.append(rate)
    chosen = _OTHERS if len(others) <= len(_OTHERS) else _cold_to_warm(len(others))
    for rate, colour in zip(others, chosen, strict=False):
        colours[rate] = colour
    return colours


def _cold_to_warm(count: int) -> list[Colour]:
    """So many colours, none of them near that of the rate in question."""
    return [shade(_WARMEST * i / (count - 1)) for i in range(count)]


def _heading(trials: Trials) -> Layer:
    seeds = len(trials.seeds)
    how = f"thin: {seeds} seeds, thick: mean" if seeds > 1 else "one seed"
    return above(f"same start and batches; {how}", colour=DARK)


def _start(trials: Trials | None) -> float | None:
    """Mean held-out loss before training; None where nothing was measured."""
    if trials is None or not trials.seeds:
        return None
    start = float(np.mean([trial.start for trial in trials.seeds]))
    return start if math.isfinite(start) else None


def _level(trials: Trials) -> float:
    """Where training begins: the highest loss of a first batch; minus infinity where none is known."""
    first = np.concatenate([_NOTHING, *(trial.losses[:, 0] for trial in trials.seeds)])
    return float(np.max(first[np.isfinite(first)], initial=-math.inf))


def _curves(trials: Trials, rate: int, highest: float) -> list[Floats]:
    """The smoothed training loss of each seed, as far as it is finite."""
    found = []
    for trial in trials.seeds:
        losses = trial.losses[rate, : trial.steps_taken[rate]]
        bad = np.flatnonzero(~np.isfinite(losses))
        losses = losses[: bad[0]] if len(bad) else losses
        width = max(trials.num_steps / _SMOOTHED_OVER, 0.5)
        found.append(_smoothed(np.minimum(losses, highest), width))
    return found


def _smoothed(losses: Floats, width: float) -> Floats:
    """The losses smoothed without lag, from the very first one on.

    All rates begin at the same loss, so their lines have to. For that the losses are continued to the left,
    turned about the first one: whatever is smoothed symmetrically then goes through it.
    """
    if not len(losses):
        return losses
    before = 2 * losses[0] - losses[:0:-1]
    smooth = centred(np.concatenate([before, losses]), width)[0][len(before) :]
    # At the end the local line may point beyond all that was measured.
    return np.clip(smooth, losses.min(), losses.max())


def _steps(curve: Floats) -> Floats:
    return np.arange(len(curve), dtype=np.float64)


def _loss_axis(curves: list[Floats], level: float) -> Axis:
    """From the lowest loss to a little above where the runs begin: a cliff would hide everything else."""
    low = min(float(curve.min()) for curve in curves)
    high = max(float(curve.max()) for curve in curves)
    high = min(high, ceiling_of(max(level, low), np.array([low])))
    return linear_axis(low, high, "training loss, smoothed", intervals=5)


def _held_out_axis(trials: Trials | None) -> Axis:
    """The losses at the end that come near the lowest: of those above the frame there is a triangle."""
    finals = _NOTHING if trials is None else trials.finals
    known, start = finals[np.isfinite(finals)], _start(trials)
    if start is None:
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    else:
        low = min(float(known.min(initial=start)), start)
        # All of the drop would leave no room to tell good rates from one another.
        near = low + _NEAR * (start - low) if low < start else ceiling_of(start, known)
        high = min(max(float(known.max(initial=low)), low + _LEAST * (start - low)), near)
    return linear_axis(low, high, "held-out loss at the end", intervals=5)


def _answer(trials: Trials | None, judgement: Judgement | None) -> list[str]:
    """What is suggested, and whether the rate that was checked holds: one line or two."""
    if trials is None:
        return ["no learning rate to check"]
    if judgement is None:
        return ["interrupted: not judged"]
    if judgement.holds is None and judgement.recommended is None:
        return [f"{'nothing was learnt' if math.isfinite(judgement.start) else 'no finite loss'}: not judged"]
    if judgement.recommended is None:
        found, held = [], "no rate holds"
    else:
        found = [f"suggested {rate_text(float(trials.lrs[judgement.recommended]))}"]
        lr = rate_text(float(trials.lrs[judgement.checked]))
        whose = roles_text(trials.candidates[judgement.checked], trials.whose).split(", ")[0]
        whose = f"the {whose}" if whose == ROLE_WORDS[Role.GIVEN] else whose
        held = f"{whose} {lr} {_HELD[judgement.holds]}"
    if judgement.pinned not in (None, judgement.checked) and judgement.sensible is False:
        refused = f"{rate_text(float(trials.lrs[judgement.pinned]))} is not sensible"
        found = [", ".join([*found, refused])]
    return [*found, held]
