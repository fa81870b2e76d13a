"""What a comparison trains on and how long: all that is known before there are any learning rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfind.compare.budget import Budget
from lrfind.compare.job import ConfigRuns, data_of_runs
from lrfind.compare.results import Judge
from lrfind.config.compose import with_optimizers
from lrfind.config.schema import AUTO
from lrfind.errors import BatchError, ConfigError
from lrfind.report.formatting import listed
from lrfind.tasks import devices
from lrfind.tasks.data.held_out import held_out_samples, is_counted, met_again
from lrfind.tasks.data.machine import num_cores
from lrfind.tasks.data.own_loader import batch_size_of
from lrfind.tasks.data.sources import Source, source_of
from lrfind.tasks.threads import available, thread_count, threads_of
from lrfind.training.step import evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    import torch

    from lrfind.compare.config import CompareConfig, CompareSettings
    from lrfind.compare.job import OpenRun
    from lrfind.range_test.config import RangeSettings
    from lrfind.tasks.data.dataset import Data
    from lrfind.training.task import Task


class Setting:
    """What a comparison trains on and how long.

    Args:
        range_test: Settings of the range test that finds the rates.
        sizes: Batch sizes, rising.
        threads: Threads a run on the processor, where the settings leave that open.
        accuracy: Whether there may be right answers to count.

    Attributes:
        threads: Threads a run on the CPU.
        accuracy: Whether there are right answers to count.
    """

    def __init__(
        self,
        open_run: OpenRun,
        settings: CompareSettings,
        range_test: RangeSettings,
        *,
        device: torch.device,
        optimizers: Sequence[str],
        sizes: Sequence[int],
        held_out: int,
        budget: Budget,
        accumulation_steps: int = 1,
        first_seed: int = 0,
        threads: int | str = AUTO,
        accuracy: bool = True,
        notes: Sequence[str] = (),
    ) -> None:
        self.open_run = open_run
        self.settings = settings
        self.range = range_test
        self.device = device
        self.optimizers = list(optimizers)
        self.sizes = list(sizes)
        self.held_out = held_out
        self.budget = budget
        self.first_seed = first_seed
        self.notes = list(notes)
        self._accumulation_steps = accumulation_steps
        self._threads = threads if settings.threads is None else settings.threads
        for size in self.sizes:
            self.steps(size)  # says at once which is too large
        self.threads = _share(len(self.sizes) * len(self.optimizers) * settings.seeds)
        self.accuracy = accuracy
        with thread_count(self.threads):
            self._look()
        self.judge = settings.judge or (Judge.ACCURACY if self.accuracy else Judge.LOSS)

    @classmethod
    def of(cls, config: CompareConfig) -> Setting:
        """The setting of a config."""
        settings = config.compare
        device = devices.resolve(config.device)  # what is wrong with it is said before data is read
        if device.type != "cpu" and (settings.processes or 1) > 1:
            raise ConfigError(
                f"compare.processes={settings.processes}: on {device.type} runs go one after another, "
                "for they would share its memory: use compare.processes=1, or leave it at null."
            )
        if settings.optimizers is None:
            configs = {str(config.optimizer["_target_"]).rpartition(".")[2]: config}
        else:
            configs = with_optimizers(
                config, settings.optimizers, command="compare", key="compare.optimizers"
            )
        data = data_of_runs(config)
        sizes = _batch_sizes(config, data)
        held_out, pool = _held_out(config, data, sizes)
        return cls(
            ConfigRuns(configs, held_out, data),
            settings,
            config.range,
            device=device,
            optimizers=list(configs),
            sizes=sizes,
            held_out=held_out,
            budget=Budget.of(
                epochs=settings.epochs, samples=settings.samples, readings=settings.readings, pool=pool
            ),
            accumulation_steps=config.accumulation_steps,
            first_seed=config.seed,
            threads=config.threads,
            accuracy=not config.criterion.get("from_model"),
            notes=[told] if (told := met_again(data)) else [],
        )

    def steps(self, batch_size: int) -> tuple[int, ...]:
        """The updates after which a batch size is read."""
        return self.budget.steps(batch_size * self._accumulation_steps)

    def open_first(self, *, accuracy: bool) -> AbstractContextManager[Task]:
        """The task of the first optimizer at the least batch size, at its start."""
        return self.open_run(self.optimizers[0], self.sizes[0], self.first_seed, accuracy=accuracy)

    def _look(self) -> None:
        """Whether there are right answers to count; takes what the user should know of from the task."""
        with self.open_first(accuracy=self.accuracy) as task:
            if isinstance(self._threads, int):
                self.threads = self._threads
            elif task.device.type == "cpu":
                worth = threads_of(self._threads, task.model, task.data, self.sizes[-1])
                self.threads = min(worth, self.threads)
            if self.accuracy:
                assert task.validation is not None
                try:
                    evaluate(task.objective, task.validation[:1])
                except BatchError:
                    self.accuracy = False  # what else is wrong with the batch is said without it, too
                    if self.settings.judge is Judge.ACCURACY:
                        raise
            self.title = _title(task, self.optimizers)
            self.notes += task.notes


def _batch_sizes(config: CompareConfig, data: Data) -> list[int]:
    """The batch sizes, rising; a ConfigError where some are given and the data come in batches."""
    sizes = config.compare.batch_sizes
    if source_of(data.dataset) in (Source.LOADER, Source.BATCHES):
        if sizes is not None:
            raise ConfigError(
                f"compare.batch_sizes={sizes} cannot be had: data={data.name} gives batches as they are, and "
                "is no plain DataLoader, whose samples could be put together otherwise. Give the data set "
                "behind it, or leave compare.batch_sizes at null."
            )
        return [batch_size_of(data) or config.samples_a_batch]
    return [config.samples_a_batch] if sizes is None else sorted(sizes)


def _held_out(config: CompareConfig, data: Data, sizes: list[int]) -> tuple[int, int | None]:
    """How many samples are set apart, and how many are left; None where that is not known."""
    settings = config.compare
    apart = held_out_samples(
        data,
        settings.held_out,
        batch_size=max(sizes),
        key="compare.held_out",
        size_key="batch_size" if settings.batch_sizes is None else "compare.batch_sizes",
    )
    return apart, len(data.dataset) - apart if is_counted(data) else None


def _share(runs: int) -> int:
    """Threads a run has at most: by the plan alone, not `compare.processes`, which may not change a bit."""
    return max(1, min(available(), num_cores() // min(num_cores(), runs)))


def _title(task: Task, optimizers: list[str]) -> str:
    about = task.title.partition(", batch size")[0]
    if len(optimizers) == 1:
        return about
    return f"{about.partition(', ')[0]}, {listed(optimizers)}"
