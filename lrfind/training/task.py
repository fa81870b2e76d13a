"""The bundle of all that is trained: model, optimizer, loss, batches and device."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from lrfind.errors import DataError
from lrfind.training.step import StepOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    import torch
    from torch import nn
    from torch.optim import Optimizer

    from lrfind.training.objective import Objective
    from lrfind.training.peers import Peers


def _only_once() -> Iterator[Any]:
    raise DataError(
        "the batches cannot be drawn from the first one on again: give a loader, or another iterable that "
        "can be iterated over more than once."
    )


def _nothing() -> None:
    """For a task that holds nothing open."""


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """All that is trained, at its start.

    It is made from a config (`lrfind.tasks.build`) or from a caller's own objects (`lrfind.tasks.own`);
    whatever trains does not know which.

    Attributes:
        objective: The loss on a batch; it holds the model.
        optimizer: Over the trainable parameters; several groups keep the ratio of their rates.
        batches: Endless; each batch on the device.
        device: Where the model is and the losses are computed.
        options: How a step is made.
        afresh: Makes a new iterator over the same batches in the same order, from the first one on.
        validation: Fixed batches on the device that training does not see, or None.
        per_epoch: Batches an epoch; None where that is not known.
        title: What is trained on what and how, for a picture's title.
        notes: Sentences that the user should know of, such as a head that a checkpoint had no weights for;
            the first loss may add to them.
        skipped: Paths of the pictures left out so far; grows as batches are drawn.
        data: What the batches are made of, for another task on the same; None where that is not known.
        peers: Those who run the same sweep at the same time, or None.
        close: Ends what loads the batches. No more can be drawn.
    """

    objective: Objective
    optimizer: Optimizer
    batches: Iterator[Any]
    device: torch.device
    options: StepOptions = field(default_factory=StepOptions)
    afresh: Callable[[], Iterator[Any]] = _only_once
    validation: list[Any] | None = None
    per_epoch: int | None = None
    title: str = ""
    notes: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    data: Any = None
    peers: Peers | None = None
    close: Callable[[], None] = _nothing

    @property
    def model(self) -> nn.Module:
        """The model, compiled where that was asked for."""
        return self.objective.model

    @property
    def epoch_steps(self) -> float | None:
        """Steps in which every sample is met once; None where that is not known."""
        return None if self.per_epoch is None else self.per_epoch / self.options.accumulation_steps

    @property
    def scaler(self) -> Any:
        """The gradient scaler of fp16, or None."""
        return self.options.scaler

    def without_accuracy(self) -> Task:
        """The same, measuring losses alone."""
        return replace(self, objective=self.objective.loss_only())


class OpenTask(Protocol):
    """Opens the task of one run after another, for work that trains several seeds.

    Args:
        seed: Which seed, counted from 0.
        skip: Batches to leave out at the start, as a run that goes on has drawn them already.

    Returns:
        The task at its start. On leaving, what loads its batches is closed, or a caller's objects are put
        back.
    """

    def __call__(self, seed: int, *, skip: int = 0) -> AbstractContextManager[Task]:
        """Opens one."""


@runtime_checkable
class HoldsOut(Protocol):
    """An `OpenTask` of which there is another whose tasks have samples held out."""

    def with_held_out(self) -> OpenTask | None:
        """The other one; None where training would meet the samples, or none can be spared."""
