"""Rounds without the confound: every rate from the same start, seed after seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfind.execution.executors import work_through
from lrfind.execution.launcher import chosen_launcher, launcher_name
from lrfind.refine.restarted import SeedOfRound, planned_steps, seed_result
from lrfind.refine.results import RefineStep, RoundResult, SeedResult
from lrfind.refine.segments import rungs
from lrfind.refine.state import Part
from lrfind.report.formatting import training_text
from lrfind.suggestion import Status
from lrfind.tasks.seed_jobs import RUN_SET_CODEC
from lrfind.training import state as checkpoint
from lrfind.training.runs import seconds_a_step
from lrfind.training.stacking.strategy import Strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lrfind.refine.checkpoint import Ledger, Saved
    from lrfind.refine.results import RoundPlan
    from lrfind.refine.seeds import Seeds
    from lrfind.report.observers import Observer
    from lrfind.tasks.seed_jobs import JobResult
    from lrfind.training.run_set import RunSet


class RestartedRounds:
    """Measures rounds in which every rate begins at the same start.

    Args:
        ledger: Keeps what was measured; it is saved between two seeds.
        timed: Whether a few steps are taken to say how long a round is going to take.
    """

    def __init__(
        self,
        seeds: Seeds,
        ledger: Ledger,
        observer: Observer,
        *,
        halving: bool,
        strategy: Strategy,
        timed: bool,
    ) -> None:
        self._seeds = seeds
        self._ledger = ledger
        self._observer = observer
        self._halving = halving
        self._strategy = strategy
        self._timed = timed

    def measure(self, plan: RoundPlan, saved: Saved | None) -> RoundResult:
        """One round, every seed of it; `saved` is a sweep that was cut off in it and goes on."""
        lrs = [lr for _, lr, _ in rungs(plan.segments)]
        iterations = max(segment.iterations for segment in plan.segments)
        most = self._planned(lrs, iterations)
        tracks: list[SeedResult] = []
        # All seeds of a round are measured in the form that suited the first one.
        strategy = self._strategy
        if saved is not None:
            tracks = list(saved.part.tracks)
            strategy = Strategy(saved.part.form["strategy"])
        done = len(tracks) * most
        number = len(self._ledger.rounds) + 1
        status = Status.COMPLETED
        count = self._seeds.count

        def words(step: RefineStep) -> str:
            seed = f", seed {step.seed + 1} of {count}" if count > 1 else ""
            if chosen_launcher() is not None:
                seed = f", {step.seed} of {count} seeds done"
            return f"round {number}{seed}, every rate from the same start"

        with self._observer.steps(most * count, words) as shown:

            def on_step(rates: int, step: int) -> None:
                nonlocal done
                done += rates
                shown(RefineStep(number, len(tracks), done, most * count, None, None))

            try:
                if chosen_launcher() is not None and len(tracks) < count:
                    # The first seed alone, for the form that suits it is that of the others.
                    for numbers in ([len(tracks)], range(len(tracks) + 1, count)):
                        strategy = self._launched(numbers, lrs, iterations, strategy, tracks, on_step)
                while len(tracks) < count:
                    done = len(tracks) * most
                    track, strategy = self._one(len(tracks), lrs, iterations, strategy, on_step)
                    tracks.append(track)
                    if self._ledger.due:
                        self._save(tracks, strategy)
            except KeyboardInterrupt:
                status = Status.INTERRUPTED
        return RoundResult(plan, tuple(tracks), status, restarted=True)

    def _launched(
        self,
        numbers: Sequence[int],
        lrs: list[float],
        iterations: int,
        strategy: Strategy,
        tracks: list[SeedResult],
        on_step: Callable[[int, int], None],
    ) -> Strategy:
        """Seeds wherever the launcher of this run has them done; added, and saved, in their order."""
        found: dict[int, RunSet] = {}
        before = len(tracks)
        work = SeedOfRound(self._seeds, lrs, iterations, halving=self._halving, asked=self._strategy)

        def on_result(index: int, result: JobResult[RunSet]) -> None:
            found[numbers[index]] = result.found
            self._seeds.skipped += [path for path in result.skipped if path not in self._seeds.skipped]
            for seed in numbers[len(tracks) - before :]:
                if seed not in found:
                    break
                forms.append(self._take(found[seed], tracks))
                if self._ledger.path is not None:
                    self._save(tracks, forms[-1])
            on_step(int(result.found.steps_taken.sum()), 0)

        forms = [strategy]
        work_through(
            work,
            [(seed, strategy) for seed in numbers],
            processes=1,
            codec=RUN_SET_CODEC,
            on_message=lambda index, message: None,
            on_result=on_result,
            kept=lambda: self._ledger.kept,
        )
        return forms[-1]

    def _take(self, runs: RunSet, tracks: list[SeedResult]) -> Strategy:
        """Notes what a seed came to; the form it was measured in."""
        self._ledger.steps += int(runs.steps_taken.sum())
        tracks.append(seed_result(runs, self._seeds.reading))
        return Strategy.STACKED if runs.stacked else Strategy.SEQUENTIAL

    def _one(
        self,
        seed: int,
        lrs: list[float],
        iterations: int,
        strategy: Strategy,
        on_step: Callable[[int, int], None],
    ) -> tuple[SeedResult, Strategy]:
        """One seed, and the form it was measured in."""
        found: list[SeedResult] = []
        work = SeedOfRound(self._seeds, lrs, iterations, halving=self._halving, asked=self._strategy)
        form = self._take(work.train(self._seeds, seed, strategy, on_step), found)
        return found[0], form

    def _save(self, tracks: list[SeedResult], strategy: Strategy) -> None:
        part = Part("restarted", list(tracks), form={"strategy": strategy.value})
        self._ledger.save(part, self._ledger.steps, lambda about: checkpoint.packed_values({}, about=about))

    def _planned(self, lrs: list[float], iterations: int) -> int:
        """The most steps that one seed takes; says what the round is going to cost."""
        count = self._seeds.count
        seconds = None
        if self._timed:
            with self._seeds.open(0) as task:
                seconds = seconds_a_step(task, lrs[0])
        num_steps = iterations * self._seeds.reading.steps
        most = planned_steps(len(lrs), num_steps=num_steps, halving=self._halving)
        if seconds is not None:
            self._observer.note(
                f"{len(lrs)} rates x {count} {'seed' if count == 1 else 'seeds'} x {num_steps:,} steps, "
                + (f"{most * count:,} with halving, " if self._halving else "")
                + training_text(most * count * seconds, launcher_name())
                + (" one after another." if launcher_name() is None else ".")
            )
        return most
