"""One run of a comparison: all rates of an optimizer, a batch size and a seed, in whichever process."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from lrfind.tasks.build import build, data_of
from lrfind.tasks.data.own_loader import samples_behind
from lrfind.tasks.threads import thread_count
from lrfind.training.readings import read_baseline
from lrfind.training.run_set import RunSet
from lrfind.training.runs import train_runs
from lrfind.training.stacking.strategy import Strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

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
        seed: Of weights, batches and held-out samples.
        lrs: The rates, rising.
        steps: Updates before each reading.
        stacked: Whether to train the rates side by side.
    """

    optimizer: str
    batch_size: int
    seed: int
    lrs: tuple[float, ...]
    steps: tuple[int, ...]
    accuracy: bool
    stacked: bool
    threads: int

    @property
    def key(self) -> tuple[str, int, int]:
        """Optimizer, batch size and seed: what names it among the others."""
        return self.optimizer, self.batch_size, self.seed


@dataclass(frozen=True, slots=True)
class Reading:
    """A rate was read; indices count from 0."""

    rate: int
    reading: int
    loss: float
    accuracy: float


@dataclass(frozen=True, slots=True, eq=False)
class TrainedJob:
    """What a run came to.

    Attributes:
        runs: What its rates came to, without the losses of all steps.
        skipped: Pictures that could not be read.
    """

    key: tuple[str, int, int]
    runs: RunSet
    skipped: list[str]


class OpenRun(Protocol):
    """Opens the task of a run at its start, with fixed batches set apart from training."""

    def __call__(
        self, optimizer: str, batch_size: int, seed: int, *, accuracy: bool
    ) -> AbstractContextManager[Task]:
        """Opens the one of an optimizer, a batch size and a seed."""


def data_of_runs(config: CompareConfig) -> Data:
    """The data of a config: where batch sizes are asked for, the samples behind a DataLoader."""
    data = data_of(config)
    return data if config.compare.batch_sizes is None else samples_behind(data) or data


class ConfigRuns:
    """Opens the tasks of a config, an `OpenRun`; in a process of its own, it reads the data once.

    Args:
        configs: By the name of the optimizer, with that optimizer.
        data: The data, where they are there already.
    """

    def __init__(self, configs: Mapping[str, CompareConfig], held_out: int, data: Data | None = None) -> None:
        self._configs = configs
        self._held_out = held_out
        self._data = data

    @contextmanager
    def __call__(self, optimizer: str, batch_size: int, seed: int, *, accuracy: bool) -> Iterator[Task]:
        """Opens one, with the seed that is given."""
        given = self._configs[optimizer]
        if self._data is None:
            self._data = data_of_runs(given)
        config = replace(given, batch_size=batch_size, seed=seed)
        task = build(config, data=self._data, validation_samples=self._held_out, accuracy=accuracy)
        with closing(task):
            yield task

    def without_data(self) -> ConfigRuns:
        """The same for another process, to which the data are not sent."""
        return ConfigRuns(self._configs, self._held_out)


class Trainer:
    """Trains jobs; says a `Reading` as it is made, and now and then how many more updates were made."""

    def __init__(self, open_run: OpenRun) -> None:
        self._open_run = open_run

    def __call__(self, job: Job, say: Say) -> TrainedJob:
        """What its rates came to."""
        with (
            thread_count(job.threads),
            self._open_run(job.optimizer, job.batch_size, job.seed, accuracy=job.accuracy) as task,
        ):
            assert task.validation is not None
            baseline = read_baseline(task)
            runs = train_runs(
                task,
                job.lrs,
                num_steps=job.steps[-1],
                held_out=task.validation,
                read_at=job.steps,
                seed=job.seed,
                strategy=Strategy.STACKED if job.stacked else Strategy.SEQUENTIAL,
                on_step=_now_and_then(say),
                on_reading=lambda *values: say(Reading(*values)),
            )
        # The losses of all steps are not read, and of long trainings they would fill memory.
        runs = replace(runs, losses=runs.losses[:, :0].copy(), baseline=baseline)
        return TrainedJob(job.key, runs, list(task.skipped))


def untrained(job: Job) -> RunSet:
    """What is known of a run before it begins."""
    return RunSet.untrained(job.lrs, read_at=job.steps, seed=job.seed, stacked=job.stacked)


def _now_and_then(say: Callable[[Any], None]) -> Callable[[int, int], None]:
    """Sums steps up, so that a fast run does not spend its time on saying how far it is."""
    due, untold = perf_counter() + _TELL_EVERY, 0

    def on_step(rates: int, step: int) -> None:
        nonlocal due, untold
        untold += rates
        now = perf_counter()
        if now >= due:
            say(untold)
            due, untold = now + _TELL_EVERY, 0

    return on_step
