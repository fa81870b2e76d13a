"""The task of every seed of a refined sweep: the same data, but for weights and the order of the batches."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from lrfind.errors import ConfigError
from lrfind.refine.config import Iteration, Read
from lrfind.refine.continued import Reading
from lrfind.tasks import devices
from lrfind.tasks.build import build, data_of, fixed_batches_of
from lrfind.tasks.data.sources import Source, source_of

if TYPE_CHECKING:
    from lrfind.refine.config import RefineConfig
    from lrfind.training.task import Task


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

    def task(self, seed: int, *, skip: int = 0) -> Task:
        """The task of a seed, counted from 0, at its start, but for batches that are left out."""
        config = dataclasses.replace(self._config, seed=self._config.seed + seed)
        task = build(config, data=self._data, skip=skip)
        self.title = self.title or task.title
        if self._reading is None:
            self._reading = self._read_on(config, task)
        return task

    def note_skipped(self, task: Task) -> None:
        """Keeps in mind which pictures a task has left out."""
        self.skipped += [path for path in task.skipped if path not in self.skipped]

    def _read_on(self, config: RefineConfig, task: Task) -> Reading:
        settings = config.refine
        steps = 1
        if settings.iteration is Iteration.EPOCH:
            if task.per_epoch is None:
                raise ConfigError(
                    f"refine.iteration=epoch needs data whose end is known, and {self._data.name} has none: "
                    "use refine.iteration=batch."
                )
            steps = max(task.per_epoch // config.accumulation_steps, 1)
        on = None
        if settings.read is not Read.BATCH:
            samples = settings.subset if settings.read is Read.SUBSET else None
            on = fixed_batches_of(config, self._data, task.device, samples=samples)
        return Reading(steps, on)
