"""The learning-rate range test: the loop.

Source: Smith, arXiv 1506.01186, section 3.3; Gugger, "How Do You Find A Good Learning Rate".
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lrfind.errors import BatchError, DeviceError, UserError
from lrfind.range_test.config import RangeSettings
from lrfind.range_test.curve import Curve
from lrfind.range_test.ladder import unread_steps
from lrfind.suggestion import Status
from lrfind.training.divergence import GRACE, DivergenceTest
from lrfind.training.initial_model import InitialModel, initial_model_nbytes
from lrfind.training.optimizer import LearningRate, momentum_of, rectified_by
from lrfind.training.readback import Readback
from lrfind.training.recent_batches import RecentBatches
from lrfind.training.smoothing import ExponentialAverage
from lrfind.training.step import evaluate, train_step
from lrfind.training.step_errors import no_memory_left, out_of_memory

if TYPE_CHECKING:
    from torch import Tensor

    from lrfind.statistics import Floats
    from lrfind.training.peers import Peers
    from lrfind.training.task import Task


_DEFAULTS = RangeSettings()

_LARGE_CONTROL = 2**28
"""Bytes of a paired test's control from which on they are spoken of: on a GPU of 8 GiB they are noticed."""


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
class SweepOptions:
    """What a sweep measures and when it stops.

    Attributes:
        beta: Weight of the past in the smoothed loss.
        stop_factor: Stop when the smoothed loss passes this many times its lowest; None: never.
        skip_start: Steps at the start that are not read, and that cannot stop the test (see also `GRACE`).
        skip_end: Steps at the end that are not read, where the sweep stopped early.
        validation_every: Steps from one validation to the next.
        paired: Also measure, at each step, the loss of the model as it was at the start on the same batch;
            see `InitialModel`. It costs a forward pass a step, and a copy of what is trained.
    """

    beta: float = _DEFAULTS.beta
    stop_factor: float | None = _DEFAULTS.stop_factor
    skip_start: int = 0
    skip_end: int = 0
    validation_every: int = _DEFAULTS.validation.every
    paired: bool = False

    def __post_init__(self) -> None:
        """Checks every value.

        Raises:
            UserError: One cannot be used; the message names it.
        """
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
        cls,
        *,
        num_steps: int,
        paired: bool = False,
        skip_start: int | None,
        skip_end: int | None,
        **others: Any,
    ) -> SweepOptions:
        """Options for a ladder of that length.

        Args:
            num_steps: Length of the ladder.
            paired: As the attribute.
            skip_start: As the attribute; None: none where paired, else a tenth of the ladder, at most 10.
            skip_end: As the attribute; None: none where paired, else a twentieth of the ladder, at most 5.
            others: The other attributes.
        """
        start, end = unread_steps(num_steps, paired=paired, skip_start=skip_start, skip_end=skip_end)
        return cls(paired=paired, skip_start=start, skip_end=end, **others)


