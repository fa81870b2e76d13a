"""How each rate of a search trained: its loss along the steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lrfind.plotting.axes import linear_axis
from lrfind.plotting.limits import ceiling_of
from lrfind.plotting.panel import DARK, Layer, Line, Panel, above
from lrfind.training.smoothing import centred
from lrfind.verify.rate_colours import rate_colours

if TYPE_CHECKING:
    from lrfind.plotting.axes import Axis
    from lrfind.statistics import Floats
    from lrfind.verify.candidates import Trials

_SMOOTHED_OVER = 60
"""Runs are smoothed with a kernel whose standard deviation is so many-th of the longest."""

_CLIFF = 3.0
"""How far above the first loss, as a share of the fall below it, losses are cut off before they are smoothed:
a cliff would be smeared over what is before it."""

_NOTHING = np.empty(0)


def training_panel(trials: Trials, *, width: float, height: float) -> Panel:
    """The smoothed training loss of every seed, thin, and their mean, as far as all seeds got.

    Args:
        trials: What was measured.
        width: Inches.
        height: Inches.
    """
    x = linear_axis(0.0, max(_longest(trials) - 1, 1), "step", intervals=5, whole=True)
    level = _level(trials)
    if not math.isfinite(level):
        y = linear_axis(0.0, 1.0, "training loss, smoothed", intervals=5)
        return Panel(x, y, (_heading(trials),), width, height)
    measured = np.concatenate([trial.losses.ravel() for trial in trials.seeds])
    cliff = ceiling_of(level, measured, _CLIFF)
    layers: list[Layer] = []
    shown: list[Floats] = []
    for rate, colour in enumerate(rate_colours(trials)):
        curves = [curve for curve in _curves(trials, rate, cliff) if len(curve)]  # of the seeds it ran on
        shown += curves
        layers += [Line(_steps(curve), curve, colour, width=0.5, opacity=0.4) for curve in curves]
        shortest = min((len(curve) for curve in curves), default=0)
        mean = np.mean([curve[:shortest] for curve in curves], axis=0) if shortest else _NOTHING
        layers.append(Line(_steps(mean), mean, colour, width=1.6))
    return Panel(x, _loss_axis(shown, level), (*layers, _heading(trials)), width, height)


def _longest(trials: Trials) -> int:
    """Steps of the longest run: of a search that was cut off, none may have come to its end."""
    return int(trials.stops.max())


def _heading(trials: Trials) -> Layer:
    seeds = len(trials.seeds)
    how = f"thin: {seeds} seeds, thick: mean" if seeds > 1 else "one seed"
    return above(f"same start and batches; {how}", colour=DARK)


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
        width = max(_longest(trials) / _SMOOTHED_OVER, 0.5)
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
