"""The runs of `lrfind compare`: announced, trained, saved and taken up again."""

from __future__ import annotations

import dataclasses
import math
from contextlib import closing, suppress
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lrfind.compare import checkpoint as compare_state
from lrfind.compare.job import Job, Progress, Reading, Trainer, threads, untrained
from lrfind.compare.plan import plan
from lrfind.compare.report import announced
from lrfind.compare.results import Comparison, cells_of
from lrfind.compare.setup import Setting, cores
from lrfind.execution.executors import work_through
from lrfind.report.resume import CutOff, comparable
from lrfind.training.step import evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lrfind.compare.checkpoint import Key
    from lrfind.compare.config import CompareConfig
    from lrfind.compare.plan import Cost
    from lrfind.report.observers import Observer
    from lrfind.training.run_set import RunSet

_FREE = ("compare.resume", "compare.processes", "num_workers", "data.timeout", "trust")
"""Keys that a comparison may go on with otherwise than it began."""

_UNITS = 1000
"""Parts of the progress bar: it counts time, for a step of a large batch takes longer than one of a small."""

_WORTH_PROCESSES = 15.0
"""Seconds of training below which other processes would take longer to start than they save."""


_LOOKED_AT = 20
"""Batches of training on which a loss is looked for that is not finite to begin with."""


@dataclasses.dataclass(slots=True)
class _Shown:
    """What the progress bar is told."""

    index: int
    finished: int
    job: Job


