"""The short runs of `lrfind verify`: seed by seed, every rate from the same start on the same batches."""

from __future__ import annotations

import dataclasses
from contextlib import closing
from typing import TYPE_CHECKING

from lrfind.report.formatting import duration_text
from lrfind.suggestion import rate_text
from lrfind.tasks.build import build
from lrfind.tasks.data.held_out import held_out_samples, is_counted
from lrfind.training.run_set import RunsInterrupted
from lrfind.training.runs import seconds_a_step, train_runs
from lrfind.training.stacking.strategy import Strategy
from lrfind.verify.candidates import Trials, candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lrfind.report.observers import Observer
    from lrfind.tasks.data.dataset import Data
    from lrfind.training.run_set import RunSet
    from lrfind.training.task import Task
    from lrfind.verify.candidates import Candidate
    from lrfind.verify.config import VerifyConfig
    from lrfind.verify.target import Checked


@dataclasses.dataclass(slots=True)
class _Shown:
    """What the progress bar is told.

    Attributes:
        index: Steps taken before this one, over all rates and seeds.
        seed: Counted from 0.
        total: Steps that are planned.
    """

    index: int
    seed: int
    total: int


class Runs:
    """All runs around one rate.

    Attributes:
        interrupted: Whether the user stopped them.
        title: What is trained on what and how.
        held_out: Samples that the held-out loss is read on.
        notes: What a reader of the numbers should know.
        skipped: Pictures that could not be read.
    """

    def __init__(self, config: VerifyConfig, data: Data, observer: Observer) -> None:
        self.interrupted = False
        self.title = ""
        self.held_out = held_out_samples(
            data, config.verify.held_out, batch_size=config.batch_size, key="verify.held_out"
        )
        self.notes: list[str] = []
        self.skipped: list[str] = []
        self._config = config
        self._data = data
        self._observer = observer
        if not is_counted(data):
            self.notes.append(
                f"data={data.name} has no index: the held-out loss is read on its first batches, which "
                "training meets too where the data begins again or is shuffled by a loader of its own."
            )

    def around(self, checked: Checked) -> Trials:
        """Trains at the rates around one, until the user stops it."""
        assert checked.lr is not None
        settings = self._config.verify
        task: Task | None = None
        tried = candidates(checked.lr, checked.role, pinned=settings.lr)
        trials: list[RunSet] = []
        try:
            task = self._task(0)
            self.title = task.title
            self.notes += task.notes
            tried = candidates(checked.lr, checked.role, pinned=settings.lr, config=self._configured(task))
            self._announce(task, tried)
            most = len(tried) * settings.seeds * settings.num_steps
            with self._observer.steps(most, self._words) as shown:
                for seed in range(settings.seeds):
                    task = self._task(seed) if seed else task
                    with closing(task):
                        trials.append(self._one_seed(task, tried, seed, shown))
                    self.skipped += [path for path in task.skipped if path not in self.skipped]
                    if self.interrupted:
                        break
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            if task is not None:
                task.close()
        return Trials(tried, settings.num_steps, tuple(trials))

    def _one_seed(
        self, task: Task, tried: Sequence[Candidate], seed: int, shown: Callable[[_Shown], None]
    ) -> RunSet:
        settings = self._config.verify
        done = seed * len(tried) * settings.num_steps
        total = settings.seeds * len(tried) * settings.num_steps

        def told(rates: int, step: int) -> None:
            nonlocal done
            done += rates
            shown(_Shown(done - 1, seed, total))

        # Side by side or not is a matter of timing and of the last digits: a CI job must repeat itself.
        repeatable = task.device.type == "cpu" or self._config.deterministic
        try:
            return train_runs(
                task,
                [each.lr for each in tried],
                num_steps=settings.num_steps,
                held_out=task.validation,
                read_at=[0],
                seed=self._config.seed + seed,
                strategy=Strategy.SEQUENTIAL if repeatable else Strategy.AUTO,
                beta=self._config.range.beta,
                stop_factor=self._config.range.stop_factor,
                on_step=told,
            )
        except RunsInterrupted as stopped:
            self.interrupted = True
            return stopped.runs

    def _task(self, seed: int) -> Task:
        """The task of a seed at its start, with samples set apart."""
        config = dataclasses.replace(self._config, seed=self._config.seed + seed)
        return build(config, validation_samples=self.held_out, data=self._data)

    def _configured(self, task: Task) -> float | None:
        """The rate in the config, of the fastest group of parameters; None where the config has none."""
        if self._config.optimizer.get("lr") is None:
            return None
        return max(float(group.get("lr", 0.0)) for group in task.optimizer.param_groups)

    def _announce(self, task: Task, tried: Sequence[Candidate]) -> None:
        """Says how much there is to train, before it begins."""
        settings = self._config.verify
        most = len(tried) * settings.seeds * settings.num_steps
        seconds = most * seconds_a_step(task, tried[0].lr)
        rates = ", ".join(rate_text(each.lr) for each in tried)
        self._observer.note(
            f"{len(tried)} rates ({rates}) x {settings.seeds} {'seed' if settings.seeds == 1 else 'seeds'} x "
            f"{settings.num_steps:,} steps = {most:,}, about {duration_text(seconds)} one after another; "
            f"{self.held_out:,} samples held out."
        )

    def _words(self, shown: _Shown) -> str:
        settings = self._config.verify
        return f"seed {shown.seed + 1} of {settings.seeds}, step {shown.index + 1:,} of {shown.total:,}"
