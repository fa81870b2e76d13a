"""Where several runs begin: one state of a task, put back before each of them and at the end."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lrfind.errors import DataError
from lrfind.training.peers import mean_of
from lrfind.training.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from lrfind.training.task import Task


class Start:
    """The state of a task as it is when this is made, measuring losses alone: a step uses no accuracy."""

    def __init__(self, task: Task) -> None:
        self.task = task.without_accuracy()
        self._snapshot = Snapshot(task.model, task.optimizer, scaler=task.scaler)

    def restore(self) -> None:
        """Everything as it was, in training mode."""
        self._snapshot.restore()
        if not self.task.model.training:  # and not otherwise: what is in eval mode inside it stays there
            self.task.model.train()

    def batches(self) -> Iterator[Any]:
        """The batches from the first one on."""
        yield from self.task.afresh()
        raise DataError("the batches ended before the last step of a run: give as many as it takes.")

    def level(self, count: int) -> float:
        """The mean loss of the untrained model over the first batches: one alone may be a lucky one."""
        self.restore()
        losses = [self.task.objective(batch)[0].detach() for batch in islice(self.batches(), count)]
        level = float(np.mean(torch.stack(losses).tolist()))  # read at once, so that a GPU is waited for once
        return mean_of(self.task.peers, (level,))[0]

    def leave(self) -> None:
        """Everything as it was, whatever interrupts come meanwhile."""
        self._snapshot.restore_to_the_end()


@contextmanager
def from_one_start(task: Task) -> Iterator[Start]:
    """Inside, runs may begin where the task is now; afterwards it is there, whatever happened."""
    start = Start(task)
    with own_parameters(task.model):
        try:
            yield start
        finally:
            start.leave()


@contextmanager
def own_parameters(model: nn.Module) -> Iterator[None]:
    """Every module gets its own parameters back, even if an interrupt came while they were exchanged."""
    slots = [(module, dict(module._parameters)) for module in model.modules()]
    try:
        yield
    finally:
        for module, parameters in slots:
            module._parameters.update(parameters)
