"""The search of `lrfind verify`: seed by seed, every rate from the same start on the same batches."""

from __future__ import annotations

import math
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from lrfind.execution.launcher import chosen_launcher
from lrfind.report.formatting import duration_text
from lrfind.suggestion import rate_text
from lrfind.tasks.build import ConfigTasks
from lrfind.tasks.data.held_out import held_out_samples, met_again
from lrfind.training.batch import num_samples
from lrfind.training.optimizer import groups_of
from lrfind.training.run_set import RunSet
from lrfind.training.runs import seconds_a_step
from lrfind.training.start import from_one_start
from lrfind.verify.candidates import Role, Trials, candidates, same
from lrfind.verify.plan import CONSTANT, plan_of
from lrfind.verify.search import Search
from lrfind.verify.seed_runs import SeedRuns
from lrfind.verify.verdict import concluded
from lrfind.verify.whole_runs import WholeRuns, as_left_at, whole_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lrfind.range_test.config import RangeSettings
    from lrfind.report.observers import Observer
    from lrfind.suggestion import Group
    from lrfind.tasks.data.dataset import Data
    from lrfind.training.task import OpenTask, Task
    from lrfind.verify.checkpoint import SavedRuns
    from lrfind.verify.config import VerifyConfig, VerifySettings
    from lrfind.verify.judge import Judgement
    from lrfind.verify.plan import Plan
    from lrfind.verify.search import Move
    from lrfind.verify.target import Checked
    from lrfind.verify.verdict import VerifyVerdict

_FALLBACK_LR = 1e-3
"""Where to begin if nothing was suggested and the optimizer has no rate of its own."""


@dataclass(frozen=True, slots=True)
class VerifyStep:
    """How far the runs are, as `on_step` is told.

    Attributes:
        index: Steps taken before this one, over all rates and seeds.
        seed: Counted from 0.
        lr: The rate that is trained.
        total: The most steps that there are to be.
    """

    index: int
    seed: int
    lr: float
    total: int


