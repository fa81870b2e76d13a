"""A caller's own model, optimizer and loader, checked and made into what the core trains."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from lrfind.config.schema import Precision
from lrfind.errors import ModelError, OptimizerError, UserError
from lrfind.tasks.precision import autocast, gradient_scaler
from lrfind.training.batch import endless, on_device
from lrfind.training.objective import Objective
from lrfind.training.snapshot import preserved

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    import torch
    from torch import nn
    from torch.optim import Optimizer

    from lrfind.training.objective import Criterion, Forward

Choice = TypeVar("Choice", bound=Enum)


@dataclass(frozen=True, slots=True, eq=False)
class OwnTask:
    """What a caller wants trained.

    Attributes:
        objective: The loss on a batch; it holds the model.
        optimizer: Over the model's parameters.
        loader: An iterable of batches.
        device: That of the model.
        scaler: The gradient scaler, or None.
    """

    objective: Objective
    optimizer: Optimizer
    loader: Iterable[Any]
    device: torch.device
    scaler: Any

    @property
    def model(self) -> nn.Module:
        """The model."""
        return self.objective.model

    @property
    def title(self) -> str:
        """What is trained, as far as the objects tell, for a picture's title."""
        title = f"{type(self.model).__name__}, {type(self.optimizer).__name__}"
        size = getattr(self.loader, "batch_size", None)
        return title if size is None else f"{title}, batch size {size}"

    def batches(self) -> Iterator[Any]:
        """The batches of the loader on the device, without end."""
        return (on_device(batch, self.device) for batch in endless(self.loader))

    def moved(self, batches: Iterable[Any] | None, name: str) -> list[Any] | None:
        """Fixed batches on the device; None for None.

        Raises:
            UserError: There is none; `name` is what the message calls them.
        """
        if batches is None:
            return None
        found = [on_device(batch, self.device) for batch in batches]
        if not found:
            raise UserError(f"{name} holds no batch; leave it out for none.")
        return found

    def preserved(self) -> AbstractContextManager[None]:
        """Inside, everything may be disturbed; afterwards it is as it was."""
        return preserved(
            self.model,
            self.optimizer,
            criterion=self.objective.criterion,
            scaler=self.scaler,
            loader=self.loader,
        )


def own_task(
    model: nn.Module,
    optimizer: Optimizer,
    criterion: Criterion | None,
    loader: Iterable[Any],
    *,
    precision: Precision | str,
    scaler: torch.amp.GradScaler | None,
    forward: Forward | None,
    accuracy: bool = False,
) -> OwnTask:
    """Makes a task of what a caller gave.

    Raises:
        UserError: The precision is none, or the optimizer trains nothing of the model.
    """
    precision = one_of(Precision, precision)
    check_trainable(model, optimizer)
    device = next(model.parameters()).device
    return OwnTask(
        Objective(model, criterion, forward=forward, accuracy=accuracy, autocast=autocast(precision, device)),
        optimizer,
        loader,
        device,
        gradient_scaler(precision, device) if scaler is None else scaler,
    )


def plain_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a call's arguments that a record can hold."""
    plain = (int, float, str, type(None))
    return {key: value for key, value in given.items() if isinstance(value, plain)}


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
