"""What a finder is given, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn
    from torch.optim import Optimizer

    from lrfind.training.task import Task as Built

START_LR = 1e-7
"""The rate that the optimizer is given where a finder starts at the optimizer's own."""

BATCHES = 120
"""Batches given to a peer, more than the 100 steps that each of them makes."""


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """A task in parts, as the other finders take them.

    Attributes:
        model: Fresh, with the weights of the sweep's seed.
        criterion: The loss, `criterion(model(x), y)`.
        optimizer: Over its parameters, at `START_LR`.
        optimizer_class: What it is made of.
        arguments: Its arguments without the rate.
        loader: The very batches that lrfind's sweep of that seed sees, in the same order.
    """

    model: nn.Module
    criterion: Callable[..., Any]
    optimizer: Optimizer
    optimizer_class: Callable[..., Optimizer]
    arguments: dict[str, Any]
    loader: DataLoader[Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a finder says.

    Attributes:
        lr: The suggested rate, or None.
        low: Lower end of the bracket, where it gives one.
        high: Upper end.
        steps: Training steps made for it.
        why: Why there is no answer, or how it was found.
        highest_peak: Rate above which lrfind names no peak of a schedule.
    """

    lr: float | None
    low: float | None = None
    high: float | None = None
    steps: int = 0
    why: str = ""
    highest_peak: float | None = None


def pieces_of(task: Built, node: Mapping[str, Any]) -> Pieces:
    """The parts of a task that was just built, with the optimizer of that node of its config."""
    for group in task.optimizer.param_groups:
        group["lr"] = START_LR
    arguments = {key: value for key, value in node.items() if not key.startswith("_") and key != "lr"}
    batches = list(islice(task.batches, BATCHES))
    loader: DataLoader[Any] = DataLoader(batches, batch_size=None)  # type: ignore[arg-type]
    criterion = task.objective.criterion
    assert criterion is not None
    return Pieces(task.model, criterion, task.optimizer, type(task.optimizer), arguments, loader)
