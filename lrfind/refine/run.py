"""The rounds of `lrfind refine`: which are measured, in which way, until the answer is found."""

from __future__ import annotations

import dataclasses
from itertools import zip_longest
from typing import TYPE_CHECKING

from lrfind.refine.checkpoint import Ledger, Saved
from lrfind.refine.config import Restart
from lrfind.refine.continued_rounds import ContinuedRounds
from lrfind.refine.report import announced
from lrfind.refine.restarted_rounds import RestartedRounds
from lrfind.refine.results import RoundPlan
from lrfind.refine.rounds import run_rounds
from lrfind.refine.seeds import Seeds
from lrfind.refine.segments import around, rounds_of
from lrfind.refine.verdict import SWEEPS, doubt
from lrfind.suggestion import Status, rate_text
from lrfind.training.stacking.strategy import Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lrfind.refine.config import RefineConfig, RefineSettings
    from lrfind.refine.results import RoundResult
    from lrfind.report.observers import Observer


class Sweep:
    """All rounds of one run.

    Args:
        ledger: Keeps what is measured; None: in memory alone.
        timed: Whether a few steps are taken to say how long a round of restarted rates is going to take.

    Attributes:
        rounds: What was measured, and is read; with `refine.restart` every rate from the same start.
    """

    def __init__(
        self,
        seeds: Seeds,
        settings: RefineSettings,
        plans: Sequence[RoundPlan],
        observer: Observer,
        *,
        ledger: Ledger | None = None,
        saved: Saved | None = None,
        timed: bool = True,
    ) -> None:
        self.seeds = seeds
        self.interrupted = False
        self._settings = settings
        self._plans = plans
        self._observer = observer
        self._saved = saved
        self._ledger = ledger = Ledger(observer) if ledger is None else ledger
        self.rounds = ledger.rounds
        strategy = settings.strategy
        both = settings.restart is Restart.BOTH
        self._continuing = ContinuedRounds(seeds, ledger, observer, strategy=strategy, both=both)
        self._restarting = RestartedRounds(
            seeds, ledger, observer, halving=settings.halving, strategy=strategy, timed=timed
        )

    @classmethod
    def of(cls, config: RefineConfig, directory: Path, observer: Observer) -> Sweep:
        """The sweep of a config, which goes on where one was cut off, if the config says so."""
        settings = config.refine
        saved = Saved.of(config)
        seeds = Seeds.of(config)
        ledger = Ledger.of(config, directory, saved, observer)
        if config.deterministic and settings.strategy is Strategy.AUTO:
            # A trial by the clock may end otherwise another time.
            settings = dataclasses.replace(settings, strategy=Strategy.SEQUENTIAL)
        return cls(seeds, settings, plans_of(settings), observer, ledger=ledger, saved=saved)

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
        settings = self._settings
        try:
            found = run_rounds(
                self._measure,
                self._plans,
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

    @property
    def kept(self) -> str:
        """How an interrupted one goes on, in a sentence; empty where nothing is ever saved."""
        if self._ledger.path is None:
            return ""
        return self._ledger.kept or "Nothing was saved yet to go on with (refine.save_every)."

    def close(self) -> None:
        """Takes away what a sweep that is cut off goes on with, once the results of this one are written."""
        if not self.interrupted:
            self._ledger.close()

    def _measure(self, plan: RoundPlan) -> RoundResult:
        """One round, every seed of it."""
        saved, self._saved = self._saved, None
        restart = self._settings.restart
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


def more_sweeps(config: RefineConfig, sweep: Sweep, observer: Observer) -> list[Sweep]:
    """More sweeps with the next seeds, where a plain one leaves a doubt; none where rounds are given.

    An interrupt ends them, and marks the first sweep as interrupted.
    """
    settings = config.refine
    given = settings.rounds is not None or len(plans_of(settings)) > 1
    if given or settings.seeds > 1 or settings.restart is not Restart.FALSE or sweep.interrupted:
        return []
    reason = doubt(sweep.rounds)
    if reason is None:
        return []
    seeds = [config.seed + i for i in range(1, SWEEPS)]
    observer.note(
        f"one sweep is not certain: {reason}. {len(seeds)} more, with the seeds {seeds[0]} to {seeds[-1]}."
    )
    others: list[Sweep] = []
    for seed in seeds:
        observer.note(f"the sweep of seed {seed}:")
        other = Sweep(
            Seeds.of(dataclasses.replace(config, seed=seed)), settings, plans_of(settings), observer
        )
        try:
            other.run()
            sweep.interrupted = other.interrupted
        except KeyboardInterrupt:
            sweep.interrupted = True
        if sweep.interrupted:
            break
        others.append(other)
    return others


def plans_of(settings: RefineSettings) -> list[RoundPlan]:
    """The rounds that are known before anything is measured."""
    if settings.around is not None:
        reason = f"The closing round around {rate_text(settings.around)}, as asked for."
        return [RoundPlan(around(settings.around, settings.iterations), reason, "closing")]
    return [RoundPlan(segments, "") for segments in rounds_of(settings.segments)]
