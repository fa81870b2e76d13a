"""What a sweep measured: learning rates, raw losses, and why it stopped."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lrfind.statistics import Floats
    from lrfind.suggestion import Status

SAME = 1e-3
"""Relative difference up to which two losses of one model on one batch are the same: kernels may round."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One sweep along a ladder of learning rates.

    `losses[i]` is the training loss of the batch of step i, measured *before* the update that uses
    `lrs[i]`. The effect of `lrs[i]` therefore first shows in `losses[i + 1]`; what reads or draws the curve
    pairs them so (`causes`), what writes it down keeps them as measured.

    Attributes:
        lrs: Learning rates of the steps taken, shape (steps,), float64, rising.
        losses: Raw training losses, shape (steps,), float64; only the last can be NaN or infinite.
        smoothed: Bias-corrected exponential average of `losses` as the sweep saw it, shape (steps,).
        status: Why the sweep ended.
        planned_steps: Length of the ladder; `len(curve)` is less where the sweep stopped early.
        accuracies: Share of right answers in each batch, shape (steps,), or None where not measured.
        start_losses: Loss of the model as it was at the start on the same batch, shape (steps,), or None
            where not measured. What training did to the loss of a batch is `losses - start_losses`: the
            batch itself cancels.
        start_accuracies: Its share of right answers, shape (steps,), or None.
        validation_losses: Loss on the fixed validation subset before the update, shape (steps,), NaN at the
            steps between two measurements, or None where not measured.
        momentum: Weight of the past in the optimizer's average of gradients, in [0, 1); see `momentum_of`.
        rectified_by: Weight of the past in RAdam's average of squares, None of other optimizers; see
            `rectification`.
        epoch_steps: Steps in which every sample is met once, where that is known and batches are not all one.
        skip_start: Steps at the start that nothing is read from.
        skip_end: Steps at the end that nothing is read from, where the sweep stopped early.
        bad_batch: Whether the last batch held NaN or infinities itself, where the loss was not finite and no
            model as it was at the start was measured beside.
    """

    lrs: Floats
    losses: Floats
    smoothed: Floats
    status: Status
    planned_steps: int
    accuracies: Floats | None = None
    start_losses: Floats | None = None
    start_accuracies: Floats | None = None
    validation_losses: Floats | None = None
    momentum: float = 0.0
    rectified_by: float | None = None
    epoch_steps: float | None = None
    skip_start: int = 0
    skip_end: int = 0
    bad_batch: bool = False

    def __len__(self) -> int:
        """Steps taken."""
        return len(self.lrs)

    @property
    def paired(self) -> bool:
        """Whether what the batch did can be told from what training did.

        Before the first update both models are the same, so the first two losses must be. Where they are not,
        the model keeps random numbers or a state of its own that the one as it was at the start disturbs, and
        the difference of the two would mean nothing.
        """
        if self.start_losses is None or len(self) == 0:
            return False
        loss, start = float(self.losses[0]), float(self.start_losses[0])
        return not math.isfinite(loss) or abs(loss - start) <= SAME * max(abs(loss), abs(start), 1e-6)

    @property
    def metric(self) -> str:
        """What is read, in words."""
        return "loss" if self.accuracies is None else "share of wrong answers"

    @property
    def measured(self) -> Floats:
        """What is read: the losses, or the shares of wrong answers where accuracies are, shape (steps,)."""
        return self.losses if self.accuracies is None else 1 - self.accuracies

    @property
    def measured_at_start(self) -> Floats | None:
        """The same of the model as it was at the start, or None where that was not measured."""
        if self.accuracies is None:
            return self.start_losses
        return None if self.start_accuracies is None else 1 - self.start_accuracies

    @property
    def causes(self) -> Floats:
        """The rate whose effect each loss first shows, shape (steps,): that of the step before.

        The very first loss shows none yet; it stands at the first rate.
        """
        return np.concatenate([self.lrs[:1], self.lrs[:-1]])
