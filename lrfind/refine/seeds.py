"""The task of every seed of a refined sweep: the same data, but for weights and the order of the batches."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from lrfind.config.schema import Iteration, Read
from lrfind.errors import ConfigError
from lrfind.refine.continued import Reading, Trainee
from lrfind.tasks import devices
from lrfind.tasks.build import build, data_of
from lrfind.tasks.data.sources import Source, source_of
from lrfind.training.step import StepOptions

if TYPE_CHECKING:
    from lrfind.config.schema import RefineConfig
    from lrfind.tasks.build import Task


class Seeds:
    """Builds the task of one seed after another.

    Attributes:
        count: How many there are.
        title: What is trained on what and how; empty before the first task.
        skipped: Pictures that could not be read.
    """

    def __init__(self, config: RefineConfig) -> None:
        self.count = config.refine.seeds
        self.title = ""
        self.skipped: list[str] = []
        self._config = config
        devices.resolve(config.device)  # what is wrong with it is said before data is read
        self._data = data_of(config)
        self._reading: Reading | None = None

    @property
    def reading(self) -> Reading:
        """What an iteration is, and on what its loss is read; known from the first task on."""
        assert self._reading is not None
        return self._reading

    @property
    def begun(self) -> bool:
        """Whether a task has been built."""
        return self._reading is not None

    @property
    def in_memory(self) -> bool:
        """Whether batches are gathered from tensors, by an order that depends on the seed alone."""
        return source_of(self._data.dataset) is Source.TENSORS

    def task(self, seed: int, *, skip: int = 0) -> tuple[Task, Trainee]:
        """The task of a seed, counted from 0, at its start, but for batches that are left out."""
        config = dataclasses.replace(self._config, seed=self._config.seed + seed)
        task = build(config, data=self._data, skip=skip)
        self.title = self.title or task.title
        options = StepOptions(
            accumulation_steps=config.accumulation_steps,
            clip_grad_norm=config.clip_grad_norm,
            scaler=task.scaler,
        )
        if self._reading is None:
            self._reading = self._read_on(task)
        return task, Trainee(task.objective, task.optimizer, task.batches, task.device, options)

    def note_skipped(self, task: Task) -> None:
        """Keeps in mind which pictures a task has left out."""
        self.skipped += [path for path in task.loaders.skipped if path not in self.skipped]

    def _read_on(self, task: Task) -> Reading:
        settings = self._config.refine
        steps = 1
        if settings.iteration is Iteration.EPOCH:
            if task.loaders.per_epoch is None:
                raise ConfigError(
                    f"refine.iteration=epoch needs data whose end is known, and {self._data.name} has none: "
                    "use refine.iteration=batch."
                )
            steps = max(task.loaders.per_epoch // self._config.accumulation_steps, 1)
        on = None
        if settings.read is not Read.BATCH:
            on = task.fixed_batches(settings.subset if settings.read is Read.SUBSET else None)
        return Reading(steps, on)
