"""A caller's own objects, checked: each of its kind and in its place, and batches as they are asked for."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn
from torch.utils.data import Dataset

from lrfind.errors import DataError, ModelError, OptimizerError, UserError
from lrfind.tasks.data.own_loader import rebatched
from lrfind.tasks.data.sources import kind_of
from lrfind.training.batch import on_device
from lrfind.training.optimizer import is_optimizer, moved_by
from lrfind.training.rng import same_streams

if TYPE_CHECKING:
    from torch.optim import Optimizer

Choice = TypeVar("Choice", bound=Enum)


def in_batches(loader: Iterable[Any], size: int | None) -> Iterable[Any]:
    """A loader in batches of a size, or a UserError where it makes no others; None leaves it as it is."""
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
    """Fixed batches on the device; None for None. `name` is what messages call them."""
    if batches is None:
        return None
    found = [on_device(batch, device) for batch in batches_given(batches, name)]
    if not found:
        raise UserError(f"{name} holds no batch; leave it out for none.")
    return found


def batches_given(batches: Iterable[Any], name: str) -> list[Any]:
    """The batches of an argument; to read them leaves the random streams where they were."""
    if not isinstance(batches, Iterable):
        raise UserError(
            f"{name} must be batches, got {batches!r}: in Python it takes an iterable of batches that are "
            "not trained on, such as a DataLoader of your validation set or a list of batches."
        )
    with same_streams(batches):
        return list(batches)


def one_of(choices: type[Choice], value: Choice | str) -> Choice:
    """The member of an enumeration that an argument names."""
    try:
        return choices(value)
    except ValueError:
        names = ", ".join(member.value for member in choices)
        raise UserError(f"{choices.__name__.lower()} must be one of {names}, got {value!r}.") from None


def check_kinds(model: object, optimizer: object, criterion: object, loader: object) -> None:
    """Checks that each argument is of its kind, and not in another's place."""
    for name, given, takes, error in (
        ("model", model, "...", ModelError),
        ("optimizer", optimizer, "model.parameters(), lr=...", OptimizerError),
        ("criterion", criterion, "", UserError),
    ):
        if isinstance(given, type):
            raise error(f"{name} is {kind_of(given)}: pass an instance, {given.__name__}({takes}).")
    if not isinstance(model, nn.Module):
        raise ModelError(f"model must be a torch.nn.Module, got {kind_of(model)}.")
    if not is_optimizer(optimizer):
        raise OptimizerError(
            f"optimizer must be a torch.optim.Optimizer, got {kind_of(optimizer)}: was it swapped with "
            "another argument?"
        )
    if isinstance(getattr(optimizer, "scaler", None), torch.amp.GradScaler):
        raise OptimizerError(
            "the optimizer has a gradient scaler in it, as Accelerate gives it one for fp16, and only an "
            "accelerator can step it: give model and optimizer as they were before accelerator.prepare, and "
            "precision='fp16'."
        )
    if criterion is not None and not callable(criterion):
        raise UserError(
            "criterion must be a loss that can be called, or None where the model or forward returns it, "
            f"got {kind_of(criterion)}: was it swapped with another argument?"
        )
    if not (isinstance(loader, Iterable) or hasattr(loader, "__getitem__")):
        raise UserError(
            f"loader must be an iterable of batches, such as a DataLoader, got {kind_of(loader)}: was it "
            "swapped with another argument?"
        )
    refuse_dataset(loader)


def refuse_dataset(loader: object) -> None:
    """Refuses a data set in the place of a loader: it would be trained on sample by sample."""
    if isinstance(loader, Dataset) and not isinstance(loader, Iterable):
        raise DataError(
            "loader is a Dataset, which gives single samples: wrap it in a DataLoader, DataLoader(dataset, "
            "batch_size=64, shuffle=True). Where its items are whole batches: DataLoader(dataset, "
            "batch_size=None)."
        )


def check_trainable(model: nn.Module, optimizer: Optimizer) -> None:
    """Checks that the optimizer moves something of the model."""
    trained = [p for p in moved_by(optimizer) if p.requires_grad]
    if not trained:
        raise ModelError("the optimizer has no trainable parameters, so no learning rate can matter.")
    own = {id(parameter) for parameter in model.parameters()}
    if not any(id(parameter) in own for parameter in trained):
        raise OptimizerError(
            "the optimizer moves none of the model's parameters: was it made for another model?"
        )
