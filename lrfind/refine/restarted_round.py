"""A round of the sweep without the confound: every rate from the same start, seed after seed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lrfind.errors import ConfigError
from lrfind.refine.restarted import planned_steps, restarted, seed_result
from lrfind.refine.results import RefineStep, RoundResult
from lrfind.refine.segments import rungs
from lrfind.refine.state import Part
from lrfind.report.formatting import duration_text
from lrfind.suggestion import Status
from lrfind.training import state as checkpoint
from lrfind.training.runs import seconds_a_step
from lrfind.training.stacking.strategy import Strategy

if TYPE_CHECKING:
    from collections.abc import Callable

    from lrfind.refine.checkpoint import Ledger, Saved
    from lrfind.refine.results import RoundPlan, SeedResult
    from lrfind.refine.seeds import Seeds
    from lrfind.report.observers import Observer


class Restarting:
    """Measures rounds in which every rate begins at the same start.

    Args:
        seeds: Opens what is trained.
        ledger: Keeps what was measured; it is saved between two seeds.
        observer: Told of every step.
        halving: Whether rates that fall behind are dropped.
        strategy: How the rates are to be run.
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
        """One round, every seed of it.

        Args:
            plan: Its rates.
            saved: The sweep that goes on, where it was cut off in this round.
        """
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
            return f"round {number}{seed}, every rate from the same start"

        with self._observer.steps(most * count, words) as shown:

            def on_step(rates: int, step: int) -> None:
                nonlocal done
                done += rates
                shown(RefineStep(number, len(tracks), done, most * count, None, None))

            try:
                while len(tracks) < count:
                    done = len(tracks) * most
                    track, strategy = self._one(len(tracks), lrs, iterations, strategy, on_step)
                    tracks.append(track)
                    if self._ledger.due:
                        self._save(tracks, strategy)
            except KeyboardInterrupt:
                status = Status.INTERRUPTED
        return RoundResult(plan, tuple(tracks), status, restarted=True)

    def _one(
        self,
        seed: int,
        lrs: list[float],
        iterations: int,
        strategy: Strategy,
        on_step: Callable[[int, int], None],
    ) -> tuple[SeedResult, Strategy]:
        """One seed, and the form it was measured in."""
        with self._seeds.open(seed) as task:
            measure = partial(
                restarted,
                task,
                lrs,
                iterations=iterations,
                reading=self._seeds.reading,
                halving=self._halving,
                on_step=on_step,
            )
            try:
                runs = measure(strategy=strategy)
            except ConfigError:
                # What could be stacked for one seed may come out differently for another.
                if self._strategy is not Strategy.AUTO or strategy is not Strategy.STACKED:
                    raise
                runs = measure(strategy=Strategy.SEQUENTIAL)
        self._ledger.steps += int(runs.steps_taken.sum())
        form = Strategy.STACKED if runs.stacked else Strategy.SEQUENTIAL
        return seed_result(runs, self._seeds.reading), form

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
                + f"about {duration_text(most * count * seconds)} one after another."
            )
        return most