def sweep(
    task: Task,
    lrs: Floats,
    *,
    options: SweepOptions,
    on_step: OnStep | None = None,
    set_lr: Callable[[float], None] | None = None,
) -> Curve:
    """Trains along a ladder of rates and returns what was measured. The model is left as trained.

    At step i the loss of the next batch is measured, then the update is made with `lrs[i]`.

    Args:
        task: What is trained. The loss on its fixed batches, where it has some, is measured every
            `options.validation_every` steps.
        lrs: The ladder, shape (steps,); `lrs[i]` is the rate of the group with the largest rate.
        options: What to measure and when to stop.
        on_step: Told of every step, in order, once its loss is known. On a GPU that is a few steps later.
        set_lr: Sets the rate of a step; None: that of all groups, in their ratio.

    Returns:
        The curve. A KeyboardInterrupt ends the sweep with status `interrupted` and is not raised again.

    Raises:
        UserError: Model, loss, optimizer or data cannot be used as given.
    """
    objective, optimizer, batches, validation = task.objective, task.optimizer, task.batches, task.validation
    model, steps, peers = task.model, task.options, task.peers
    set_lr = LearningRate(optimizer) if set_lr is None else set_lr
    record = _Record(lrs, options, on_step, peers)
    columns: list[str] = []
    readback: Readback | None = None
    status = Status.COMPLETED
    seen = RecentBatches(task.device, 1 if steps.own_step is not None else steps.accumulation_steps)
    if not options.paired:
        batches = seen.passing(batches)
    if not model.training:  # and not otherwise: what its owner put in eval mode inside it stays there
        model.train()
    try:
        start = InitialModel(objective, optimizer) if options.paired else None
        for i, lr in enumerate(lrs.tolist()):
            measured: dict[str, Tensor] = {}
            validated: Tensor | None = None
            if validation is not None and i % options.validation_every == 0:
                validated = evaluate(objective, validation)[0]
            source = batches
            if start is not None or peers is not None:
                drawn = [next(batches) for _ in range(steps.accumulation_steps)]
                source = iter(drawn)
                if peers is not None:
                    peers.agree()
                if start is not None:
                    measured["start_losses"], right = start.measure(drawn)
                    if right is not None:
                        measured["start_accuracies"] = right
                    if peers is not None:
                        peers.agree()
            set_lr(lr)
            loss, right = train_step(objective, optimizer, source, steps)
            if right is not None:
                measured["accuracies"] = right
            if validation is not None:
                if validated is None:
                    validated = loss.new_full((), math.nan)
                measured["validation_losses"] = validated
            if readback is None:
                columns = list(measured)
                width = 1 + len(columns)
                readback = Readback(task.device, len(lrs), width, fixed_lag=peers is not None)
            readback.push(loss, *measured.values())
            if record.take(readback.ready()):
                break
        else:
            if readback is not None:
                record.take(readback.ready(all_of_them=True))
    except KeyboardInterrupt:
        if readback is not None and peers is None:  # what is under way is measured by all or by none
            record.take(readback.ready(all_of_them=True))
        status = Status.INTERRUPTED
    except Exception as error:
        if options.paired and out_of_memory(error):
            raise _with_control(error, initial_model_nbytes(objective, optimizer)) from error
        # What a kernel was given wrongly comes out at some later call.
        if "CUDA error" not in str(error) or not isinstance(error, RuntimeError):
            raise
        raise BatchError(
            f"an earlier step failed on the GPU ({str(error).splitlines()[0]}). A label or an index outside "
            "its range is the usual cause: the CPU names it."
        ) from error
    ended = record.ended or status
    curve = dataclasses.replace(
        record.curve(ended, columns),
        momentum=momentum_of(optimizer),
        rectified_by=rectified_by(optimizer),
        epoch_steps=task.epoch_steps,
    )
    if curve.status is not Status.NONFINITE or options.paired:
        return curve
    bad = not seen.is_finite(len(curve) - 1)
    if peers is not None:
        bad = peers.mean((float(bad),))[0] > 0
    return dataclasses.replace(curve, bad_batch=True) if bad else curve


def said_of_control(task: Task) -> str | None:
    """What a paired test says in advance of the memory that its control takes, where that is large."""
    nbytes = initial_model_nbytes(task.objective, task.optimizer)
    if nbytes < _LARGE_CONTROL:
        return None
    return (
        f"the paired test keeps a copy of the trained weights on {task.device}, {_size(nbytes)}; "
        "range.paired=false does without it."
    )


def _with_control(error: Exception, nbytes: int) -> DeviceError:
    """Memory ran out: the same message with what the control takes of it, where that is large."""
    told = str(error) if isinstance(error, DeviceError) else str(no_memory_left(error, "beside the model"))
    if nbytes >= _LARGE_CONTROL:
        told += f" paired=False does without a copy of the trained weights, which takes {_size(nbytes)}."
    return DeviceError(told)


def _size(nbytes: int) -> str:
    return f"{nbytes / 2**20:,.0f} MiB" if nbytes < 2**30 else f"{nbytes / 2**30:.1f} GiB"


class _Record:
    """The steps whose losses are known so far, and whether one of them ends the sweep."""

    def __init__(
        self,
        lrs: Floats,
        options: SweepOptions,
        on_step: OnStep | None,
        peers: Peers | None = None,
    ) -> None:
        self.ended: Status | None = None
        self._lrs = lrs
        self._options = options
        self._on_step = on_step
        self._peers = peers
        self._average = ExponentialAverage(options.beta)
        grace = max(options.skip_start, min(GRACE, len(lrs) // 5))
        self._diverged = DivergenceTest(options.stop_factor, grace=grace)
        self._rows: list[tuple[float, ...]] = []  # smoothed loss, then the values as measured

    def take(self, steps: Iterable[tuple[float, ...]]) -> bool:
        """Takes the values of the next steps; True where the sweep ends with one, and no more is taken."""
        for values in steps:
            if self._peers is not None:
                values = self._peers.mean(values)
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
            if self.ended is not None:
                return True
        return False

    def curve(self, status: Status, names: Sequence[str]) -> Curve:
        """All of it as a curve; `names` are its fields that were measured beside the loss, in order."""
        steps = len(self._rows)
        columns = np.array(self._rows, dtype=np.float64).T
        return Curve(
            lrs=self._lrs[:steps],
            losses=columns[1] if steps else np.empty(0),
            smoothed=columns[0] if steps else np.empty(0),
            status=status,
            planned_steps=len(self._lrs),
            skip_start=self._options.skip_start,
            skip_end=self._options.skip_end,
            **(dict(zip(names, columns[2:], strict=True)) if steps else {}),
        )
