"""A search that is trained, move after move: in this process, or by whole runs on a launcher."""

from __future__ import annotations

import math
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from lrfind.report.formatting import counted, duration_text
from lrfind.suggestion import rate_text
from lrfind.training.batch import num_samples
from lrfind.training.blind_answer import UNKNOWN
from lrfind.training.groups import groups_of
from lrfind.training.readings import blind_answer_on
from lrfind.training.run_set import RunSet
from lrfind.training.runs import seconds_a_step
from lrfind.training.start import from_one_start
from lrfind.verify.candidates import Trials, candidates, same
from lrfind.verify.seed_runs import SeedRuns
from lrfind.verify.whole_runs import WholeRuns, as_left_at, whole_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lrfind.suggestion import Group
    from lrfind.training.task import Task
    from lrfind.verify.checkpoint import SavedRuns
    from lrfind.verify.run import Runs
    from lrfind.verify.search import Search
    from lrfind.verify.target import Checked
    from lrfind.verify.tried import Move


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


@dataclass(slots=True)
class About:
    """What a reader of the numbers should know.

    Attributes:
        held_out: Samples that the held-out loss is read on.
        title: What is trained on what and how; empty before the first task, as `groups`.
        notes: What was told of the tasks.
        skipped: Pictures that could not be read.
        groups: The optimizer's groups; none where there is only one.
    """

    held_out: int
    title: str = ""
    notes: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    groups: tuple[Group, ...] = ()

    def take(self, notes: Sequence[str], skipped: Sequence[str]) -> None:
        """Keeps what a task tells, once."""
        self.notes += [note for note in notes if note not in self.notes]
        self.skipped += [path for path in skipped if path not in self.skipped]


class SearchRun:
    """A search and what its runs came to.

    Args:
        runs: How they are trained, and who is told.
        search: Says what to train next.
    """

    def __init__(self, runs: Runs, search: Search) -> None:
        self._runs = runs
        self._search = search
        self._blind = UNKNOWN
        self._moves: list[Move] = []
        self._trained: dict[int, dict[float, RunSet]] = {}

    def trials(self, checked: Checked, pinned: float | None, *, cut_off: bool) -> Trials | None:
        """What all seeds measured; None where nothing was trained.

        Args:
            checked: The rate it began with.
            pinned: The rate that a project has pinned.
            cut_off: Whether the user stopped it.
        """
        if not self._trained:
            return None
        tried = sorted({move.lr for move in self._moves})
        start = checked.lr
        assert start is not None
        return Trials(
            candidates(tried, self._search.start, checked.role, pinned),
            self._runs.plan.num_steps,
            tuple(_joined(runs, tried) for runs in self._trained.values()),
            schedule=self._runs.plan.schedule,
            moves=tuple(self._moves),
            budget=self._runs.plan.budget,
            whose=checked.whose,
            meant=None if same(start, self._search.start) else start,
            spent=self._search.is_spent,
            cut_off=cut_off and bool(self._moves),
            left=self._search.unfinished() if cut_off or self._search.is_spent else frozenset(),
            blind=self._blind,
        )

    def work_through(self) -> None:
        """Makes the moves one by one, each seed's from one task."""
        search = self._search
        total = search.left
        shown: Callable[[VerifyStep], None] | None = None
        moves = search.moves()
        move = next(moves, None)
        with ExitStack() as watched:
            while move is not None:
                seed = move.seed
                with self._runs.open_task(seed) as task:
                    if shown is None:
                        self._begin(task)
                        shown = watched.enter_context(self._runs.observer.steps(total, self._words))
                    with self._seed_runs(task, seed, total, shown) as runs:
                        try:
                            while move is not None and move.seed == seed:
                                self._note(move)
                                before = runs.taken
                                loss = runs.train(move.lr, move.to)
                                search.spend(runs.taken - before)
                                search.tried.note(move, runs.start_loss, loss)
                                move = next(moves, None)
                        finally:
                            lrs = {each.lr for each in self._moves if each.seed == seed}
                            self._trained[seed] = {lr: runs.found(lr) for lr in sorted(lrs)}
                self._runs.about.take(task.notes, task.skipped)

    def launch(self, saved: SavedRuns) -> None:
        """The same, with whole runs wherever the launcher of this run has them done, or here one by one."""
        search = self._search
        total = search.left
        with self._runs.open_task(0) as task:
            self._begin(task)
        self._runs.about.take(task.notes, task.skipped)
        train = partial(
            whole_run,
            plan=self._runs.plan,
            stops=search.stops,
            first_seed=self._runs.first_seed,
            divergence=self._runs.divergence,
        )
        runs = WholeRuns(self._runs.open_task, train, saved, search.stops)
        with self._runs.observer.steps(total, runs.words) as shown:
            runs.on_run = lambda seed, lr: shown(VerifyStep(min(runs.steps, total) - 1, seed, lr, total))
            shown(VerifyStep(0, 0, search.start, total))
            for move in search.moves():
                self._note(move)
                whole = runs.get(move, search.ahead(move))
                run = as_left_at(whole.found, move.to)
                of_seed = self._trained.setdefault(move.seed, {})
                before = int(of_seed[move.lr].steps_taken[0]) if move.lr in of_seed else 0
                of_seed[move.lr] = run
                self._runs.about.take(whole.notes, whole.skipped)
                search.spend(int(run.steps_taken[0]) - before)
                loss = math.inf if run.diverged[0] else float(run.readings[0, run.read_at.index(move.to)])
                search.tried.note(move, run.start, loss)
        self._runs.observer.note(
            f"{runs.count} runs were trained to their end, {runs.steps:,} steps; the search asked for "
            f"{total - search.left:,} of them, and counts no others."
        )

    def _note(self, move: Move) -> None:
        """Keeps a move; one that takes the run before it further takes its place."""
        last = self._moves[-1] if self._moves else None
        if last is not None and (last.seed, last.lr) == (move.seed, move.lr):
            self._moves.pop()
        self._moves.append(move)

    @contextmanager
    def _seed_runs(
        self, task: Task, seed: int, total: int, shown: Callable[[VerifyStep], None]
    ) -> Iterator[SeedRuns]:
        done = total - self._search.left

        def told(lr: float) -> None:
            nonlocal done
            shown(VerifyStep(done, seed, lr, total))
            done += 1

        with from_one_start(task) as start:
            yield SeedRuns(
                task,
                start,
                plan=self._runs.plan,
                stops=self._search.stops.of_seed(seed),
                seed=self._runs.first_seed + seed,
                divergence=self._runs.divergence,
                on_step=told,
            )

    def _begin(self, task: Task) -> None:
        """Keeps what the first task tells, and says how long it may take."""
        about, search = self._runs.about, self._search
        about.title = task.title
        about.groups = groups_of(task.model, task.optimizer)
        if task.validation is not None:
            about.held_out = sum(map(num_samples, task.validation))  # batches come whole, and may run out
        seeds = self._runs.seeds
        seconds = search.left * seconds_a_step(task, search.start / 10)
        if task.validation is not None:  # after a first loss, which tells the number of outputs
            self._blind = blind_answer_on(task.validation, task)
            search.tried.blind = self._blind.loss
        self._runs.observer.note(
            f"searching from {rate_text(search.start)}: up to {search.left:,} steps, about "
            f"{duration_text(seconds)}, with up to {counted(seeds, 'seed')}; "
            f"{about.held_out:,} samples held out."
        )

    def _words(self, shown: VerifyStep) -> str:
        return (
            f"seed {shown.seed + 1} of {self._runs.seeds}, rate {rate_text(shown.lr)}, "
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
