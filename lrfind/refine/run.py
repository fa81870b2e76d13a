"""The rounds of `lrfind refine`: which are measured, in which way, until the answer is found."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from lrfind.refine.checkpoint import Ledger, Saved
from lrfind.refine.config import Restart
from lrfind.refine.continued_round import Continuing
from lrfind.refine.report import announced
from lrfind.refine.restarted_round import Restarting
from lrfind.refine.results import RoundPlan
from lrfind.refine.rounds import run_rounds
from lrfind.refine.seeds import Seeds
from lrfind.refine.segments import around, rounds_of
from lrfind.suggestion import Status
from lrfind.training.stacking.autotune import Strategy

if TYPE_CHECKING:
    from pathlib import Path

    from lrfind.refine.config import RefineConfig
    from lrfind.refine.results import RoundResult
    from lrfind.report.observers import Observer


class Sweep:
    """All rounds of one run.

    Attributes:
        rounds: What was measured, and is read; with `refine.restart` every rate from the same start.
        interrupted: Whether the user stopped it.
        seeds: What was trained.
    """

    def __init__(self, config: RefineConfig, directory: Path, observer: Observer) -> None:
        settings = config.refine
        self._config = config
        self._observer = observer
        self._saved = Saved.of(config)
        self.seeds = Seeds(config)
        self._ledger = Ledger(config, directory, self._saved, observer)
        self.rounds = self._ledger.rounds
        self.interrupted = False
        strategy = Strategy(settings.strategy.value)
        if config.deterministic and strategy is Strategy.AUTO:
            strategy = Strategy.SEQUENTIAL  # a trial by the clock may end otherwise another time
        self._continuing = Continuing(
            self.seeds,
            self._ledger,
            observer,
            accumulation_steps=config.accumulation_steps,
            strategy=strategy,
        )
        self._restarting = Restarting(
            self.seeds, self._ledger, observer, halving=settings.halving, strategy=strategy
        )

    @property
    def others(self) -> list[RoundResult]:
        """With `refine.restart=both` the continued sweep of each round, to be compared."""
        return self._ledger.others

    @property
    def steps(self) -> int:
        """Training steps taken, those before a resumption included."""
        return self._ledger.steps

    @property
    def measured(self) -> list[list[RoundResult]]:
        """For each round what was measured in it: the continued sweep, the restarted one, or both."""
        pairs = zip_longest(self.others, self.rounds)
        return [[each for each in pair if each is not None] for pair in pairs]

    @property
    def status(self) -> Status:
        """Why it ended."""
        return Status.INTERRUPTED if self.interrupted else self.rounds[-1].status

    def run(self) -> None:
        """Measures until the answer is found, the rounds are used up or the user stops it."""
        settings = self._config.refine
        try:
            found = run_rounds(
                self._measure,
                plans_of(self._config),
                limit=settings.rounds,
                iterations=settings.iterations,
                before=self.rounds,
            )
            for rounds in found:
                self.rounds = self._ledger.rounds = rounds
                self.interrupted = rounds[-1].status is Status.INTERRUPTED
        except KeyboardInterrupt:
            if not self.seeds.begun:
                raise
            self.interrupted = True
        if not self.interrupted:
            self._ledger.close()

    def _measure(self, plan: RoundPlan) -> RoundResult:
        """One round, every seed of it."""
        saved, self._saved = self._saved, None
        restart = self._config.refine.restart
        if saved is not None:
            self._observer.note(f"resumed from {saved.where} in round {len(self.rounds) + 1}.")
        self._observer.note(announced(len(self.rounds) + 1, plan, seeds=self.seeds.count))
        if restart is Restart.FALSE:
            return self._continuing.measure(plan, saved)
        if restart is Restart.BOTH and (saved is None or saved.part.kind == "continued"):
            other = self._continuing.measure(plan, saved)
            self.others.append(other)
            if other.status is Status.INTERRUPTED:
                raise KeyboardInterrupt
            saved = None
        return self._restarting.measure(plan, saved)


def plans_of(config: RefineConfig) -> list[RoundPlan]:
    """The rounds that are known before anything is measured."""
    settings = config.refine
    if settings.around is not None:
        reason = f"The closing round around {settings.around:g}, as asked for."
        return [RoundPlan(around(settings.around, settings.iterations), reason, "closing")]
    return [RoundPlan(segments, "") for segments in rounds_of(settings.segments)]
