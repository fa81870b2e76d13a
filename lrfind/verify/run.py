"""The short runs of `lrfind verify`: seed by seed, every rate from the same start on the same batches."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrfind.report.formatting import duration_text
from lrfind.suggestion import rate_text
from lrfind.tasks.build import ConfigTasks
from lrfind.tasks.data.held_out import held_out_samples, is_counted
from lrfind.training.groups import groups_of
from lrfind.training.run_set import RunsInterrupted
from lrfind.training.runs import seconds_a_step, train_runs
from lrfind.training.stacking.strategy import Strategy
from lrfind.verify.candidates import Trials, candidates
from lrfind.verify.verdict import concluded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lrfind.range_test.config import RangeSettings
    from lrfind.report.observers import Observer
    from lrfind.suggestion import Group
    from lrfind.tasks.data.dataset import Data
    from lrfind.training.run_set import RunSet
    from lrfind.training.task import OpenTask, Task
    from lrfind.verify.candidates import Candidate, Role
    from lrfind.verify.config import VerifyConfig, VerifySettings
    from lrfind.verify.judge import Judgement
    from lrfind.verify.target import Checked
    from lrfind.verify.verdict import VerifyVerdict


@dataclass(frozen=True, slots=True)
class VerifyStep:
    """How far the runs are, as `on_step` is told.

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

    Args:
        open_task: Opens the task of a seed, with fixed batches set apart from training.
        settings: How long and how often to train.
        observer: Told of every step, and how many there are before the first.
        held_out: Samples that the held-out loss is read on.
        divergence: By which settings of a range test a rate is taken to have diverged: `beta`, `stop_factor`.
        first_seed: What the first seed is called.
        repeatable: Whether rates are trained one after another on an accelerator too.
        configured: Whether the optimizer's own rate is tried as well.

    Attributes:
        interrupted: Whether the user stopped them.
        title: What is trained on what and how.
        held_out: Samples that the held-out loss is read on.
        notes: What a reader of the numbers should know.
        skipped: Pictures that could not be read.
        groups: The optimizer's groups; none where there is only one, and before the first task.
    """

    def __init__(
        self,
        open_task: OpenTask,
        settings: VerifySettings,
        observer: Observer,
        *,
        held_out: int,
        divergence: RangeSettings,
        first_seed: int = 0,
        repeatable: bool = False,
        configured: bool = True,
    ) -> None:
        self.interrupted = False
        self.title = ""
        self.held_out = held_out
        self.notes: list[str] = []
        self.skipped: list[str] = []
        self.groups: tuple[Group, ...] = ()
        self._open_task = open_task
        self._settings = settings
        self._observer = observer
        self._divergence = divergence
        self._first_seed = first_seed
        self._repeatable = repeatable
        self._is_configured = configured

    @classmethod
    def of(cls, config: VerifyConfig, data: Data, observer: Observer) -> Runs:
        """The runs of a config.

        Raises:
            UserError: Not so many samples can be set apart.
        """
        held_out = held_out_samples(
            data, config.verify.held_out, batch_size=config.global_batch_size, key="verify.held_out"
        )
        runs = cls(
            ConfigTasks(config, validation_samples=held_out, data=data),
            config.verify,
            observer,
            held_out=held_out,
            divergence=config.range,
            first_seed=config.seed,
            repeatable=config.deterministic,
            configured=config.optimizer.get("lr") is not None,
        )
        if not is_counted(data):
            runs.notes.append(
                f"data={data.name} has no index: the held-out loss is read on its first batches, which "
                "training meets too where the data begins again or is shuffled by a loader of its own."
            )
        return runs

    def around(self, checked: Checked) -> Trials:
        """Trains at the rates around one, until the user stops it."""
        assert checked.lr is not None
        settings = self._settings
        tried = candidates(checked.lr, checked.role, pinned=settings.lr)
        trials: list[RunSet] = []
        shown: Callable[[VerifyStep], None] | None = None
        try:
            with ExitStack() as watched:
                for seed in range(settings.seeds):
                    with self._open_task(seed) as task:
                        if shown is None:
                            tried = self._begin(task, checked.lr, checked.role)
                            most = len(tried) * settings.seeds * settings.num_steps
                            shown = watched.enter_context(self._observer.steps(most, self._words))
                        trials.append(self._one_seed(task, tried, seed, shown))
                    self.skipped += [path for path in task.skipped if path not in self.skipped]
                    self.notes += [note for note in task.notes if note not in self.notes]
                    if self.interrupted:
                        break
        except KeyboardInterrupt:
            self.interrupted = True
        return Trials(tried, settings.num_steps, tuple(trials))

    def _begin(self, task: Task, lr: float, role: Role) -> tuple[Candidate, ...]:
        """The rates to try, once the first task is there; says how much there is to train."""
        self.title = task.title
        self.groups = groups_of(task.model, task.optimizer)
        configured = None
        if self._is_configured:  # of the fastest group of parameters
            configured = max(float(group.get("lr", 0.0)) for group in task.optimizer.param_groups)
        tried = candidates(lr, role, pinned=self._settings.lr, config=configured)
        self._announce(task, tried)
        return tried

    def _one_seed(
        self, task: Task, tried: Sequence[Candidate], seed: int, shown: Callable[[VerifyStep], None]
    ) -> RunSet:
        settings = self._settings
        done = seed * len(tried) * settings.num_steps
        total = settings.seeds * len(tried) * settings.num_steps

        def told(rates: int, step: int) -> None:
            nonlocal done
            done += rates
            shown(VerifyStep(done - 1, seed, total))

        # Side by side or not is a matter of timing and of the last digits: a CI job must repeat itself.
        repeatable = task.device.type == "cpu" or self._repeatable
        try:
            return train_runs(
                task,
                [each.lr for each in tried],
                num_steps=settings.num_steps,
                held_out=task.validation,
                read_at=[0],
                seed=self._first_seed + seed,
                strategy=Strategy.SEQUENTIAL if repeatable else Strategy.AUTO,
                beta=self._divergence.beta,
                stop_factor=self._divergence.stop_factor,
                on_step=told,
            )
        except RunsInterrupted as stopped:
            self.interrupted = True
            return stopped.runs

    def _announce(self, task: Task, tried: Sequence[Candidate]) -> None:
        """Says how much there is to train, before it begins."""
        settings = self._settings
        most = len(tried) * settings.seeds * settings.num_steps
        seconds = most * seconds_a_step(task, tried[0].lr)
        rates = ", ".join(rate_text(each.lr) for each in tried)
        self._observer.note(
            f"{len(tried)} rates ({rates}) x {settings.seeds} {'seed' if settings.seeds == 1 else 'seeds'} x "
            f"{settings.num_steps:,} steps = {most:,}, about {duration_text(seconds)} one after another; "
            f"{self.held_out:,} samples held out."
        )

    def _words(self, shown: VerifyStep) -> str:
        settings = self._settings
        return f"seed {shown.seed + 1} of {settings.seeds}, step {shown.index + 1:,} of {shown.total:,}"


@dataclass(frozen=True, slots=True, eq=False)
class Verified:
    """What short runs around a rate came to.

    Attributes:
        checked: The rate, and where it comes from.
        trials: What was measured; None where there was no rate to run.
        judgement: What that says of the rates; None where it was cut off.
        conclusion: The suggestion and the verdict.
        interrupted: Whether the user stopped it.
    """

    checked: Checked
    trials: Trials | None
    judgement: Judgement | None
    conclusion: VerifyVerdict
    interrupted: bool

    @property
    def steps(self) -> int:
        """Training steps taken, those of a range test included."""
        return self.checked.steps + (self.trials.steps if self.trials else 0)


def verify_rate(runs: Runs, checked: Checked, settings: VerifySettings) -> Verified:
    """Trains around a rate, and judges it.

    Args:
        runs: Trains.
        checked: What is to be checked; without a rate nothing is trained.
        settings: How long and how often the runs train, and by which margin a rate is judged.
    """
    trials = None if checked.lr is None or checked.interrupted else runs.around(checked)
    interrupted = checked.interrupted or runs.interrupted
    judgement, conclusion = concluded(settings, checked, trials, interrupted=interrupted)
    return Verified(checked, trials, judgement, conclusion, interrupted)
