"""The learning-rate range test: the loop.

Source: Smith, arXiv 1506.01186, section 3.3; Gugger, "How Do You Find A Good Learning Rate".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lrfind.core.curve import Curve, Status
from lrfind.core.readback import Readback
from lrfind.core.smoothing import DivergenceTest, ExponentialAverage
from lrfind.core.training import LearningRate, StepOptions, evaluate, train_step
from lrfind.errors import BatchError, UserError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import Tensor
    from torch.optim import Optimizer

    from lrfind.core.objective import Objective


GRACE = 10
"""Steps at the start that cannot stop a sweep, a fifth of a short ladder: with fewer the smoothed loss is the
mean of a few batches, and noise alone ends one test in ten."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step, as `on_step` is told of it once its loss is known.

    Attributes:
        index: Counted from 0.
        lr: The rate of the update that follows the loss.
        loss: Raw training loss before that update.
        smoothed: Bias-corrected exponential average of the losses so far.
    """

    index: int
    lr: float
    loss: float
    smoothed: float


OnStep = Callable[[Step], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOptions(StepOptions):
    """How a sweep trains and when it stops; and how each step is made, as `StepOptions` says.

    Attributes:
        beta: Weight of the past in the smoothed loss.
        stop_factor: Stop when the smoothed loss passes this many times its lowest; None: never.
        skip_start: Steps at the start that are not read, and that cannot stop the test (see also `GRACE`).
        skip_end: Steps at the end that are not read, where the sweep stopped early.
        validation_every: Steps from one validation to the next.
    """

    beta: float = 0.98
    stop_factor: float | None = 4.0
    skip_start: int = 0
    skip_end: int = 0
    validation_every: int = 10

    def __post_init__(self) -> None:
        """Checks every value.

        Raises:
            UserError: One cannot be used; the message names it.
        """
        StepOptions.__post_init__(self)
        for name, least in (
            ("skip_start", 0),
            ("skip_end", 0),
            ("validation_every", 1),
        ):
            count = getattr(self, name)
            if not isinstance(count, int) or count < least:
                raise UserError(f"{name} must be a whole number of at least {least}, got {count!r}.")
        if not (isinstance(self.beta, (int, float)) and 0 <= self.beta < 1):
            raise UserError(f"beta must be at least 0 and below 1, got {self.beta!r}.")
        limit = self.stop_factor
        if limit is not None and not (isinstance(limit, (int, float)) and limit > 1):
            raise UserError(f"stop_factor must be greater than 1, or None, got {limit!r}.")

    @classmethod
    def of(
        cls, *, num_steps: int, skip_start: int | None, skip_end: int | None, **others: Any
    ) -> SweepOptions:
        """Options for a ladder of that length.

        Args:
            num_steps: Length of the ladder.
            skip_start: As the attribute; None: a tenth of the ladder, at most 10.
            skip_end: As the attribute; None: a twentieth of the ladder, at most 5.
            others: The other attributes.
        """
        return cls(
            skip_start=min(10, num_steps // 10) if skip_start is None else skip_start,
            skip_end=min(5, num_steps // 20) if skip_end is None else skip_end,
            **others,
        )


def sweep(
    objective: Objective,
    optimizer: Optimizer,
    batches: Iterator[Any],
    lrs: NDArray[np.float64],
    *,
    options: SweepOptions,
    device: torch.device,
    validation: Sequence[Any] | None = None,
    on_step: OnStep | None = None,
) -> Curve:
    """Trains along a ladder of rates and returns what was measured. The model is left as trained.

    At step i the loss of the next batch is measured, then the update is made with `lrs[i]`.

    Args:
        objective: The loss on a batch.
        optimizer: Moves the parameters; several groups keep the ratio of their rates.
        batches: Endless; each batch on the device.
        lrs: The ladder, shape (steps,); `lrs[i]` is the rate of the group with the largest rate.
        options: How to train and when to stop.
        device: Where the losses are computed.
        validation: Fixed batches whose loss is measured every `options.validation_every` steps.
        on_step: Told of every step, in order, once its loss is known. On a GPU that is a few steps later.

    Returns:
        The curve. A KeyboardInterrupt ends the sweep with status `interrupted` and is not raised again.

    Raises:
        UserError: Model, loss, optimizer or data cannot be used as given.
    """
    model = objective.model
    set_lr = LearningRate(optimizer)
    record = _Record(lrs, options, on_step)
    validation_steps = 0
    width = 1
    readback: Readback | None = None
    status = Status.COMPLETED
    if not model.training:  # and not otherwise: what its owner put in eval mode inside it stays there
        model.train()
    try:
        for i, lr in enumerate(lrs.tolist()):
            extra: list[Tensor] = []
            if validation is not None and i % options.validation_every == 0:
                extra.append(evaluate(objective, validation))
                validation_steps += 1
            set_lr(lr)
            loss, accuracy = train_step(objective, optimizer, batches, options)
            if readback is None:
                width = 1 if accuracy is None else 2
                readback = Readback(device, len(lrs), width + (validation is not None))
            measured = [loss] if accuracy is None else [loss, accuracy]
            if validation is not None:
                measured.append(extra[0] if extra else loss.new_full((), float("nan")))
            readback.push(*measured)
            if any(record.take(values) for values in readback.ready()):
                break
        else:
            if readback is not None:
                any(record.take(values) for values in readback.ready(all_of_them=True))
    except KeyboardInterrupt:
        if readback is not None:
            any(record.take(values) for values in readback.ready(all_of_them=True))
        status = Status.INTERRUPTED
    except RuntimeError as error:
        # What a kernel was given wrongly comes out at some later call.
        if "CUDA error" not in str(error) or isinstance(error, UserError):
            raise
        raise BatchError(
            f"an earlier step failed on the GPU ({str(error).splitlines()[0]}). A label or an index outside "
            "its range is the usual cause: device=cpu names it."
        ) from error
    return record.curve(record.ended or status, accuracy=width == 2, validation=validation is not None)


class _Record:
    """The steps whose losses are known so far, and whether one of them ends the sweep."""

    def __init__(self, lrs: NDArray[np.float64], options: SweepOptions, on_step: OnStep | None) -> None:
        self.ended: Status | None = None
        self._lrs = lrs
        self._options = options
        self._on_step = on_step
        self._average = ExponentialAverage(options.beta)
        grace = max(options.skip_start, min(GRACE, len(lrs) // 5))
        self._diverged = DivergenceTest(options.stop_factor, grace=grace)
        self._rows: list[tuple[float, ...]] = []  # smoothed loss, then the values as measured

    def take(self, values: tuple[float, ...]) -> bool:
        """Takes the next step's values; True where the sweep ends with it."""
        loss = values[0]
        index = len(self._rows)
        smoothed = self._average.update(loss)
        self._rows.append((smoothed, *values))
        if self._on_step is not None:
            self._on_step(Step(index, float(self._lrs[index]), loss, smoothed))
        if not math.isfinite(loss):
            self.ended = Status.NONFINITE
        elif self._diverged.update(loss, smoothed):
            self.ended = Status.DIVERGED
        return self.ended is not None

    def curve(self, status: Status, *, accuracy: bool, validation: bool) -> Curve:
        """All of it as a curve."""
        steps = len(self._rows)
        columns = np.array(self._rows, dtype=np.float64).T
        return Curve(
            lrs=self._lrs[:steps],
            losses=columns[1] if steps else np.empty(0),
            smoothed=columns[0] if steps else np.empty(0),
            status=status,
            planned_steps=len(self._lrs),
            accuracies=columns[2] if accuracy and steps else None,
            validation_losses=columns[-1] if validation and steps else None,
            skip_start=self._options.skip_start,
            skip_end=self._options.skip_end,
        )
