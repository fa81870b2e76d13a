"""Several seeds of a continued sweep at once: as many models as seeds in one stack, at the same rates.

Each seed has its own initial weights and its own batches, so that what comes out is what each gives alone.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lrfind.training.stacking.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from torch import Tensor

    from lrfind.training.task import Task


class StackedSeeds:
    """Seeds that train side by side; one whose loss is no longer finite leaves, and the others go on.

    Args:
        tasks: One a seed, at its start; they stay as they are, but for their batches, each a tuple of
            tensors of the same shapes in every seed.

    Attributes:
        inside: Which of the seeds still train, counted from 0.
        device: Where the losses are computed.
    """

    def __init__(self, tasks: Sequence[Task], *, record: bool) -> None:
        first = tasks[0]
        self.inside = list(range(len(tasks)))
        self.device = first.device
        self._streams = [task.batches for task in tasks]
        if not first.model.training:
            first.model.train()
        # The first loss of an objective is held against the labels, which has to happen outside of vmap.
        batch = next(self._streams[0])
        with torch.no_grad():
            first.objective(batch)
        self._streams[0] = chain([batch], self._streams[0])
        others = [(task.model, task.optimizer) for task in tasks[1:]]
        self._stack = Stack(
            first.objective,
            first.optimizer,
            np.zeros(len(tasks)),
            options=first.options,
            others=others,
            record=record,
        )
        self._batches = self._stacked()

    def set_lr(self, lr: float) -> None:
        """Goes on at this rate."""
        self._stack.set_lrs(lr)

    def step(self) -> Tensor:
        """One update of every seed; returns their losses before it, shape (seeds inside,)."""
        return self._stack.step(self._batches)

    def read(self, batches: Iterable[Any]) -> Tensor:
        """The loss of every seed on the same fixed batches, shape (seeds inside,)."""
        return self._stack.read(batches)

    def keep(self, seeds: Sequence[int]) -> None:
        """Goes on with these seeds, at least one, of those that are inside."""
        positions = [k for k, seed in enumerate(self.inside) if seed in seeds]
        if len(positions) == len(self.inside):
            return
        self.inside = [self.inside[k] for k in positions]
        self._streams = [self._streams[k] for k in positions]
        self._stack.keep(positions)

    def state(self) -> dict[str, Any]:
        """All that it needs beside its batches to go on where it is, as plain values and tensors."""
        return {"inside": list(self.inside), "stack": self._stack.state()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state` was taken; that of other seeds is refused by a ValueError."""
        inside = state["inside"]
        if not isinstance(inside, list) or not inside or any(seed not in self.inside for seed in inside):
            raise ValueError("it holds the state of other seeds")
        self.keep(inside)
        self._stack.load(state["stack"])

    def _stacked(self) -> Iterator[tuple[Tensor, ...]]:
        while True:
            batches = [next(stream) for stream in self._streams]
            yield tuple(torch.stack(column) for column in zip(*batches, strict=True))