class Runs:
    """All runs of a search.

    Args:
        open_task: Opens the task of a seed, with fixed batches set apart from training.
        settings: Of the search.
        observer: Told of every step, and how many there may be before the first.
        held_out: Samples that the held-out loss is read on.
        divergence: By which settings of a range test a rate is taken to have diverged: `beta`, `stop_factor`.
        range_steps: The most steps that a range test takes before the search; 0: there is none.
        first_seed: What the first seed is called.
        saved: Where the whole runs of a launcher are saved; None: there is no launcher.

    Attributes:
        plan: How long a run is, and how many steps all may take.
        interrupted: Whether the user stopped them.
        title: What is trained on what and how.
        held_out: Samples that the held-out loss is read on.
        notes: What a reader of the numbers should know.
        skipped: Pictures that could not be read.
        groups: The optimizer's groups; none where there is only one, and before the first task.

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
        range_steps: int,
        first_seed: int = 0,
        saved: SavedRuns | None = None,
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
        self._saved = saved
        per_epoch = None
        if isinstance(settings.steps, str) and settings.num_steps is None:
            with open_task(0) as task:
                if task.per_epoch is not None:
                    per_epoch = task.per_epoch / task.options.accumulation_steps
        self.plan = plan_of(settings, range_steps=range_steps, per_epoch=per_epoch)
        self._is_announced = False
        if range_steps:
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
            range_steps=0 if settings.around or settings.from_ else config.range.most_steps,
            first_seed=config.seed,
            saved=saved,
        )
        if told := met_again(data):
            observer.note(told)
            runs.notes.append(told)
        return runs

    def announce(self) -> None:
        """Says, once, how much there is to train at most: before a range test, or else before the search."""
        if self._is_announced:
            return
        self._is_announced = True
        plan = self.plan
        test = f", of which the range test takes up to {plan.range_steps:,}" if plan.range_steps else ""
        self._observer.note(
            f"at most {plan.budget:,} training steps in all (verify.budget){test}; rates are judged after "
            f"{plan.horizon}."
        )

    def begun_from(self, checked: Checked) -> Checked:
        """What is checked, or, where nothing was suggested, the rate of the optimizer."""
        if checked.lr is not None or checked.interrupted:
            return checked
        with self._open_task(0) as task:
            # Of the fastest group of parameters.
            lr = max(float(group.get("lr", 0.0)) for group in task.optimizer.param_groups)
        lr = lr if lr > 0 else _FALLBACK_LR
        self._observer.warn(
            f"no learning rate was suggested, so the search begins at {lr:g}, the rate of the optimizer. "
            f"{checked.verdict}"
        )
        source = f"the optimizer's rate ({checked.source} suggested none)"
        return replace(checked, lr=lr, role=Role.CONFIG, source=source)

    def around(self, checked: Checked) -> Trials | None:
        """Searches from a rate on, until one holds, the budget is spent, or the user stops it.

        None where that was before the first run.
        """
        assert checked.lr is not None
        self.announce()
        plan, pinned = self.plan, self._settings.lr
        start = checked.lr
        if pinned is not None and same(pinned, start):
            start = pinned  # one run for both
        search = Search(
            start,
            num_steps=plan.num_steps,
            seeds=self._settings.seeds,
            budget=plan.budget - checked.steps,
            pinned=pinned,
            # A rate that follows a schedule begins low: what it is worth shows at the end.
            early=plan.schedule == CONSTANT,
        )
        made: list[Move] = []
        trials: dict[int, dict[float, RunSet]] = {}
        elsewhere = chosen_launcher() is not None or self._settings.resume is not None
        try:
            (self._launch if elsewhere else self._work_through)(search, made, trials)
        except KeyboardInterrupt:
            self.interrupted = True
            if self._saved is not None and self._saved.runs:
                self._observer.note(self._saved.kept())
        if not trials:
            return None
        tried = sorted({move.lr for move in made})
        return Trials(
            candidates(tried, search.start, checked.role, pinned),
            plan.num_steps,
            tuple(_joined(runs, tried) for runs in trials.values()),
            schedule=plan.schedule,
            moves=tuple(made),
            budget=plan.budget,
            whose=checked.whose,
            spent=search.is_spent,
            cut_off=self.interrupted and bool(made),
        )

    def _work_through(self, search: Search, made: list[Move], trials: dict[int, dict[float, RunSet]]) -> None:
        """Makes the moves of a search one by one, and keeps what they came to."""
        total = search.left
        shown: Callable[[VerifyStep], None] | None = None
        moves = search.moves()
        move = next(moves, None)
        with ExitStack() as watched:
            while move is not None:
                seed = move.seed
                with self._open_task(seed) as task:
                    if shown is None:
                        self._begin(task, search)
                        shown = watched.enter_context(self._observer.steps(total, self._words))
                    with self._seed_runs(task, search, seed, total, shown) as runs:
                        try:
                            while move is not None and move.seed == seed:
                                made.append(move)
                                before = runs.taken
                                loss = runs.train(move.lr, move.to)
                                search.spend(runs.taken - before)
                                search.tried.note(move, runs.start_loss, loss)
                                move = next(moves, None)
                        finally:
                            trials[seed] = {
                                each.lr: runs.found(each.lr) for each in made if each.seed == seed
                            }
                self._take_notes(task.notes, task.skipped)

    def _launch(self, search: Search, made: list[Move], trials: dict[int, dict[float, RunSet]]) -> None:
        """The same, with whole runs wherever the launcher of this run has them done."""
        assert self._saved is not None
        total = search.left
        with self._open_task(0) as task:
            self._begin(task, search)
        self._take_notes(task.notes, task.skipped)
        train = partial(
            whole_run,
            plan=self.plan,
            stops=search.stops,
            first_seed=self._first_seed,
            divergence=self._divergence,
        )
        runs = WholeRuns(self._open_task, train, self._saved)
        with self._observer.steps(total, runs.words) as shown:
            runs.on_run = lambda seed, lr: shown(VerifyStep(min(runs.steps, total) - 1, seed, lr, total))
            shown(VerifyStep(0, 0, search.start, total))
            for move in search.moves():
                made.append(move)
                whole = runs.get(move, search.ahead(move))
                run = as_left_at(whole.found, move.to)
                of_seed = trials.setdefault(move.seed, {})
                before = int(of_seed[move.lr].steps_taken[0]) if move.lr in of_seed else 0
                of_seed[move.lr] = run
                self._take_notes(whole.notes, whole.skipped)
                search.spend(int(run.steps_taken[0]) - before)
                loss = math.inf if run.diverged[0] else float(run.readings[0, run.read_at.index(move.to)])
                search.tried.note(move, run.start, loss)
        self._observer.note(
            f"{runs.count} runs were trained to their end, {runs.steps:,} steps; the search asked for "
            f"{total - search.left:,} of them, and counts no others."
        )

    def _take_notes(self, notes: Sequence[str], skipped: Sequence[str]) -> None:
        """Keeps what a task tells, once."""
        self.notes += [note for note in notes if note not in self.notes]
        self.skipped += [path for path in skipped if path not in self.skipped]

    @contextmanager
    def _seed_runs(
        self, task: Task, search: Search, seed: int, total: int, shown: Callable[[VerifyStep], None]
    ) -> Iterator[SeedRuns]:
        done = total - search.left

        def told(lr: float) -> None:
            nonlocal done
            shown(VerifyStep(done, seed, lr, total))
            done += 1

        with from_one_start(task) as start:
            yield SeedRuns(
                task,
                start,
                plan=self.plan,
                stops=search.stops,
                seed=self._first_seed + seed,
                divergence=self._divergence,
                on_step=told,
            )

    def _begin(self, task: Task, search: Search) -> None:
        """Keeps what the first task tells, and says how long it may take."""
        self.title = task.title
        self.groups = groups_of(task.model, task.optimizer)
        if task.validation is not None:
            self.held_out = sum(map(num_samples, task.validation))  # batches come whole, and may run out
        seconds = search.left * seconds_a_step(task, search.start / 10)
        seeds = self._settings.seeds
        self._observer.note(
            f"searching from {rate_text(search.start)}: up to {search.left:,} steps, about "
            f"{duration_text(seconds)}, with up to {seeds} {'seed' if seeds == 1 else 'seeds'}; "
            f"{self.held_out:,} samples held out."
        )

    def _words(self, shown: VerifyStep) -> str:
        return (
            f"seed {shown.seed + 1} of {self._settings.seeds}, rate {rate_text(shown.lr)}, "
            f"step {shown.index + 1:,} of at most {shown.total:,}"
        )


def _joined(runs: Mapping[float, RunSet], lrs: list[float]) -> RunSet:
    """The runs of a seed as one set of these rates, empty where a rate was not trained on that seed."""
    first = next(iter(runs.values()))
    found = RunSet.untrained(lrs, read_at=first.read_at, num_steps=first.losses.shape[1], seed=first.seed)
    found.readings[:, 0] = first.start
    for lr, run in runs.items():
        for name in ("losses", "readings", "steps_taken", "diverged", "finished"):
            getattr(found, name)[lrs.index(lr)] = getattr(run, name)[0]
    return found


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
    """

    checked: Checked
    plan: Plan
    trials: Trials | None
    judgement: Judgement | None
    conclusion: VerifyVerdict
    interrupted: bool

    @property
    def steps(self) -> int:
        """Training steps taken, those of a range test included."""
        return self.checked.steps + (self.trials.steps if self.trials else 0)


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
    return Verified(checked, runs.plan, trials, judgement, conclusion, interrupted)
