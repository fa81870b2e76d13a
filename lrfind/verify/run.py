"""The search of `lrfind verify`: seed by seed, every rate from the same start on the same batches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lrfind.execution.launcher import chosen_launcher
from lrfind.suggestion import rate_text
from lrfind.tasks.config_runs import ConfigTasks
from lrfind.tasks.data.held_out import held_out_samples, met_again
from lrfind.verify.candidates import Role, Trials, near, same
from lrfind.verify.peaks import search_peaks
from lrfind.verify.plan import CONSTANT, plan_of
from lrfind.verify.search import Search
from lrfind.verify.search_run import About, SearchRun
from lrfind.verify.target import begun_at
from lrfind.verify.verdict import concluded

if TYPE_CHECKING:
    from collections.abc import Callable

    from lrfind.range_test.config import RangeSettings
    from lrfind.report.observers import Observer
    from lrfind.suggestion import Group
    from lrfind.tasks.data.dataset import Data
    from lrfind.training.task import OpenTask
    from lrfind.verify.checkpoint import SavedRuns
    from lrfind.verify.config import VerifyConfig, VerifySettings
    from lrfind.verify.judge import Judgement
    from lrfind.verify.plan import Plan
    from lrfind.verify.target import Checked
    from lrfind.verify.verdict import VerifyVerdict

_AS_LONG = 1.5
"""Trainings whose steps differ by no more want the same rate."""

_FALLBACK_LR = 1e-3
"""Where to begin if nothing was suggested and the optimizer has no rate of its own."""


class Runs:
    """All runs of a search.

    Args:
        open_task: Opens the task of a seed, with fixed batches set apart from training.
        settings: Of the search.
        observer: Told of every step, and how many there may be before the first.
        held_out: Samples that the held-out loss is read on.
        divergence: By which settings of a range test a rate is taken to have diverged: `beta`, `stop_factor`.
        range_test: Settings of the range test that comes before the search; None: there is none.
        first_seed: What the first seed is called.
        saved: Where the whole runs of a launcher are saved; None: there is no launcher.

    Attributes:
        seeds: The most seeds; `open_task`, `observer`, `divergence` and `first_seed` are as they were given.
        plan: How long a run is, and how many steps all may take.
        about: What a reader of the numbers should know.
        interrupted: Whether the user stopped them.

    Raises:
        ConfigError: The budget is too small, or the length of an epoch is not known.
        UserError: Something cannot be used as given.
    """

    def __init__(
        self,
        open_task: OpenTask,
        settings: VerifySettings,
        observer: Observer,
        *,
        held_out: int,
        divergence: RangeSettings,
        range_test: RangeSettings | None,
        first_seed: int = 0,
        saved: SavedRuns | None = None,
    ) -> None:
        self.interrupted = False
        self.about = About(held_out)
        self.open_task = open_task
        self.seeds = settings.seeds
        self._settings = settings
        self.observer = observer
        self.divergence = divergence
        self.first_seed = first_seed
        self._saved = saved
        per_epoch = None
        if isinstance(settings.steps, str) and settings.num_steps is None:
            with open_task(0) as task:
                if task.per_epoch is not None:
                    per_epoch = task.per_epoch / task.options.accumulation_steps
        self.plan = plan_of(settings, range_test, per_epoch=per_epoch)
        self._is_announced = False
        if range_test is not None:
            self.announce()

    @classmethod
    def of(cls, config: VerifyConfig, data: Data, observer: Observer, saved: SavedRuns | None = None) -> Runs:
        """The runs of a config.

        Raises:
            UserError: Not so many samples can be set apart, or the budget is too small.
        """
        settings = config.verify
        held_out = held_out_samples(
            data, settings.held_out, batch_size=config.global_batch_size, key="verify.held_out"
        )
        runs = cls(
            ConfigTasks(config, validation_samples=held_out, data=data),
            settings,
            observer,
            held_out=held_out,
            divergence=config.range,
            range_test=None if settings.around or settings.from_ else config.range,
            first_seed=config.seed,
            saved=saved,
        )
        if told := met_again(data):
            observer.note(told)
            runs.about.notes.append(told)
        return runs

    def announce(self) -> None:
        """Says, once, how much there is to train at most: before a range test, or else before the search."""
        if self._is_announced:
            return
        self._is_announced = True
        plan = self.plan
        test = f", of which the range test takes up to {plan.range_steps:,}" if plan.range_steps else ""
        self.observer.note(
            f"at most {plan.budget:,} training steps in all (verify.budget){test}; rates are judged after "
            f"{plan.horizon}."
        )
        if plan.budget < plan.enough:
            said = (
                f"verify.budget={plan.budget} holds less than two runs beside the range test. In so few "
                "steps a search finds no better rates than a range test alone, which mostly takes fewer; "
                f"from {plan.enough:,} steps on it does."
            )
            self._warn(said)

    def _warn(self, said: str) -> None:
        """Says it, and keeps it for a reader of the numbers."""
        self.observer.warn(said)
        self.about.notes.append(said)

    def begun_from(self, checked: Checked) -> Checked:
        """What is checked, or, where nothing was suggested, the rate of the optimizer."""
        if checked.lr is not None or checked.interrupted:
            return checked
        with self.open_task(0) as task:
            # Of the fastest group of parameters.
            lr = max(float(group.get("lr", 0.0)) for group in task.optimizer.param_groups)
        lr = lr if lr > 0 else _FALLBACK_LR
        name = f"{lr:g}, the rate of the optimizer"
        return begun_at(checked, lr, Role.CONFIG, name, "the optimizer's rate", self.observer)

    def around(self, checked: Checked) -> Trials | None:
        """Searches from a rate on, until one holds, the budget is spent, or the user stops it.

        None where that was before the first run.
        """
        assert checked.lr is not None
        self.announce()
        plan, pinned = self.plan, self._settings.lr
        start = checked.lr
        meant = checked.horizon
        if meant is not None and not 1 / _AS_LONG < meant / plan.num_steps < _AS_LONG:
            self._warn(
                f"The suggestion is for a training of {meant:,} steps (range.horizon), and rates are judged "
                f"after {plan.num_steps:,}, for which another is best: give verify.steps={meant}, or leave "
                "out range.horizon."
            )
        if pinned is not None and near(pinned, start):
            if not same(pinned, start):
                said = (
                    f"The pinned rate, {rate_text(pinned)}, is trained for the one to check, "
                    f"{rate_text(start)}, too: rates that differ by less than 10% are not worth a run each."
                )
                self._warn(said)
            start = pinned  # one run for both
        search = Search(
            start,
            num_steps=plan.num_steps,
            seeds=self.seeds,
            budget=plan.budget - checked.steps,
            pinned=pinned,
            # A rate that follows a schedule begins low: what it is worth shows at the end.
            early=plan.schedule == CONSTANT,
        )
        run = SearchRun(self, search)
        try:
            if chosen_launcher() is not None or self._settings.resume is not None:
                assert self._saved is not None
                run.launch(self._saved)
            else:
                run.work_through()
        except KeyboardInterrupt:
            self.interrupted = True
            if self._saved is not None and self._saved.runs:
                self.observer.note(self._saved.kept())
        return run.trials(checked, pinned, cut_off=self.interrupted)


@dataclass(frozen=True, slots=True, eq=False)
class Verified:
    """What a search came to.

    Attributes:
        checked: The rate it began with, and where that comes from.
        plan: How long a run was, and how many steps were allowed.
        trials: What was measured; None where there was no rate to run.
        judgement: What that says of the rates; None where it was cut off.
        conclusion: The suggestion and the verdict.
        interrupted: Whether the user stopped it.
        about: What a reader of the numbers should know.
        pinned: The rate that a project has pinned, if any.
    """

    checked: Checked
    plan: Plan
    trials: Trials | None
    judgement: Judgement | None
    conclusion: VerifyVerdict
    interrupted: bool
    about: About
    pinned: float | None = None

    @property
    def steps(self) -> int:
        """Training steps taken, those of a range test included."""
        return self.checked.steps + (self.trials.steps if self.trials else 0)

    @property
    def peaks(self) -> list[dict[str, Any]]:
        """The record's `peaks`: those of schedules that go with the suggestion."""
        searched = self.judgement is not None
        return search_peaks(self.plan, self.conclusion.suggestion, searched=searched)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know, each a sentence or two."""
        return (*self.checked.warnings, *self.about.notes)

    @property
    def skipped(self) -> tuple[str, ...]:
        """Pictures that could not be read."""
        return (*self.checked.skipped, *self.about.skipped)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The optimizer's groups with the rates that the suggestion means for them."""
        return tuple(group.following(self.conclusion.suggestion) for group in self.about.groups)

    def in_words(self, words: Callable[[str], str]) -> Verified:
        """The same with every sentence put otherwise."""
        checked = replace(self.checked, source=words(self.checked.source))
        return replace(self, checked=checked, conclusion=self.conclusion.in_words(words))


def verify_rate(runs: Runs, checked: Checked, settings: VerifySettings) -> Verified:
    """Searches from a rate on, and judges what was found.

    Args:
        runs: Trains.
        checked: What is to be checked; without a rate the search begins at that of the optimizer.
        settings: By which margin a rate is judged.
    """
    try:
        checked = runs.begun_from(checked)
    except KeyboardInterrupt:
        runs.interrupted = True
    trials = None if checked.lr is None or checked.interrupted else runs.around(checked)
    interrupted = checked.interrupted or runs.interrupted
    judgement, conclusion = concluded(settings, checked, trials, interrupted=interrupted)
    return Verified(checked, runs.plan, trials, judgement, conclusion, interrupted, runs.about, settings.lr)
