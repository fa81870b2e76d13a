"""Whole runs of a search, for a launcher: several at a time, and the search takes of each what it asks for.

A search wants one run after another. A launcher pays where several are trained at a time, so a run is trained
there beside those that are likely to be wanted next. A run may be wanted for a part of its steps first, and
its processes keep nothing of one that waits: it goes to its end, and the search is given of
it as much as it has asked for. What it finds, and what it counts, is the same as where it trains run by run.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lrfind.execution.launcher import chosen_launcher
from lrfind.suggestion import rate_text
from lrfind.tasks.seed_jobs import RUN_SET_CODEC, launch_seeds
from lrfind.training.run_set import RunSet
from lrfind.training.start import from_one_start
from lrfind.verify.seed_runs import SeedRuns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lrfind.range_test.config import RangeSettings
    from lrfind.tasks.seed_jobs import Do, JobResult, SeedJob
    from lrfind.training.task import OpenTask, Task
    from lrfind.verify.checkpoint import SavedRuns
    from lrfind.verify.plan import Plan
    from lrfind.verify.search_run import VerifyStep
    from lrfind.verify.stops import Stops
    from lrfind.verify.tried import Move


class WholeRuns:
    """The whole runs of a search.

    Args:
        open_task: Opens the task of a seed, from a config.
        train: Trains a run.
        saved: Where they are saved; those of a search that was cut off are there already.
        stops: Where runs are read; of those that are saved, one that was read elsewhere is trained again.

    Attributes:
        on_run: Told of the seed and the rate of each that has ended.
    """

    def __init__(self, open_task: OpenTask, train: Do[RunSet], saved: SavedRuns, stops: Stops) -> None:
        self.on_run: Callable[[int, float], None] = lambda seed, lr: None
        self._open_task = open_task
        self._train = train
        self._saved = saved
        saved.keep(lambda seed, run: run.read_at == (0, *stops.of_seed(seed)))
        self._wanted = len(saved.runs)
        self._stopped: KeyboardInterrupt | None = None

    @property
    def count(self) -> int:
        """How many have ended."""
        return len(self._saved.runs)

    @property
    def steps(self) -> int:
        """Training steps of all of them."""
        return sum(int(each.found.steps_taken.sum()) for each in self._saved.runs.values())

    def get(self, move: Move, ahead: Sequence[SeedJob]) -> JobResult[RunSet]:
        """The run that a move is part of; where it is not there, it is trained, beside others on a launcher.

        Args:
            move: What is wanted.
            ahead: The others.

        Raises:
            UserError: As a run raised it, or the launcher gave up.
            KeyboardInterrupt: It came, and this run had not ended; what had is saved.
        """
        job, done = (move.seed, move.lr), self._saved.runs
        if job not in done and self._stopped is None:
            jobs = [job, *(ahead if chosen_launcher() is not None else ())]
            jobs = [each for each in jobs if each not in done]
            self._wanted = len(done) + len(jobs)
            try:
                launch_seeds(
                    self._open_task, self._train, jobs, RUN_SET_CODEC, self._take, kept=self._saved.kept
                )
            except KeyboardInterrupt as error:
                self._stopped = error
        if self._stopped is not None and job not in done:
            raise self._stopped
        return done[job]

    def words(self, step: VerifyStep) -> str:
        """How far they are, for the progress."""
        left = self._wanted - self.count
        done = f"{self.count} {'run' if self.count == 1 else 'runs'} done"
        return done + (f", {left} under way" if left else "") + f", the last at rate {rate_text(step.lr)}"

    def _take(self, job: SeedJob, result: JobResult[RunSet]) -> None:
        self._saved.runs[job] = result
        self._saved.save()
        self.on_run(*job)


def whole_run(
    task: Task,
    job: SeedJob,
    on_step: Callable[..., None],
    *,
    plan: Plan,
    stops: Stops,
    first_seed: int,
    divergence: RangeSettings,
) -> RunSet:
    """Trains a run to its end.

    Args:
        task: That of the seed.
        job: The seed and the rate.
        on_step: Called with the rate at every step.
        plan: How long a run is.
        stops: Where it is read.
        first_seed: What the first seed is called.
        divergence: As `SeedRuns` has it.
    """
    seed, lr = job
    with from_one_start(task) as start:
        runs = SeedRuns(
            task,
            start,
            plan=plan,
            stops=stops.of_seed(seed),
            seed=first_seed + seed,
            divergence=divergence,
            on_step=on_step,
        )
        runs.train(lr, stops.end)
        return runs.found(lr)


def as_left_at(whole: RunSet, step: int) -> RunSet:
    """What a run of one rate would be, had it been left after so many steps."""
    num_steps = whole.losses.shape[1]
    if step == num_steps or (whole.diverged[0] and whole.steps_taken[0] <= step):
        return whole
    found = RunSet.untrained(whole.lrs, read_at=whole.read_at, num_steps=num_steps, seed=whole.seed)
    read = [i for i, at in enumerate(whole.read_at) if at <= step]
    found.losses[0, :step] = whole.losses[0, :step]
    found.readings[0, read] = whole.readings[0, read]
    found.steps_taken[0] = step
    if not math.isfinite(found.readings[0, read[-1]]):  # of a run that diverged there is no reading
        found.diverged[0] = found.finished[0] = True
    return found
