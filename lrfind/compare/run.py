"""The runs of `lrfind compare`: announced, trained, saved and taken up again."""

from __future__ import annotations

import dataclasses
import math
from contextlib import suppress
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from lrfind.compare.checkpoint import StudyFile, job_as_bytes, job_of
from lrfind.compare.config import AUTO
from lrfind.compare.job import ConfigRuns, Job, Reading, Trainer, untrained
from lrfind.compare.plan import plan
from lrfind.compare.report import announced
from lrfind.compare.results import Comparison, cells_of
from lrfind.compare.setup import Setting
from lrfind.errors import ConfigError
from lrfind.execution.executors import work_through
from lrfind.execution.launcher import Codec, chosen_launcher, launcher_name
from lrfind.tasks.data.machine import num_cores
from lrfind.tasks.threads import thread_count
from lrfind.training.step import evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lrfind.compare.checkpoint import Key
    from lrfind.compare.config import CompareConfig
    from lrfind.compare.job import TrainedJob
    from lrfind.compare.plan import Cost
    from lrfind.report.observers import Observer
    from lrfind.training.run_set import RunSet

_UNITS = 1000
"""Parts of the progress bar: it counts time, for a step of a large batch takes longer than one of a small."""

_WORTH_PROCESSES = 15.0
"""Seconds of training below which other processes would take longer to start than they save."""


_LOOKED_AT = 20
"""Batches of training on which a loss is looked for that is not finite to begin with."""


@dataclasses.dataclass(frozen=True, slots=True)
class CompareStep:
    """How far a comparison is, as `on_step` is told.

    Attributes:
        index: Of a thousand parts of the time that all runs are going to take, the one that it is in.
        finished: Runs that are finished.
    """

    index: int
    finished: int
    job: Job


