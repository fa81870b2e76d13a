"""The tasks of a config, opened one after another: a seed each, on the same data."""

from __future__ import annotations

import dataclasses
from contextlib import closing, contextmanager
from copy import copy
from functools import partial
from typing import TYPE_CHECKING

import torch

from lrfind.tasks.build import build, data_of
from lrfind.tasks.data.held_out import spared_samples
from lrfind.tasks.parallel import inner_model
from lrfind.tasks.threads import threads_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lrfind.config.schema import TaskConfig
    from lrfind.tasks.data.dataset import Data
    from lrfind.training.task import Task


class ConfigTasks:
    """Opens the tasks of a config, an `OpenTask`: one a seed, counted on from that of the config.

    `data` is what all of them train on: None before the first one, where none was given. `skipped` holds the
    pictures that could not be read.
    """

    def __init__(
        self,
        config: TaskConfig,
        *,
        accuracy: bool = False,
        validation_samples: int = 0,
        single_batch: bool = False,
        data: Data | None = None,
    ) -> None:
        self.data = data
        self.skipped: list[str] = []
        self._config = config
        self._validation_samples = validation_samples
        self._build = partial(build, accuracy=accuracy, single_batch=single_batch)

    def without_data(self) -> ConfigTasks:
        """The same for another process, to which the data are not sent."""
        tasks = copy(self)
        tasks.data, tasks.skipped = None, []
        return tasks

    def with_held_out(self) -> ConfigTasks | None:
        """The same with samples set apart, as many as `held_out_samples` says, where none are yet."""
        if self._validation_samples:
            return self
        samples = None if self.data is None else spared_samples(self.data, self._config.samples_a_batch)
        if samples is None:
            return None
        tasks = copy(self)
        tasks._validation_samples = samples
        return tasks

    def read_data(self) -> None:
        """Reads the data, as the first seed would, where that has not been done."""
        if self.data is None:
            self.data = data_of(self._config)

    @contextmanager
    def __call__(self, seed: int, *, skip: int = 0) -> Iterator[Task]:
        """Opens the task of a seed, counted from 0; the arguments are those of `build`."""
        config = dataclasses.replace(self._config, seed=self._config.seed + seed)
        task = self._build(config, validation_samples=self._validation_samples, data=self.data, skip=skip)
        self.data = task.data
        if task.device.type == "cpu":
            torch.set_num_threads(
                threads_of(config.threads, inner_model(task.model), task.data, config.samples_a_batch)
            )
        try:
            with closing(task):
                yield task
        finally:
            self.skipped += [path for path in task.skipped if path not in self.skipped]
