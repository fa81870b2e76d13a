"""The task of every seed of a refined sweep: the same data, but for weights and the order of the batches."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from lrfind.errors import ConfigError
from lrfind.refine.config import Iteration, Read
from lrfind.refine.continued import Reading
from lrfind.tasks import devices
from lrfind.tasks.build import data_of, fixed_batches_of
from lrfind.tasks.config_runs import ConfigTasks
from lrfind.tasks.data.sources import Source, source_of
from lrfind.training.blind_answer import UNKNOWN
from lrfind.training.groups import groups_of
from lrfind.training.targets import Targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lrfind.refine.config import RefineConfig
    from lrfind.suggestion import Group
    from lrfind.tasks.data.dataset import Data
    from lrfind.training.task import OpenTask, Task


class Seeds:
    """Opens the task of one seed after another.

    Args:
        reading: What an iteration is, and on what its loss is read; or what makes it of the first task.
        in_memory: Whether batches are gathered from tensors, by an order that depends on the seed alone, so
            that several seeds can be trained side by side.

    Attributes:
        begun: Whether a task has been opened.
        title: What is trained on what and how; empty before the first task.
        skipped: Pictures that could not be read.
        groups: The optimizer's groups; none where there is only one, and before the first task.
        notes: What a reader of the numbers should know.
        blind: The best answer for the batches of the last task that does not look at the inputs.
        again: Makes the same once more, in another process; None where they are not of a config.
    """

    def __init__(
        self,
        open_task: OpenTask,
        count: int,
        reading: Reading | Callable[[Task], Reading],
        *,
        in_memory: bool = False,
    ) -> None:
        self.count = count
        self.in_memory = in_memory
        self.title = ""
        self.skipped: list[str] = []
        self.notes: list[str] = []
        self.begun = False
        self.groups: tuple[Group, ...] = ()
        self.blind = UNKNOWN
        self.again: Callable[[], Seeds] | None = None
        self._open_task = open_task
        self._reading = reading

    @classmethod
    def of(cls, config: RefineConfig) -> Seeds:
        """The seeds of a config."""
        devices.resolve(config.device)  # what is wrong with it is said before data is read
        data = data_of(config)
        seeds = cls(
            ConfigTasks(config, data=data),
            config.refine.seeds,
            lambda task: _reading(config, data, task),
            in_memory=source_of(data.dataset) is Source.TENSORS,
        )
        seeds.again = partial(cls.of, config)
        return seeds

    @property
    def reading(self) -> Reading:
        """What an iteration is, and on what its loss is read; known from the first task on."""
        assert isinstance(self._reading, Reading)
        return self._reading

    @contextmanager
    def open(self, seed: int, *, skip: int = 0) -> Iterator[Task]:
        """The task of a seed, counted from 0, at its start, but for batches that are left out."""
        with self._open_task(seed, skip=skip) as task:
            self.title = self.title or task.title
            if not self.begun:
                self.groups = groups_of(task.model, task.optimizer)
            if not isinstance(self._reading, Reading):
                self._reading = self._reading(task)
            self.begun = True
            targets = Targets(task.objective)
            try:
                yield replace(
                    task,
                    batches=targets.passing(task.batches),
                    afresh=lambda: targets.passing(task.afresh()),
                )
                # Of ranks each met other targets, and one that was interrupted waits for no other.
                self.blind = UNKNOWN if task.peers is not None else targets.blind_answer()
                if said := targets.order_note():
                    task.notes.append(said)
            finally:
                self.skipped += [path for path in task.skipped if path not in self.skipped]
                self.notes += [note for note in task.notes if note not in self.notes]


def _reading(config: RefineConfig, data: Data, task: Task) -> Reading:
    settings = config.refine
    steps = 1
    if settings.iteration is Iteration.EPOCH:
        if task.per_epoch is None:
            raise ConfigError(
                f"refine.iteration=epoch needs data whose end is known, and {data.name} has none: "
                "use refine.iteration=batch."
            )
        steps = max(task.per_epoch // config.accumulation_steps, 1)
    on = None
    if settings.read is not Read.BATCH:
        samples = settings.subset if settings.read is Read.SUBSET else None
        on = fixed_batches_of(config, data, task.device, samples=samples)
    return Reading(steps, on)
