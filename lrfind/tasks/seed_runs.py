"""The runs of one seed after another, each wherever the launcher of this run has it done."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lrfind.execution.executors import work_through
from lrfind.execution.launcher import Codec
from lrfind.report.state_file import arrays_as_bytes, arrays_of
from lrfind.tasks.build import ConfigTasks
from lrfind.tasks.threads import available
from lrfind.training.run_set import RunSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lrfind.execution.executors import Say
    from lrfind.training.run_set import OnStep
    from lrfind.training.task import OpenTask, Task

TrainSeed = Callable[["Task", int, "OnStep"], RunSet]
"""Trains what is to be trained of a task and its seed, counted from 0; told of every step. It is pickled."""

_ABOUT = "about"
"""Name of the array that holds what is no array, as JSON."""

_ARRAYS = ("lrs", "losses", "readings", "accuracies", "steps_taken", "diverged", "finished")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TrainedSeed:
    """What a seed came to.

    Attributes:
        runs: Its runs.
        skipped: Pictures that could not be read.
    """

    runs: RunSet
    skipped: list[str]


class SeedWork:
    """Trains one seed after another of a config, in whichever process; the data are read once.

    Args:
        open_task: Opens the task of a seed.
        train: Trains it.
    """

    def __init__(self, open_task: ConfigTasks, train: TrainSeed) -> None:
        self._open_task = open_task.without_data()
        self._train = train
        self._threads = available()

    def __call__(self, seed: int, say: Say) -> TrainedSeed:
        """Trains a seed, counted from 0."""
        same_threads(self._threads)
        self._open_task.read_data()
        with self._open_task(seed) as task:
            runs = self._train(task, seed, lambda count, step: say((count, step)))
            return TrainedSeed(runs, list(task.skipped))


def launched_seeds(
    open_task: OpenTask, train: TrainSeed, seeds: Sequence[int], on_seed: Callable[[int, TrainedSeed], None]
) -> None:
    """Has the launcher of this run train seeds; they end in any order.

    Args:
        open_task: Opens the task of a seed, from a config.
        train: Trains it.
        seeds: Counted from 0.
        on_seed: Told what a seed came to.

    Raises:
        UserError: As a seed raised it, or the launcher gave up.
        KeyboardInterrupt: As it came; what had ended was told.
    """
    assert isinstance(open_task, ConfigTasks)
    work_through(
        SeedWork(open_task, train),
        seeds,
        processes=1,
        codec=SEED_CODEC,
        on_message=lambda index, message: None,
        on_result=lambda index, trained: on_seed(seeds[index], trained),
    )


def same_threads(count: int) -> None:
    """In a process that has trained nothing yet: torch may use as many threads as where the run began.

    Sums over other numbers of threads round otherwise, and the same seed is to give the same numbers.
    """
    if available.cache_info().currsize == 0:
        torch.set_num_threads(count)
        available()


def runs_as_arrays(runs: RunSet, about: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Runs, and plain values that JSON can say, as arrays."""
    known = {"seed": runs.seed, "read_at": runs.read_at, "stacked": runs.stacked, "reason": runs.reason}
    text = json.dumps({"runs": known, **about}).encode()
    arrays: dict[str, NDArray[Any]] = {name: getattr(runs, name) for name in _ARRAYS}
    return {**arrays, _ABOUT: np.frombuffer(text, dtype=np.uint8)}


def runs_of_arrays(arrays: dict[str, NDArray[Any]]) -> tuple[RunSet, dict[str, Any]]:
    """What `runs_as_arrays` made arrays of."""
    about = json.loads(arrays[_ABOUT].tobytes())
    known = about.pop("runs")
    known["read_at"] = tuple(known["read_at"])
    values: dict[str, Any] = {**known, **{name: arrays[name] for name in _ARRAYS}}
    return RunSet(**values), about


def _pack(trained: TrainedSeed) -> bytes:
    return arrays_as_bytes(runs_as_arrays(trained.runs, {"skipped": trained.skipped}))


def _unpack(content: bytes) -> TrainedSeed:
    runs, about = runs_of_arrays(arrays_of(content))
    return TrainedSeed(runs, about["skipped"])


SEED_CODEC = Codec(_pack, _unpack)
"""How the process of a launcher writes what a seed came to."""
