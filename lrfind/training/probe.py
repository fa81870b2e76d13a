"""Several learning rates, each from the same start: the same weights, batches and random numbers.

What a range test or the textbook's sweep reads at a rate also depends on all the training before it. Here
nothing but the rate differs, so the losses may be compared one by one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lrfind.errors import ConfigError
from lrfind.training.halving import Halving
from lrfind.training.probe_forms import (
    DivergenceMonitor,
    ProbeInterrupted,
    Probes,
    RunLog,
    Sequential,
    Stacked,
    Start,
    advance_all,
)
from lrfind.training.smoothing import GRACE
from lrfind.training.stacking.autotune import Strategy, chosen_form
from lrfind.training.stacking.stack import own_parameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from lrfind.training.probe_forms import OnStep
    from lrfind.training.task import Task


def probe(
    task: Task,
    lrs: ArrayLike,
    *,
    num_steps: int,
    read: Sequence[Any] | None = None,
    strategy: Strategy = Strategy.AUTO,
    halving: Halving | None = None,
    beta: float = 0.98,
    stop_factor: float | None = 4.0,
    on_step: OnStep | None = None,
) -> Probes:
    """Trains at each rate from the state that model, optimizer and random streams are in now.

    Model, optimizer and random streams are put back afterwards, whatever happens. A rate is dropped when its
    loss is not finite, or when its smoothed loss passes `stop_factor` times the loss at the start, which is
    read on the first batches before anything is trained (see `DivergenceMonitor`).

    One after another, halving keeps a copy of model and optimizer for each rate that reaches a rung, as much
    memory as a stack, and draws the batches before a rung again, without training on them.

    Args:
        task: What is trained. Its batches are drawn with `afresh`, at least `num_steps` (times
            `accumulation_steps`) of them. Where their order is drawn at random, then from a generator of
            their own that starts anew.
        lrs: The rates, shape (rates,), as `LearningRate` takes them; any order.
        num_steps: Updates a rate.
        read: Fixed batches on which the loss is read at the end, and at each rung, as `evaluate` does: in
            eval mode, weighted by their sizes. It is not counted as a step.
        strategy: One after another, side by side, or whichever is faster.
        halving: When to drop the worse part, on the loss read, or the last training loss. None: never.
        beta: Weight of the past in the smoothed loss that tells a divergence.
        stop_factor: As above; None: a rate is dropped for a loss that is not finite alone.
        on_step: Told of every step once its loss is known.

    Raises:
        ConfigError: No rate, a rate that is not a positive number, no step, or a stack that cannot be made.
        UserError: Model, loss, optimizer or data cannot be used as given.
        KeyboardInterrupt: After everything was put back; as a `ProbeInterrupted` once the rates are run.
    """
    rates = np.atleast_1d(np.asarray(lrs, dtype=np.float64))
    if rates.ndim != 1 or len(rates) == 0 or not np.all(np.isfinite(rates) & (rates > 0)):
        raise ConfigError(f"the learning rates of a probe must be positive numbers, got {rates}.")
    if num_steps < 1:
        raise ConfigError(f"num_steps must be at least 1, got {num_steps}.")
    start = Start(task)
    with own_parameters(task.model):
        try:
            work = (halving or Halving(())).total_steps(len(rates), num_steps=num_steps)
            reason, stacked = chosen_form(start, rates, min(num_steps, 2), work, strategy)
            grace = max(1, min(GRACE, num_steps // 5))
            level = math.nan if stop_factor is None else start.level(grace)
            watches = [DivergenceMonitor(level, grace, beta=beta, stop_factor=stop_factor) for _ in rates]
            board = RunLog(rates, num_steps, watches, on_step)
            form = (Stacked if stacked else Sequential)(start, board, read)
            try:
                advance_all(form, board, halving, num_steps)
            except KeyboardInterrupt as error:
                so_far = board.probes(stacked=stacked, reason=reason, interrupted=True)
                raise ProbeInterrupted(so_far) from error
        finally:
            start.restore()
    return board.probes(stacked=stacked, reason=reason)
