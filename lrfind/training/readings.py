"""Held-out loss, and accuracy where it is measured, of runs on their way."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from lrfind.training.baseline import Baseline, most_frequent
from lrfind.training.batch import num_samples, target_of
from lrfind.training.peers import mean_of
from lrfind.training.step import evaluate
from lrfind.training.targets import Targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lrfind.training.blind_answer import BlindAnswer
    from lrfind.training.run_set import RunSet
    from lrfind.training.stacking.stack import Stack
    from lrfind.training.task import Task

OnReading = Callable[[int, int, float, float], None]
"""`on_reading(run, reading, loss, accuracy)`: a run was read; indices count from 0, and an accuracy that is
not measured is NaN."""


class Readings:
    """Reads held-out loss, and accuracy where it is measured, and notes them."""

    def __init__(
        self, task: Task, held_out: Sequence[Any] | None, runs: RunSet, on_reading: OnReading | None
    ) -> None:
        self._objective = task.objective
        self._peers = task.peers
        self._held_out = held_out
        self._runs = runs
        self._on_reading = on_reading

    def read_start(self) -> None:
        """Reads the model as it is, once for all runs."""
        assert self._held_out is not None
        self._runs.readings[:, 0], self._runs.accuracies[:, 0] = self._evaluated(self._held_out)

    def read(self, run: int, step: int) -> None:
        """Reads the model as it is: a run after so many steps."""
        if self._held_out is not None:
            self._note(run, step, *self._evaluated(self._held_out))

    def read_stack(self, stack: Stack, runs: Sequence[int], step: int) -> None:
        """Reads the runs of a stack, with accuracies model by model, for a stack computes losses alone."""
        if self._held_out is None or not runs:
            return
        if not self._objective.accuracy:
            for run, loss in zip(runs, stack.read(self._held_out).tolist(), strict=True):
                self._note(run, step, loss, math.nan)
            return
        for position, run in enumerate(runs):
            stack.put_into_model(position)
            self.read(run, step)

    def _evaluated(self, batches: Sequence[Any]) -> tuple[float, float]:
        """The loss, and the accuracy or NaN."""
        loss, accuracy = evaluate(self._objective, batches)
        values = float(loss), math.nan if accuracy is None else float(accuracy)
        loss_of_all, accuracy_of_all = mean_of(self._peers, values)
        return loss_of_all, accuracy_of_all

    def _note(self, run: int, step: int, loss: float, accuracy: float) -> None:
        reading = self._runs.read_at.index(step)
        self._runs.readings[run, reading] = loss
        self._runs.accuracies[run, reading] = accuracy
        if self._on_reading is not None:
            self._on_reading(run, reading, loss, accuracy)


def read_baseline(task: Task) -> Baseline:
    """What the task has on its held-out batches as it is, before training; nothing is moved."""
    assert task.validation is not None
    loss, accuracy = evaluate(task.objective, task.validation)
    blind = blind_answer_on(task.validation, task)
    found = Baseline(float(loss), samples=sum(map(num_samples, task.validation)), blind=blind.loss)
    if accuracy is None:
        return found
    labels = torch.cat([target_of(batch).flatten() for batch in task.validation]).cpu().numpy()
    return found._replace(accuracy=max(float(accuracy), most_frequent(labels)))


def blind_answer_on(held_out: Iterable[Any], task: Task) -> BlindAnswer:
    """The best answer for held-out batches that does not look at the inputs."""
    targets = Targets(task.objective)
    for batch in held_out:
        targets.meet(batch)
    return targets.blind_answer(task.peers)
