"""The sweep without the confound: every rate from the same start, over as many steps, seed after seed."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from lrfind.errors import ConfigError
from lrfind.refine.results import RefineStep, RoundResult, SeedResult
from lrfind.refine.segments import rungs
from lrfind.refine.state import Part
from lrfind.report.formatting import duration_text
from lrfind.suggestion import Status
from lrfind.training import state as checkpoint
from lrfind.training.halving import Halving
from lrfind.training.runs import seconds_a_step, train_runs
from lrfind.training.stacking.strategy import Strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lrfind.refine.checkpoint import Ledger, Saved
    from lrfind.refine.continued import Reading
    from lrfind.refine.results import RoundPlan
    from lrfind.refine.seeds import Seeds
    from lrfind.report.observers import Observer
    from lrfind.training.run_set import OnStep, RunSet
    from lrfind.training.task import Task


class RestartedRounds:
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


def restarted(
    task: Task,
    lrs: Sequence[float],
    *,
    iterations: int,
    reading: Reading,
    halving: bool = False,
    strategy: Strategy = Strategy.AUTO,
    on_step: OnStep | None = None,
) -> RunSet:
    """Trains at each rate from the same weights, on the same batches in the same order.

    Args:
        task: What is trained, at its start; it is left there.
        lrs: The rates.
        iterations: Length of the training at each rate.
        reading: What an iteration is. With fixed batches, the loss of a rate is read on them once, at its
            end; without, there is one an iteration.
        halving: Drop the worse half of the rates at a quarter, and again at half of the iterations.
        strategy: One rate after another, side by side, or whichever is faster.
        on_step: As `train_runs` calls it.
    """
    num_steps = iterations * reading.steps
    return train_runs(
        task,
        lrs,
        num_steps=num_steps,
        held_out=None if reading.on is None else list(reading.on),
        read_at=[0],
        strategy=strategy,
        halving=halving_of(num_steps) if halving else None,
        on_step=on_step,
    )


def seed_result(runs: RunSet, reading: Reading) -> SeedResult:
    """What the runs of a seed showed, as a round reads it."""
    dropped = ~runs.diverged & (runs.steps_taken < runs.losses.shape[1])
    losses = tuple(_losses_of(runs, i, reading) for i in range(len(runs.lrs)))
    return SeedResult(runs.start, losses, tuple(dropped.tolist()) if dropped.any() else ())


def halving_of(num_steps: int) -> Halving:
    """Half of the rates goes on after a quarter of the steps, and a quarter after half of them."""
    return Halving(tuple(sorted({max(num_steps // 4, 1), max(num_steps // 2, 1)})))


def planned_steps(num_rates: int, *, num_steps: int, halving: bool) -> int:
    """The most training steps that a round of one seed takes."""
    return (halving_of(num_steps) if halving else Halving(())).total_steps(num_rates, num_steps=num_steps)


def _losses_of(runs: RunSet, rate: int, reading: Reading) -> tuple[float, ...]:
    """One loss an iteration, or the one at the end; infinite at the end where a rate diverged."""
    taken = int(runs.steps_taken[rate])
    row = runs.losses[rate, :taken]
    diverged = bool(runs.diverged[rate])
    if reading.on is not None and (diverged or taken == runs.losses.shape[1]):
        return (float(runs.finals[rate]),)
    if reading.on is not None:
        # A rate that halving dropped: what it had come to by then, which is as good as it is known.
        return (float(row[-max(taken // 4, 1) :].mean()),)
    losses = [float(row[i : i + reading.steps].mean()) for i in range(0, taken, reading.steps)]
    return (*losses, math.inf) if diverged and math.isfinite(losses[-1]) else tuple(losses)