class Study:
    """All runs of one comparison.

    Attributes:
        runs: What was measured, by optimizer, batch size and seed; unfinished runs that were read among them.
        skipped: Pictures that could not be read.
    """

    def __init__(self, setting: Setting, observer: Observer, file: StudyFile | None = None) -> None:
        self.setting = setting
        self.runs: dict[Key, RunSet] = {}
        self.planned = 0
        self.skipped: list[str] = []
        self._observer = observer
        self._file = file
        self._found: dict[str, Any] = {}
        self._done: dict[Key, RunSet] = {}
        if file is not None:
            self._found, self._done = file.found, file.done
        self._partial: dict[Key, RunSet] = {}
        self._spent: dict[Key, float] = {}

    @classmethod
    def of(cls, config: CompareConfig, directory: Path, observer: Observer) -> Study:
        """The runs of a config, which go on where a comparison was cut off, if the config says so."""
        file = StudyFile(config, directory, observer)
        return cls(Setting.of(config), observer, file)

    @property
    def comparison(self) -> Comparison:
        """What was measured so far."""
        judge, settings = self.setting.judge, self.setting.settings
        runs = [(optimizer, size, runs) for (optimizer, size, _), runs in self.runs.items()]
        return Comparison(
            cells_of(runs, judge),
            self.setting.budget,
            judge,
            self.planned,
            settings.num_lrs if settings.lrs == AUTO else None,
        )

    def run(self) -> None:
        """Trains until all runs are finished or the user stops it."""
        names = self.setting.optimizers
        self.planned = len(names) * len(self.setting.sizes) * self.setting.settings.seeds
        try:
            costs = plan(self.setting, self._found, self._observer, self._save)
            jobs = [cost.job for cost in costs]
            self._check_done(jobs)
            left = [cost for cost in costs if cost.job.key not in self._done]
            self._partial = {job.key: untrained(job) for job in jobs}
            processes = self._processes(left)
            self._save()
            self._announce(jobs, left, processes)
            self._train(left, processes)
        except KeyboardInterrupt:
            self._save()  # however little there is: what is told next is how to go on with it
            self._observer.note(f"{len(self._done)} of {self.planned} runs were finished.")
        found = self._partial | self._done
        for key in sorted(found, key=lambda key: names.index(key[0])):
            if found[key].whole or np.isfinite(found[key].readings).any():
                self.runs[key] = found[key]

    def close(self) -> None:
        """Takes away what one that is cut off goes on with, once the results are written."""
        if self._file is not None and len(self._done) == self.planned:
            self._file.remove()

    def starts_finite(self) -> bool:
        """Whether the loss before training is finite, on what is held out and on the first batches."""
        with (
            suppress(KeyboardInterrupt),
            thread_count(self.setting.threads),
            self.setting.open_first(accuracy=False) as task,
        ):
            batches = chain(task.validation or [], islice(task.batches, _LOOKED_AT))
            return math.isfinite(float(evaluate(task.objective, batches)[0]))
        return True  # stopped: all that was to be measured is there

    def _check_done(self, jobs: Sequence[Job]) -> None:
        """Raises a ConfigError unless the runs that were read are runs of this comparison."""
        planned = {job.key: job for job in jobs}
        for key, runs in self._done.items():
            job = planned.get(key)
            if job is None or tuple(runs.lrs) != job.lrs or runs.read_at != job.steps:
                raise ConfigError(
                    f"compare.resume={self.setting.settings.resume} cannot go on: it holds a run of another "
                    "comparison. Run it again without compare.resume."
                )

    def _announce(self, jobs: Sequence[Job], left: Sequence[Cost], processes: int) -> None:
        self._observer.note(
            announced(
                rates=len(jobs[0].lrs),
                each=len({job.lrs for job in jobs}) > 1,
                optimizers=len(self.setting.optimizers),
                batch_sizes=len(self.setting.sizes),
                seeds=self.setting.settings.seeds,
                budget=self.setting.budget.words,
                processes=processes,
                taken_over=len(jobs) - len(left),
                seconds=sum(cost.seconds for cost in left) / processes,
                stacked=sum(job.stacked for job in jobs) / len(jobs),
                launcher=launcher_name(),
            )
        )

    def _train(self, costs: Sequence[Cost], processes: int) -> None:
        jobs = [cost.job for cost in costs]
        total = sum(cost.seconds for cost in costs) or 1.0
        with self._observer.steps(_UNITS, _words(self.planned)) as shown:

            def on_message(index: int, message: Any) -> None:
                self._take(costs[index], message)
                self._show(shown, jobs[index], total)

            def on_result(index: int, result: TrainedJob) -> None:
                key = jobs[index].key
                self._done[key] = result.runs
                self._spent[key] = costs[index].seconds
                self.skipped += [path for path in result.skipped if path not in self.skipped]
                self._save()
                self._show(shown, jobs[index], total)

            def on_loss(index: int) -> None:
                key = jobs[index].key
                self._partial[key], self._spent[key] = untrained(jobs[index]), 0.0

            alone = (processes == 1 or len(jobs) <= 1) and chosen_launcher() is None
            open_run = self.setting.open_run
            if jobs and chosen_launcher() is not None:
                self._show(shown, jobs[0], total)  # the first that is heard of a launcher may be long after
            if not alone and isinstance(open_run, ConfigRuns):
                open_run = open_run.without_data()
            work_through(
                Trainer(open_run),
                jobs,
                processes=processes,
                codec=Codec(job_as_bytes, job_of),
                on_message=on_message,
                on_result=on_result,
                on_loss=on_loss,
                kept=self._kept,
            )

    def _take(self, cost: Cost, message: Reading | int) -> None:
        """Keeps what a run says on its way, for the case that it is cut off."""
        key = cost.job.key
        runs = self._partial[key]
        if isinstance(message, Reading):
            runs.readings[message.rate, message.reading] = message.loss
            runs.accuracies[message.rate, message.reading] = message.accuracy
        else:
            runs.steps_taken[0] += message  # updates of all rates together: no more is told
            planned = cost.job.steps[-1] * len(cost.job.lrs)
            self._spent[key] = cost.seconds * min(int(runs.steps_taken[0]) / planned, 1.0)

    def _show(self, shown: Callable[[CompareStep], None], job: Job, total: float) -> None:
        index = round(_UNITS * sum(self._spent.values()) / total)
        shown(CompareStep(min(max(index, 1), _UNITS) - 1, len(self._done), job))

    def _save(self) -> None:
        if self._file is not None:
            self._file.save(self._found, self._done)

    def _kept(self) -> str:
        """How to go on with the runs that are finished, for a message."""
        if self._file is None or not self._done:
            return ""
        return f"What is finished is kept: compare.resume={self._file.directory} goes on with it."

    def _processes(self, costs: Sequence[Cost]) -> int:
        """How many runs go on at a time."""
        asked = self.setting.settings.processes
        if chosen_launcher() is not None:
            return 1  # how many go on at a time is the launcher's to say
        if self.setting.device.type != "cpu":
            return 1
        if asked is None:
            asked = num_cores() if sum(cost.seconds for cost in costs) > _WORTH_PROCESSES else 1
        return max(min(asked, len(costs)), 1)


def _words(planned: int) -> Callable[[CompareStep], str]:
    def words(shown: CompareStep) -> str:
        done = f"{shown.finished} of {planned} runs done"
        return f"{done}, at batch size {shown.job.batch_size}, seed {shown.job.seed}"

    return words
