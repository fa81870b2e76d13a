"""Several learning rates, each from the same start: the same weights, batches and random numbers.

What a range test or the textbook's sweep reads at a rate also depends on all the training before it. Here
nothing but the rate differs, so the losses may be compared one by one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lrfind.errors import ConfigError
from lrfind.range_test.sweep import GRACE, SweepOptions
from lrfind.training.halving import Halving
from lrfind.training.probe_forms import (
    DivergenceMonitor,
    ProbeInterrupted,
    Probes,
    ProbeTask,
    RunLog,
    Sequential,
    Stacked,
    advance_all,
)
from lrfind.training.snapshot import Snapshot
from lrfind.training.stacking.autotune import Strategy, chosen_form
from lrfind.training.stacking.stack import own_parameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from numpy.typing import ArrayLike
    from torch.optim import Optimizer

    from lrfind.training.objective import Objective
    from lrfind.training.probe_forms import Batches, OnStep


def probe(
    objective: Objective,
    optimizer: Optimizer,
    batches: Batches,
    lrs: ArrayLike,
    *,
    num_steps: int,
    device: torch.device,
    read: Sequence[Any] | None = None,
    strategy: Strategy = Strategy.AUTO,
    halving: Halving | None = None,
    options: SweepOptions | None = None,
    on_step: OnStep | None = None,
) -> Probes:
    """Trains at each rate from the state that model, optimizer and random streams are in now.

    Model, optimizer and random streams are put back afterwards, whatever happens. A rate is dropped when its
    loss is not finite, or when its smoothed loss passes `stop_factor` times the loss at the start, which is
    read on the first batches before anything is trained (see `DivergenceMonitor`).

    One after another, halving keeps a copy of model and optimizer for each rate that reaches a rung, as much
    memory as a stack, and draws the batches before a rung again, without training on them.

    Args:
        objective: The loss on a batch.
        optimizer: Moves the parameters; several groups keep the ratio of their rates.
        batches: Makes a new iterator over the same batches in the same order, on the device, whenever it is
            called; at least `num_steps` (times `accumulation_steps`) of them. Where their order is drawn at
            random, from a generator of their own that starts anew.
        lrs: The rates, shape (rates,), as `LearningRate` takes them; any order.
        num_steps: Updates a rate.
        device: Where the losses are computed.
        read: Fixed batches on which the loss is read at the end, and at each rung, as `evaluate` does: in
            eval mode, weighted by their sizes. It is not counted as a step.
        strategy: One after another, side by side, or whichever is faster.
        halving: When to drop the worse part, on the loss read, or the last training loss. None: never.
        options: Of these `beta`, `stop_factor`, `accumulation_steps`, `clip_grad_norm` and `scaler`.
        on_step: Told of every step once its loss is known.

    Raises:
        ConfigError: No rate, a rate that is not a positive number, no step, or a stack that cannot be made.
        UserError: Model, loss, optimizer or data cannot be used as given.
        KeyboardInterrupt: After everything was put back; as a `ProbeInterrupted` once the rates are run.
    """
    options = SweepOptions() if options is None else options
    rates = np.atleast_1d(np.asarray(lrs, dtype=np.float64))
    if rates.ndim != 1 or len(rates) == 0 or not np.all(np.isfinite(rates) & (rates > 0)):
        raise ConfigError(f"the learning rates of a probe must be positive numbers, got {rates}.")
    if num_steps < 1:
        raise ConfigError(f"num_steps must be at least 1, got {num_steps}.")
    start = Snapshot(objective.model, optimizer, scaler=options.scaler)
    task = ProbeTask(objective, optimizer, batches, options, device, start, read)
    with own_parameters(objective.model):
        try:
            work = (halving or Halving(())).total_steps(len(rates), num_steps=num_steps)
            reason, stacked = chosen_form(task, rates, min(num_steps, 2), work, strategy)
            grace = max(1, min(GRACE, num_steps // 5))
            level = math.nan if options.stop_factor is None else task.level(grace)
            board = RunLog(
                rates, num_steps, [DivergenceMonitor(level, grace, options) for _ in rates], on_step
            )
            form = Stacked(task, board) if stacked else Sequential(task, board)
            try:
                advance_all(form, board, halving, num_steps)
            except KeyboardInterrupt as error:
                so_far = board.probes(stacked=stacked, reason=reason, interrupted=True)
                raise ProbeInterrupted(so_far) from error
        finally:
            start.restore_to_the_end()
    return board.probes(stacked=stacked, reason=reason)
