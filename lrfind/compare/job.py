"""One run of a comparison: all rates of an optimizer, a batch size and a seed, in whichever process."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch

from lrfind.tasks.build import build, data_of
from lrfind.training.run_set import RunSet
from lrfind.training.runs import train_runs
from lrfind.training.stacking.strategy import Strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lrfind.compare.config import CompareConfig
    from lrfind.execution.executors import Say
    from lrfind.tasks.data.dataset import Data
    from lrfind.training.task import Task

_TELL_EVERY = 0.05
"""Least time in seconds between two messages on how far a run is."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a run is given.

    Attributes:
        config: With the optimizer, the batch size and the seed of the run.
        optimizer: Name of the optimizer.
        lrs: The rates, rising.
        steps: Updates before each reading.
        held_out: Samples set apart.
        accuracy: Whether to measure the share of right answers.
        stacked: Whether to train the rates side by side.
        threads: Threads to compute with on the CPU.
    """

    config: CompareConfig
    optimizer: str
    lrs: tuple[float, ...]
    steps: tuple[int, ...]
    held_out: int
    accuracy: bool
    stacked: bool
    threads: int

    @property
    def key(self) -> tuple[str, int, int]:
        """Optimizer, batch size and seed: what names it among the others."""
        return self.optimizer, self.config.batch_size, self.config.seed


@dataclass(frozen=True, slots=True)
class Progress:
    """So many more updates were made."""

    steps: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A rate was read; indices count from 0."""

    rate: int
    reading: int
    loss: float
    accuracy: float


class Trainer:
    """Trains jobs; of a process's own, it reads the data once.

    Args:
        config: Of the comparison.
        data: The data, where they are there already.
    """

    def __init__(self, config: CompareConfig, data: Data | None = None) -> None:
        self._config = config
        self._data = data

    def __call__(self, job: Job, say: Say) -> tuple[RunSet, list[str]]:
        """What its rates came to, and the paths of pictures that could not be read."""
        with threads(job.threads):
            if self._data is None:
                self._data = data_of(self._config)
            task = task_of(job.config, self._data, held_out=job.held_out, accuracy=job.accuracy)
            with closing(task):
                assert task.validation is not None
                runs = train_runs(
                    task,
                    job.lrs,
                    num_steps=job.steps[-1],
                    held_out=task.validation,
                    read_at=job.steps,
                    seed=job.config.seed,
                    strategy=Strategy.STACKED if job.stacked else Strategy.SEQUENTIAL,
                    on_step=_now_and_then(say),
                    on_reading=lambda *values: say(Reading(*values)),
                )
        # The losses of all steps are not read, and of long trainings they would fill memory.
        return replace(runs, losses=runs.losses[:, :0].copy()), list(task.skipped)


def task_of(config: CompareConfig, data: Data, *, held_out: int, accuracy: bool) -> Task:
    """The task of a run, at its start."""
    return build(config, data=data, validation_samples=held_out, accuracy=accuracy)


def untrained(job: Job) -> RunSet:
    """What is known of a run before it begins."""
    return RunSet.untrained(job.lrs, read_at=job.steps, seed=job.config.seed, stacked=job.stacked)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Computes with so many threads, here alone."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _now_and_then(say: Callable[[Any], None]) -> Callable[[int, int], None]:
    """Sums steps up, so that a fast run does not spend its time on saying how far it is."""
    due, untold = perf_counter() + _TELL_EVERY, 0

    def on_step(rates: int, step: int) -> None:
        nonlocal due, untold
        untold += rates
        now = perf_counter()
        if now >= due:
            say(Progress(untold))
            due, untold = now + _TELL_EVERY, 0

    return on_step
