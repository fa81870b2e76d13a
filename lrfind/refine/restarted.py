"""The sweep without the confound: every rate from the same start, over as many steps."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from lrfind.refine.results import SeedResult
from lrfind.training.halving import Halving
from lrfind.training.probe import probe
from lrfind.training.snapshot import preserved
from lrfind.training.stacking.autotune import Strategy
from lrfind.training.step import LearningRate, evaluate, train_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from lrfind.refine.continued import Reading
    from lrfind.training.probe_forms import OnStep, Probes
    from lrfind.training.task import Task


@dataclass(frozen=True, slots=True)
class Restarted:
    """What one seed showed.

    Attributes:
        track: The losses.
        steps: Training steps that were taken.
        stacked: Whether the rates ran side by side.
    """

    track: SeedResult
    steps: int
    stacked: bool


def restarted(
    task: Task,
    lrs: Sequence[float],
    *,
    iterations: int,
    reading: Reading,
    halving: bool = False,
    strategy: Strategy = Strategy.AUTO,
    on_step: OnStep | None = None,
) -> Restarted:
    """Trains at each rate from the same weights, on the same batches in the same order.

    Args:
        task: What is trained, at its start; it is left there.
        lrs: The rates.
        iterations: Length of the training at each rate.
        reading: What an iteration is. With fixed batches, the loss of a rate is read on them once, at its
            end; without, there is one an iteration.
        halving: Drop the worse half of the rates at a quarter, and again at half of the iterations.
        strategy: One rate after another, side by side, or whichever is faster.
        on_step: As `probe` calls it.
    """
    on = None if reading.on is None else list(reading.on)
    num_steps = iterations * reading.steps
    level = math.nan if on is None else float(evaluate(task.objective, on))
    probes = probe(
        task,
        lrs,
        num_steps=num_steps,
        read=on,
        strategy=strategy,
        halving=halving_of(num_steps) if halving else None,
        on_step=on_step,
    )
    if on is None:
        level = float(probes.losses[0, 0])
    losses = tuple(_losses_of(probes, i, reading) for i in range(len(lrs)))
    return Restarted(SeedResult(level, losses), int(probes.steps_taken.sum()), probes.stacked)


def halving_of(num_steps: int) -> Halving:
    """Half of the rates goes on after a quarter of the steps, and a quarter after half of them."""
    return Halving(tuple(sorted({max(num_steps // 4, 1), max(num_steps // 2, 1)})))


def planned_steps(num_rates: int, *, num_steps: int, halving: bool) -> int:
    """The most training steps that a round of one seed takes."""
    return (halving_of(num_steps) if halving else Halving(())).total_steps(num_rates, num_steps=num_steps)


def seconds_a_step(task: Task, lr: float) -> float:
    """How long a training step takes: the median of a few, after a first one that is not counted."""
    batches = task.afresh()
    times = []
    with preserved(task.model, task.optimizer, scaler=task.scaler):
        LearningRate(task.optimizer)(lr)
        for _ in range(6):
            began = time.perf_counter()
            train_step(task.objective, task.optimizer, batches, task.options)
            if task.device.type == "cuda":
                torch.cuda.synchronize(task.device)
            times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def _losses_of(probes: Probes, rate: int, reading: Reading) -> tuple[float, ...]:
    """One loss an iteration, or the one at the end; infinite at the end where a rate diverged."""
    taken = int(probes.steps_taken[rate])
    row: NDArray[np.float64] = probes.losses[rate, :taken]
    diverged = bool(probes.diverged[rate])
    if reading.on is not None and (diverged or taken == probes.losses.shape[1]):
        return (float(probes.finals[rate]),)
    if reading.on is not None:
        # A rate that halving dropped: what it had come to by then, which is as good as it is known.
        return (float(row[-max(taken // 4, 1) :].mean()),)
    losses = [float(part.mean()) for part in _split(row, reading.steps)]
    return (*losses, math.inf) if diverged and math.isfinite(losses[-1]) else tuple(losses)


def _split(row: NDArray[np.float64], steps: int) -> list[NDArray[np.float64]]:
    return [row[i : i + steps] for i in range(0, len(row), steps)]
