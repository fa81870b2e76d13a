"""What a comparison trains on and how long: all that is known before there are any learning rates."""

from __future__ import annotations

import dataclasses
import os
from contextlib import closing
from typing import TYPE_CHECKING

import torch

from lrfind.compare.budget import Budget
from lrfind.compare.job import task_of, threads
from lrfind.compare.results import Judge
from lrfind.config.compose import with_optimizers
from lrfind.errors import BatchError, ConfigError
from lrfind.tasks import devices
from lrfind.tasks.build import data_of
from lrfind.tasks.data.held_out import held_out_samples, is_counted
from lrfind.tasks.data.sources import Source, source_of
from lrfind.training.step import evaluate

if TYPE_CHECKING:
    from lrfind.compare.config import CompareConfig
    from lrfind.tasks.data.dataset import Data
    from lrfind.training.task import Task


class Setting:
    """What a comparison trains on and how long.

    Attributes:
        config: Of the comparison.
        configs: By the name of the optimizer, with that optimizer.
        device: Where it trains.
        data: What it trains on.
        sizes: Batch sizes, rising.
        held_out: Samples set apart.
        budget: How long each run trains.
        threads: Threads a run on the CPU.
        accuracy: Whether there are right answers to count.
        judge: By what a rate is judged.
        title: What is trained on what.
        notes: Sentences that the user should know of.

    Raises:
        UserError: Something in the config cannot be used as given.
    """

    def __init__(self, config: CompareConfig) -> None:
        settings = config.compare
        self.config = config
        self.device = devices.resolve(config.device)  # what is wrong with it is said before data is read
        if self.device.type != "cpu" and (settings.processes or 1) > 1:
            raise ConfigError(
                f"compare.processes={settings.processes}: on {self.device.type} runs go one after another, "
                "for they would share its memory: use compare.processes=1, or leave it at null."
            )
        if settings.optimizers is None:
            self.configs = {str(config.optimizer["_target_"]).rpartition(".")[2]: config}
        else:
            self.configs = with_optimizers(
                config, settings.optimizers, command="compare", key="compare.optimizers"
            )
        self.data = data_of(config)
        self.sizes = _batch_sizes(config, self.data)
        self.held_out, pool = _held_out(config, self.data, self.sizes)
        self.budget = Budget.of(
            epochs=settings.epochs, samples=settings.samples, readings=settings.readings, pool=pool
        )
        for size in self.sizes:
            self.steps(size)  # says at once which is too large
        self.threads = _threads(config, len(self.sizes) * len(self.configs) * settings.seeds)
        self.notes: list[str] = []
        with threads(self.threads):
            self._look()
        self.judge = settings.judge or (Judge.ACCURACY if self.accuracy else Judge.LOSS)

    def steps(self, batch_size: int) -> tuple[int, ...]:
        """The updates after which a batch size is read."""
        return self.budget.steps(batch_size * self.config.accumulation_steps)

    def task(self, config: CompareConfig, *, accuracy: bool | None = None) -> Task:
        """The task of a config, at its start."""
        accuracy = self.accuracy if accuracy is None else accuracy
        return task_of(config, self.data, held_out=self.held_out, accuracy=accuracy)

    def _look(self) -> None:
        """Whether there are right answers to count; takes what the user should know of from the task."""
        config = dataclasses.replace(next(iter(self.configs.values())), batch_size=self.sizes[0])
        self.accuracy = not config.criterion.get("from_model")
        task = self.task(config)
        with closing(task):
            if not is_counted(self.data):
                self.notes.append(
                    "The held-out samples were drawn first; a later pass over the data may bring them again."
                )
            if self.accuracy:
                assert task.validation is not None
                try:
                    evaluate(task.objective, task.validation[:1])
                except BatchError:
                    self.accuracy = False  # what else is wrong with the batch is said without it, too
                    if config.compare.judge is Judge.ACCURACY:
                        raise
            self.title = _title(task, list(self.configs))
            self.notes += task.notes


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _batch_sizes(config: CompareConfig, data: Data) -> list[int]:
    """Rising.

    Raises:
        ConfigError: Batch sizes are given, and the data come in batches.
    """
    sizes = config.compare.batch_sizes
    if source_of(data.dataset) in (Source.LOADER, Source.BATCHES):
        if sizes is not None:
            raise ConfigError(
                f"compare.batch_sizes={sizes} cannot be had: data={data.name} gives batches as they are. "
                "Give the data set behind it, or leave compare.batch_sizes at null."
            )
        own = getattr(data.dataset, "batch_size", None)
        return [own if isinstance(own, int) and own > 0 else config.batch_size]
    return [config.batch_size] if sizes is None else sorted(sizes)


def _held_out(config: CompareConfig, data: Data, sizes: list[int]) -> tuple[int, int | None]:
    """How many samples are set apart, and how many are left; None where that is not known.

    Raises:
        ConfigError: It cannot be done.
    """
    settings = config.compare
    apart = held_out_samples(
        data,
        settings.held_out,
        batch_size=max(sizes),
        key="compare.held_out",
        size_key="batch_size" if settings.batch_sizes is None else "compare.batch_sizes",
    )
    return apart, len(data.dataset) - apart if is_counted(data) else None


def _threads(config: CompareConfig, runs: int) -> int:
    """Threads a run: they hang on the plan alone, not on `compare.processes`, which may not change a bit."""
    if config.compare.threads is not None:
        return config.compare.threads
    return max(1, min(torch.get_num_threads(), cores() // min(cores(), runs)))


def _title(task: Task, optimizers: list[str]) -> str:
    about = task.title.partition(", batch size")[0]
    if len(optimizers) == 1:
        return about
    return f"{about.partition(', ')[0]}, {' and '.join(optimizers)}"
