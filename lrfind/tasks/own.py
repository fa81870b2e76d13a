"""What a caller's own model, optimizer and loader are trained as."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lrfind.config.schema import Precision
from lrfind.errors import UserError
from lrfind.execution.distributed import num_ranks
from lrfind.report.formatting import momentum_text
from lrfind.tasks.data.sources import length_of
from lrfind.tasks.devices import autocast, gradient_scaler
from lrfind.tasks.own_checks import check_kinds, check_trainable, fixed, one_of
from lrfind.tasks.own_runs import batches_of
from lrfind.training.objective import Objective
from lrfind.training.optimizer import Optimizers, name_of_optimizer
from lrfind.training.peers import mean_of
from lrfind.training.snapshot import preserved
from lrfind.training.step import StepOptions
from lrfind.training.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    import torch
    from torch import nn
    from torch.optim import Optimizer

    from lrfind.training.objective import Criterion, Forward
    from lrfind.training.peers import Peers
    from lrfind.training.snapshot import Snapshot
    from lrfind.training.step import OwnStep


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OwnTraining:
    """What a caller gives to be trained, and how a step of it is made: what the Python functions share.

    All are arguments of `range_test` and mean what they mean there.
    """

    model: nn.Module
    optimizer: Optimizer
    criterion: Criterion | None
    loader: Iterable[Any]
    precision: Precision | str = Precision.FP32
    scaler: torch.amp.GradScaler | None = None
    forward: Forward | None = None
    accumulation_steps: int = 1
    clip_grad_norm: float | None = None
    step: OwnStep | None = None

    def task(
        self,
        *,
        accuracy: bool = False,
        validation: Iterable[Any] | None = None,
        validation_name: str = "validation",
        peers: Peers | None = None,
    ) -> Task:
        """Makes a task of it.

        Without `peers` there may be no other rank: each would find an answer of its own, and wait for the
        others where the model does.

        Raises:
            UserError: The precision is none, the optimizer trains nothing of the model, or another argument
                cannot be used.
        """
        if peers is None and num_ranks() > 1:
            raise UserError(
                "range_test, refine and verify work on several ranks; this function works in one process, "
                f"and there are {num_ranks()}: call it before torch.distributed.init_process_group, or in a "
                "process of its own."
            )
        model, optimizer, loader = self.model, self.optimizer, self.loader
        check_kinds(model, optimizer, self.criterion, loader)
        precision = one_of(Precision, self.precision)
        check_trainable(model, optimizer)
        device = next(model.parameters()).device
        notes: list[str] = []
        return Task(
            Objective(
                model,
                self.criterion,
                forward=self.forward,
                accuracy=accuracy,
                autocast=autocast(precision, device),
                on_note=notes.append,
            ),
            optimizer,
            batches_of(loader, device),
            device,
            StepOptions(
                accumulation_steps=self.accumulation_steps,
                clip_grad_norm=self.clip_grad_norm,
                scaler=gradient_scaler(precision, device) if self.scaler is None else self.scaler,
                own_step=self.step,
                before_backward=None if peers is None else peers.agree,
            ),
            validation=fixed(validation, device, validation_name),
            per_epoch=_length(loader, peers),
            title=_title(model, optimizer, loader),
            notes=notes,
            peers=peers,
        )

    def preserved(self, task: Task) -> AbstractContextManager[Snapshot]:
        """Puts everything back at the end, as `lrfind.training.snapshot.preserved`."""
        told_apart = self.criterion if self.step is None else self.step  # what has a state beside the model
        return preserved(
            self.model, self.optimizer, criterion=told_apart, scaler=task.scaler, loader=self.loader
        )


def _length(loader: Iterable[Any], peers: Peers | None) -> int | None:
    """Batches of a loader, of those of all peers the mean: what is read from it must be the same for all."""
    length = length_of(loader)
    (mean,) = mean_of(peers, (math.nan if length is None else length,))
    return None if math.isnan(mean) else round(mean)


_WRAPPERS = {"DataParallel": "module", "DistributedDataParallel": "module", "OptimizedModule": "_orig_mod"}
"""Classes that hold the model which a user knows, and where."""


def _title(model: nn.Module, optimizer: Optimizer, loader: Iterable[Any]) -> str:
    """What is trained, as far as the objects tell."""
    while type(model).__name__ in _WRAPPERS:
        model = getattr(model, _WRAPPERS[type(model).__name__])
    title = f"{type(model).__name__}, {name_of_optimizer(optimizer)}"
    if not isinstance(optimizer, Optimizers):
        title += momentum_text(optimizer.param_groups[0])
    size = getattr(loader, "batch_size", None)
    return title if size is None else f"{title}, batch size {size}"
