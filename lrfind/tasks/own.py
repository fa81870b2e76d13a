"""A task from a caller's own model, optimizer and loader, checked."""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
from collections.abc import Iterable
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import nn

from lrfind.config.schema import Precision
from lrfind.errors import ModelError, OptimizerError, UserError
from lrfind.execution.distributed import num_ranks
from lrfind.tasks.data.own_loader import rebatched
from lrfind.tasks.devices import autocast, gradient_scaler
from lrfind.training.batch import endless, on_device
from lrfind.training.objective import Objective
from lrfind.training.optimizer import is_optimizer, name_of_optimizer
from lrfind.training.snapshot import Snapshot, generators_of
from lrfind.training.step import StepOptions
from lrfind.training.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch.optim import Optimizer

    from lrfind.training.objective import Criterion, Forward
    from lrfind.training.peers import Peers
    from lrfind.training.step import OwnStep

Choice = TypeVar("Choice", bound=Enum)


def own_task(
    model: nn.Module,
    optimizer: Optimizer,
    criterion: Criterion | None,
    loader: Iterable[Any],
    *,
    precision: Precision | str,
    scaler: torch.amp.GradScaler | None,
    forward: Forward | None,
    accumulation_steps: int,
    clip_grad_norm: float | None,
    accuracy: bool = False,
    validation: Iterable[Any] | None = None,
    validation_name: str = "validation",
    peers: Peers | None = None,
    step: OwnStep | None = None,
) -> Task:
    """Makes a task of what a caller gave.

    Without `peers` there may be no other rank: each would find an answer of its own, and wait for the others
    where the model does.

    Raises:
        UserError: The precision is none, the optimizer trains nothing of the model, or another argument
            cannot be used.
    """
    if peers is None and num_ranks() > 1:
        raise UserError(
            "range_test, refine and verify work on several ranks; this function works in one process, and "
            f"there are {num_ranks()}: call it before torch.distributed.init_process_group, or in a process "
            "of its own."
        )
    check_kinds(model, optimizer, criterion, loader)
    precision = one_of(Precision, precision)
    check_trainable(model, optimizer)
    device = next(model.parameters()).device
    return Task(
        Objective(model, criterion, forward=forward, accuracy=accuracy, autocast=autocast(precision, device)),
        optimizer,
        batches_of(loader, device),
        device,
        StepOptions(
            accumulation_steps=accumulation_steps,
            clip_grad_norm=clip_grad_norm,
            scaler=gradient_scaler(precision, device) if scaler is None else scaler,
            own_step=step,
            before_backward=None if peers is None else peers.agree,
        ),
        validation=fixed(validation, device, validation_name),
        per_epoch=_length(loader, peers),
        title=_title(model, optimizer, loader),
        peers=peers,
    )


def _length(loader: Iterable[Any], peers: Peers | None) -> int | None:
    """Batches of a loader, of those of all peers the mean: what is read from it must be the same for all."""
    length: float
    try:
        length = len(loader)  # type: ignore[arg-type]
    except TypeError:
        length = math.nan
    if peers is not None:
        (length,) = peers.mean((length,))
    return None if math.isnan(length) else round(length)


def batches_of(loader: Iterable[Any], device: torch.device) -> Iterator[Any]:
    """The batches of a loader on the device, without end."""
    return (on_device(batch, device) for batch in endless(loader))


class RepeatedTask:
    """Opens a caller's task again and again, an `OpenTask`: what is drawn at random differs each time.

    From the second time on, the random streams are seeded anew, and the order of the loader goes on.

    Args:
        task: What is trained.
        loader: Where its batches come from.
        start: The state it begins at, that of the loader apart.
        times: How often it is opened.
        single_batch: Give the first batch at every step.
    """

    def __init__(
        self, task: Task, loader: Iterable[Any], start: Snapshot, *, times: int, single_batch: bool
    ) -> None:
        self._task = task
        self._loader = loader
        self._start = start
        with torch.random.fork_rng(devices=[]):  # the first time is what it would be alone
            self._seeds = torch.randint(2**31, (times,)).tolist() if times > 1 else [0]
        self._single_batch = single_batch

    @contextmanager
    def __call__(self, seed: int, *, skip: int = 0) -> Iterator[Task]:
        """Opens it for the time that is counted by `seed`."""
        if seed:
            self._start.restore(loader=False)
            torch.manual_seed(self._seeds[seed])
        batches = batches_of(self._loader, self._task.device)
        if not self._single_batch:
            yield dataclasses.replace(self._task, batches=batches)
        else:
            yield dataclasses.replace(self._task, batches=itertools.repeat(next(batches)), per_epoch=None)


class SeededTask:
    """Opens a caller's task at its start, but for what a seed changes, an `OpenTask`.

    For several seeds, or with `initialise`, the random streams and the generators of the loader are seeded
    with 0, 1, ...; else nothing is seeded.

    Args:
        task: What is trained.
        loader: Where its batches come from.
        start: The state it begins at.
        seeds: How many seeds there are.
        initialise: Draws initial weights; None: all seeds have those that are given.
    """

    def __init__(
        self,
        task: Task,
        loader: Iterable[Any],
        start: Snapshot,
        *,
        seeds: int = 1,
        initialise: Callable[[nn.Module], None] | None = None,
    ) -> None:
        self._task = task
        self._loader = loader
        self._start = start
        self._seeded = seeds > 1 or initialise is not None
        self._initialise = initialise

    @contextmanager
    def __call__(self, seed: int, *, skip: int = 0) -> Iterator[Task]:
        """Opens the task of a seed, counted from 0."""
        self._start.restore()
        if self._seeded:
            self._seed(seed)
        task = self._task
        order: Snapshot | None = None

        def afresh() -> Iterator[Any]:
            nonlocal order
            if order is None:  # before the first batch is drawn
                order = Snapshot(task.model, task.optimizer, scaler=task.scaler, loader=self._loader)
            order.restore_loader()
            return batches_of(self._loader, task.device)

        yield dataclasses.replace(task, batches=batches_of(self._loader, task.device), afresh=afresh)

    def _seed(self, seed: int) -> None:
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        for generator in generators_of(self._loader):
            generator.manual_seed(seed)
        if self._initialise is not None:
            self._initialise(self._task.model)


def in_batches(loader: Iterable[Any], size: int | None) -> Iterable[Any]:
    """A loader in batches of a size; None leaves it as it is.

    Raises:
        UserError: They cannot be made otherwise than they are.
    """
    if size is None:
        return loader
    if not isinstance(size, int) or size < 1:
        raise UserError(f"batch_size must be a whole number of at least 1, or None, got {size!r}.")
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
    """The batches of an argument.

    Raises:
        UserError: It is no iterable; `name` is what the message calls it.
    """
    if not isinstance(batches, Iterable):
        raise UserError(
            f"{name} must be batches, got {batches!r}: in Python it takes an iterable of batches that are "
            "not trained on, such as a DataLoader of your validation set or a list of batches."
        )
    return list(batches)


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


def check_kinds(model: object, optimizer: object, criterion: object, loader: object) -> None:
    """Checks that each argument is of its kind, and not in another's place.

    Raises:
        UserError: They are not.
    """
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
