"""Short training runs at constant rates, where sweeps have not shown much: which are made, what each came to.

A model that sits on a plateau learns nothing while a ladder passes, however slow, and what ends the valley is
only the rate at which an untrained model breaks down. Trained for a while at one rate it shows what that is
worth. Rates a factor of `FACTOR` apart are tried around the answer of the sweeps, upwards as long as the loss
ends lower, or hardly higher, else downwards; where even the best has hardly learnt anything, once more, in
runs twice as long. They also follow a loss that falls to the end of a high ladder, from there downwards.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lrfind.range_test.slower_sweep import FAINT
from lrfind.range_test.trials import FACTOR, LONGER, STEPS, Trials
from lrfind.suggestion import Status, rate_text
from lrfind.training.blind_answer import UNKNOWN
from lrfind.training.targets import Targets

if TYPE_CHECKING:
    from collections.abc import Callable

    from lrfind.range_test.curve import Curve
    from lrfind.range_test.smoothed_curve import SmoothedCurve
    from lrfind.range_test.sweep import Step
    from lrfind.range_test.sweeps import Sweeps

MOST_RUNS = 7
"""Runs of one length at most."""

READ = 1 / 3
"""Share of a run at its end whose losses are averaged."""

SLACK = 0.04
"""Share of the start by which a run at a higher rate may end above the best so far, and still be gone beyond:
on a plateau they hardly differ, and it is the higher ones that leave it first."""

BELOW_CLIMB = 5.0
"""Where no sweep has an answer, the first rate is that part of the one at which the loss rose above its
start: with slower sweeps it is the only thing known."""


def first_rate(lr: float | None, smoothed: SmoothedCurve, end: float | None) -> float | None:
    """Where the trials begin: at the answer of the sweeps, or below the climb that ended the last one.

    Args:
        lr: The answer of the last sweep that has one.
        smoothed: What was read from the last sweep.
        end: The end of a ladder to which the loss fell: there they begin then, and go down.
    """
    if lr is not None or smoothed.climb is None:
        return end if lr is None else lr
    return smoothed.climb[0] / BELOW_CLIMB


def try_rates(sweeps: Sweeps, first: float, start: float, reason: str) -> Trials | None:
    """Trains at rates around a first one, and for longer where the best of them shows little.

    Args:
        sweeps: Made before; the task of the last is trained.
        first: The rate to begin with.
        start: Loss of the model as it was at the start.
        reason: Why.

    Returns:
        What the longest runs came to, and the shorter ones; interrupted, those that had ended, and None where
        none had.
    """
    steps, before = STEPS, sweeps.steps
    trials: Trials | None = None
    blind = sweeps.blind[-1] if sweeps.curves[0].accuracies is None else UNKNOWN
    ends = min(sweeps.settings.start_lr, first), sweeps.settings.end_lr
    sweeps.observer.note(f"{reason}; runs of {steps} steps at constant rates, from {rate_text(first)} on.")
    while True:
        ended: dict[float, float] = {}
        beaten: dict[float, bool] = {}
        tried = partial(_tried, sweeps, start, steps, ended, beaten)
        try:
            searched(first, tried, ends, start=start, slack=SLACK * abs(start))
        except KeyboardInterrupt:
            sweeps.interrupted = True
        if ended:
            losses = dict(sorted(ended.items()))
            trials = Trials(steps, start, losses, sweeps.steps - before, trials, blind, beaten)
        if sweeps.interrupted or trials is None:
            return trials
        if trials.share_lost >= FAINT or not trials.turned or steps > STEPS:
            return trials
        steps, first = LONGER * steps, trials.best
        sweeps.observer.note(
            f"in {trials.steps} steps the loss fell by {max(0.0, trials.share_lost):.1%} at most; runs of "
            f"{steps} steps."
        )


def _tried(
    sweeps: Sweeps,
    start: float,
    steps: int,
    losses: dict[float, float],
    beaten: dict[float, bool],
    lr: float,
) -> float:
    """The loss that a run at one rate ends with; every run begins as the last sweep.

    Args:
        sweeps: Made before.
        start: Loss of the model as it was at the start.
        steps: Of the run.
        losses: By rate; this one is noted there.
        beaten: By rate, as of `Trials`; this one is noted there.
        lr: The rate.

    Raises:
        KeyboardInterrupt: The user stopped it.
    """
    ended = ""

    def words(step: Step) -> str:
        """What the run came to, once that is known; on the way its smoothed loss."""
        at = f"step {step.index + 1} of {steps}, lr {rate_text(lr)}"
        return f"{at}, {ended or f'smoothed loss {rate_text(step.smoothed)}'}"

    with sweeps.observer.steps(steps, words) as shown, sweeps.last_task() as task:
        targets = Targets(task.objective)
        met = replace(task, batches=targets.passing(task.batches))
        curve = sweeps.run(met, lr, steps, shown)
        losses[lr] = loss = last_loss(curve, start)
        if task.peers is None and math.isfinite(loss):  # peers have other batches
            blind, parts = targets.blind_answer(), task.options.accumulation_steps
            beaten[lr] = blind.is_beaten_by(curve.losses, parts=parts, near=True)
        ended = f"ended at a {curve.metric} of {rate_text(loss)}" if math.isfinite(loss) else "diverged"
    return loss


def searched(
    first: float,
    loss_of: Callable[[float], float],
    ends: tuple[float, float],
    *,
    start: float = math.inf,
    slack: float = 0.0,
) -> dict[float, float]:
    """The loss at rates around a first one, until the best lies between two that are worse, or at an end.

    As long as no rate has ended below the start, it goes on downwards.

    Args:
        first: A rate between the ends.
        loss_of: Trains at a rate.
        ends: The lowest and the highest rate to try.
        start: Loss before training.
        slack: By how much a higher rate may end above the best so far, and still be gone beyond.

    Returns:
        Losses by rate, rising.
    """
    losses = {0: loss_of(first)}

    def tried(k: int) -> bool:
        """Whether a rate, so many factors from the first, can be tried."""
        lr = first * FACTOR**k
        if len(losses) >= MOST_RUNS or not ends[0] <= lr <= ends[1]:
            return False
        losses[k] = loss_of(lr)
        return True

    k, least = 1, losses[0]
    while tried(k) and losses[k] < least + slack:
        k, least = k + 1, min(least, losses[k])
    if least >= start or least == losses[0]:
        k = -1
        while tried(k) and (losses[k] < losses[k + 1] or min(losses.values()) >= start):
            k -= 1
    return {first * FACTOR**k: losses[k] for k in sorted(losses)}


def last_loss(curve: Curve, start: float) -> float:
    """What a run came to: the mean over its last third, with the batches' noise cancelled.

    Args:
        curve: Of a run at a constant rate; paired, its losses are told apart from those of the model as it
            was at the start on the same batches.
        start: The level to tell it from.

    Returns:
        Infinity where it diverged.
    """
    if curve.status is not Status.COMPLETED:
        return math.inf
    read = slice(len(curve) - max(1, round(READ * len(curve))), None)
    measured, before = curve.measured, curve.measured_at_start
    loss = float(measured[read].mean())
    if not curve.paired or before is None or not np.isfinite(before).all():
        return loss
    level = float(before[read].mean())
    if curve.accuracies is None and level > 0 and measured.min() >= 0:
        return start * loss / level  # a loss that is never negative stays so
    return start + loss - level