class Study:
    """All runs of one comparison.

    Attributes:
        setting: What is compared.
        runs: What was measured, by optimizer, batch size and seed; unfinished runs that were read among them.
        planned: How many runs were planned.
        skipped: Pictures that could not be read.
    """

    def __init__(self, config: CompareConfig, directory: Path, observer: Observer) -> None:
        self.runs: dict[Key, RunSet] = {}
        self.planned = 0
        self.skipped: list[str] = []
        self._config = config
        self._observer = observer
        self._path = directory / compare_state.NAME
        self._found: dict[str, Any] = {}
        self._done: dict[Key, RunSet] = {}
        if config.compare.resume is not None:
            self._found, self._done = _saved(config)
        self.setting = Setting(config)
        self._partial: dict[Key, RunSet] = {}
        self._spent: dict[Key, float] = {}

    @property
    def comparison(self) -> Comparison:
        """What was measured so far."""
        judge = self.setting.judge
        runs = [(optimizer, size, runs) for (optimizer, size, _), runs in self.runs.items()]
        return Comparison(cells_of(runs, judge), self.setting.budget, judge, self.planned)

    def run(self) -> None:
        """Trains until all runs are finished or the user stops it."""
        names = list(self.setting.configs)
        self.planned = len(names) * len(self.setting.sizes) * self._config.compare.seeds
        try:
            costs = plan(self.setting, self._found, self._observer, self._save)
            jobs = [cost.job for cost in costs]
            left = [cost for cost in costs if cost.job.key not in self._done]
            self._partial = {job.key: untrained(job) for job in jobs}
            processes = self._processes(left)
            self._save()
            self._announce(jobs, left, processes)
            self._train(left, processes)
        except KeyboardInterrupt:
            self._save()  # however little there is: what is told next is how to go on with it
            self._observer.note(f"{len(self._done)} of {self.planned} runs were finished.")
        else:
            self._path.unlink(missing_ok=True)
        found = self._partial | self._done
        for key in sorted(found, key=lambda key: names.index(key[0])):
            if found[key].whole or np.isfinite(found[key].readings).any():
                self.runs[key] = found[key]

    def starts_finite(self) -> bool:
        """Whether the loss before training is finite, on what is held out and on the first batches."""
        config = next(iter(self.setting.configs.values()))
        with suppress(KeyboardInterrupt), threads(self.setting.threads):
            task = self.setting.task(
                dataclasses.replace(config, batch_size=self.setting.sizes[0]), accuracy=False
            )
            with closing(task):
                batches = chain(task.validation or [], islice(task.batches, _LOOKED_AT))
                return math.isfinite(float(evaluate(task.objective, batches)[0]))
        return True  # stopped: all that was to be measured is there

    def _announce(self, jobs: Sequence[Job], left: Sequence[Cost], processes: int) -> None:
        self._observer.note(
            announced(
                rates=len(jobs[0].lrs),
                optimizers=len(self.setting.configs),
                batch_sizes=len(self.setting.sizes),
                seeds=self._config.compare.seeds,
                budget=self.setting.budget.words,
                processes=processes,
                taken_over=len(jobs) - len(left),
                seconds=sum(cost.seconds for cost in left) / processes,
                stacked=sum(job.stacked for job in jobs) / len(jobs),
            )
        )

    def _train(self, costs: Sequence[Cost], processes: int) -> None:
        jobs = [cost.job for cost in costs]
        total = sum(cost.seconds for cost in costs) or 1.0
        with self._observer.steps(_UNITS, _words(self.planned)) as shown:

            def on_message(index: int, message: Any) -> None:
                self._take(costs[index], message)
                self._show(shown, jobs[index], total)

            def on_result(index: int, result: tuple[RunSet, list[str]]) -> None:
                key = jobs[index].key
                self._done[key], skipped = result
                self._spent[key] = costs[index].seconds
                self.skipped += [path for path in skipped if path not in self.skipped]
                self._save()
                self._show(shown, jobs[index], total)

            alone = processes == 1 or len(jobs) <= 1
            trainer = Trainer(self._config, self.setting.data if alone else None)
            work_through(trainer, jobs, processes=processes, on_message=on_message, on_result=on_result)

    def _take(self, cost: Cost, message: Any) -> None:
        """Keeps what a run says on its way, for the case that it is cut off."""
        key = cost.job.key
        runs = self._partial[key]
        if isinstance(message, Reading):
            runs.readings[message.rate, message.reading] = message.loss
            runs.accuracies[message.rate, message.reading] = message.accuracy
        elif isinstance(message, Progress):
            runs.steps_taken[0] += message.steps  # of all rates together: no more is told
            planned = cost.job.steps[-1] * len(cost.job.lrs)
            self._spent[key] = cost.seconds * min(int(runs.steps_taken[0]) / planned, 1.0)

    def _show(self, shown: Callable[[_Shown], None], job: Job, total: float) -> None:
        index = round(_UNITS * sum(self._spent.values()) / total)
        shown(_Shown(min(max(index, 1), _UNITS) - 1, len(self._done), job))

    def _save(self) -> None:
        config = comparable(self._config, free=_FREE)
        compare_state.write_state(self._path, config=config, plan=self._found, runs=self._done)

    def _processes(self, costs: Sequence[Cost]) -> int:
        """How many runs go on at a time."""
        asked = self._config.compare.processes
        if self.setting.device.type != "cpu":
            return 1
        if asked is None:
            asked = cores() if sum(cost.seconds for cost in costs) > _WORTH_PROCESSES else 1
        return max(min(asked, len(costs)), 1)


def _saved(config: CompareConfig) -> tuple[dict[str, Any], dict[Key, RunSet]]:
    """The plan and the finished runs of the comparison that the config names.

    Raises:
        ConfigError: There is none, or it is another experiment.
    """
    before = CutOff(str(Path(str(config.compare.resume))), "compare.resume", "comparison")
    with before.taken_up("") as directory:
        began_with, found, runs = compare_state.read_state(directory / compare_state.NAME)
    before.check(began_with, comparable(config, free=_FREE))
    return found, runs


def _words(planned: int) -> Callable[[_Shown], str]:
    def words(shown: _Shown) -> str:
        config = shown.job.config
        done = f"{shown.finished} of {planned} runs done"
        return f"{done}, at batch size {config.batch_size}, seed {config.seed}"

    return words
