"""What a caller's own model, optimizer and loader are trained as, checked."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn
from torch.utils.data import Dataset

from lrfind.config.schema import Precision
from lrfind.errors import DataError, ModelError, OptimizerError, UserError
from lrfind.execution.distributed import num_ranks
from lrfind.tasks.data.own_loader import rebatched
from lrfind.tasks.data.sources import length_of
from lrfind.tasks.devices import autocast, gradient_scaler
from lrfind.tasks.own_runs import batches_of
from lrfind.training.batch import on_device
from lrfind.training.objective import Objective
from lrfind.training.optimizer import is_optimizer, name_of_optimizer
from lrfind.training.peers import mean_of
from lrfind.training.rng import same_streams
from lrfind.training.snapshot import preserved
from lrfind.training.step import StepOptions
from lrfind.training.task import Task

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from torch.optim import Optimizer

    from lrfind.training.objective import Criterion, Forward
    from lrfind.training.peers import Peers
    from lrfind.training.snapshot import Snapshot
    from lrfind.training.step import OwnStep

Choice = TypeVar("Choice", bound=Enum)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OwnTraining:
    """What a caller gives to be trained, and how a step of it is made: what the Python functions share.

    Attributes:
        model: As in `range_test`, and so are all others.
        optimizer: Over its parameters.
        criterion: The loss; None where the model, or `forward`, returns it.
        loader: Where batches come from.
        precision: One of `Precision`.
        scaler: The gradient scaler; None makes one where the precision asks for it.
        forward: In place of the model's own call.
        accumulation_steps: Batches a step.
        clip_grad_norm: Largest norm of the gradient; None: no limit.
        step: Makes a whole step; None: a step is made of the others.
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
        cast = autocast(precision, device)
        return Task(
            Objective(model, self.criterion, forward=self.forward, accuracy=accuracy, autocast=cast),
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
            peers=peers,
        )

    def preserved(self, task: Task) -> AbstractContextManager[Snapshot]:
        """Puts everything back at the end, as `lrfind.training.snapshot.preserved`.

        Args:
            task: The one that was made of it.
        """
        told_apart = self.criterion if self.step is None else self.step  # what has a state beside the model
        return preserved(
            self.model, self.optimizer, criterion=told_apart, scaler=task.scaler, loader=self.loader
        )


def _length(loader: Iterable[Any], peers: Peers | None) -> int | None:
    """Batches of a loader, of those of all peers the mean: what is read from it must be the same for all."""
    length = length_of(loader)
    (mean,) = mean_of(peers, (math.nan if length is None else length,))
    return None if math.isnan(mean) else round(mean)


def in_batches(loader: Iterable[Any], size: int | None) -> Iterable[Any]:
    """A loader in batches of a size; None leaves it as it is.

    Raises:
        UserError: They cannot be made otherwise than they are.
    """
    if size is None:
        return loader
    if not isinstance(size, int) or size < 1:
        raise UserError(f"batch_size must be a whole number of at least 1, or None, got {size!r}.")
    refuse_dataset(loader)
    try:
        return rebatched(loader, size)  # type: ignore[no-any-return]
    except ValueError as error:
        raise UserError(
            f"batch_size={size} cannot be had: the loader {error}. Give one of that size, or leave "
            "batch_size out."
        ) from error


def fixed(batches: Iterable[Any] | None, device: torch.device, name: str) -> list[Any] | None:
    """Fixed batches on the device; None for None.

    Raises:
        UserError: There is none; `name` is what the message calls them.
    """
    if batches is None:
        return None
    found = [on_device(batch, device) for batch in batches_given(batches, name)]
    if not found:
        raise UserError(f"{name} holds no batch; leave it out for none.")
    return found


def batches_given(batches: Iterable[Any], name: str) -> list[Any]:
    """The batches of an argument; to read them leaves the random streams where they were.

    Raises:
        UserError: It is no iterable; `name` is what the message calls it.
    """
    if not isinstance(batches, Iterable):
        raise UserError(
            f"{name} must be batches, got {batches!r}: in Python it takes an iterable of batches that are "
            "not trained on, such as a DataLoader of your validation set or a list of batches."
        )
    with same_streams(batches):
        return list(batches)


def one_of(choices: type[Choice], value: Choice | str) -> Choice:
    """The member of an enumeration that an argument names.

    Raises:
        UserError: It names none.
    """
    try:
        return choices(value)
    except ValueError:
        names = ", ".join(member.value for member in choices)
        raise UserError(f"{choices.__name__.lower()} must be one of {names}, got {value!r}.") from None


def check_kinds(model: object, optimizer: object, criterion: object, loader: object) -> None:
    """Checks that each argument is of its kind, and not in another's place.

    Raises:
        UserError: They are not.
    """
    for name, given, takes, error in (
        ("model", model, "...", ModelError),
        ("optimizer", optimizer, "model.parameters(), lr=...", OptimizerError),
        ("criterion", criterion, "", UserError),
    ):
        if isinstance(given, type):
            raise error(f"{name} is {_kind(given)}: pass an instance, {given.__name__}({takes}).")
    if not isinstance(model, nn.Module):
        raise ModelError(f"model must be a torch.nn.Module, got {_kind(model)}.")
    if not is_optimizer(optimizer):
        raise OptimizerError(
            f"optimizer must be a torch.optim.Optimizer, got {_kind(optimizer)}: was it swapped with "
            "another argument?"
        )
    if criterion is not None and not callable(criterion):
        raise UserError(
            f"criterion must be a loss that can be called, or None, got {_kind(criterion)}: was it swapped "
            "with another argument?"
        )
    if not (isinstance(loader, Iterable) or hasattr(loader, "__getitem__")):
        raise UserError(
            f"loader must be an iterable of batches, such as a DataLoader, got {_kind(loader)}: was it "
            "swapped with another argument?"
        )
    refuse_dataset(loader)


def refuse_dataset(loader: object) -> None:
    """Refuses a data set in the place of a loader: it would be trained on sample by sample.

    Raises:
        DataError: It is one, which gives no batches when it is iterated over.
    """
    if isinstance(loader, Dataset) and not isinstance(loader, Iterable):
        raise DataError(
            "loader is a Dataset, which gives single samples: wrap it in a DataLoader, DataLoader(dataset, "
            "batch_size=64, shuffle=True). Where its items are whole batches: DataLoader(dataset, "
            "batch_size=None)."
        )


def _kind(given: object) -> str:
    return f"the class {given.__name__} itself" if isinstance(given, type) else f"a {type(given).__name__}"


def check_trainable(model: nn.Module, optimizer: Optimizer) -> None:
    """Checks that the optimizer moves something of the model.

    Raises:
        UserError: It does not.
    """
    trained = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    if not trained:
        raise ModelError("the optimizer has no trainable parameters, so no learning rate can matter.")
    own = {id(parameter) for parameter in model.parameters()}
    if not any(id(parameter) in own for parameter in trained):
        raise OptimizerError(
            "the optimizer moves none of the model's parameters: was it made for another model?"
        )


def _title(model: nn.Module, optimizer: Optimizer, loader: Iterable[Any]) -> str:
    """What is trained, as far as the objects tell."""
    title = f"{type(model).__name__}, {name_of_optimizer(optimizer)}"
    size = getattr(loader, "batch_size", None)
    return title if size is None else f"{title}, batch size {size}"
