"""A round of the continued sweep: its seeds one after another, or side by side."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from lrfind.errors import ConfigError
from lrfind.refine.continued import along, continued
from lrfind.refine.loss_log import LossLog
from lrfind.refine.results import RefineStep, RoundResult
from lrfind.refine.segments import rungs
from lrfind.refine.state import Part
from lrfind.suggestion import Status, rate_text
from lrfind.training import state as checkpoint
from lrfind.training.peers import mean_of
from lrfind.training.stacking.autotune import Form, form_of_seeds
from lrfind.training.stacking.seeds import StackedSeeds
from lrfind.training.stacking.strategy import Strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lrfind.refine.checkpoint import Ledger, Saved
    from lrfind.refine.continued import Point
    from lrfind.refine.results import RoundPlan, SeedResult
    from lrfind.refine.seeds import Seeds
    from lrfind.report.observers import Observer

    Ladder = list[tuple[float, int]]

_ALONE = Form(False, "one after another")


class ContinuedRounds:
    """Measures rounds in which training goes on from rate to rate.

    Args:
        both: Whether restarted rates are measured beside, so that the progress line says which these are.
    """

    def __init__(
        self, seeds: Seeds, ledger: Ledger, observer: Observer, *, strategy: Strategy, both: bool = False
    ) -> None:
        self._seeds = seeds
        self._ledger = ledger
        self._observer = observer
        self._both = both
        self._strategy = strategy
        self._said: bool | None = None

    def measure(self, plan: RoundPlan, saved: Saved | None) -> RoundResult:
        """One round, every seed of it; `saved` is a sweep that was cut off in it and goes on."""
        ladder = [(lr, iterations) for _, lr, iterations in rungs(plan.segments)]
        if saved is not None:
            saved.check_under_way([iterations for _, iterations in ladder])
        form = _form_from_plain(saved.part.form) if saved is not None else self._form(plan, ladder)
        count = self._seeds.count
        words = _words(len(self._ledger.rounds) + 1, len(ladder), both=self._both)
        with self._observer.steps(plan.iterations * count, words) as shown:
            run = self._side_by_side if form.stacked else self._one_by_one
            tracks, statuses = run(ladder, form, saved, shown)
        worst = (Status.INTERRUPTED, Status.NONFINITE)
        status = next((each for each in worst if each in statuses), Status.COMPLETED)
        return RoundResult(plan, tuple(tracks), status)

    def _form(self, plan: RoundPlan, ladder: Ladder) -> Form:
        """How the seeds of a round are trained."""
        if self._seeds.count == 1 or self._strategy is Strategy.SEQUENTIAL:
            return _ALONE
        if not self._seeds.in_memory:
            if self._strategy is Strategy.STACKED:
                raise ConfigError(
                    "refine.strategy=stacked needs data in memory, so that every seed can have its own "
                    "batches: use refine.strategy=auto."
                )
            return _ALONE
        with ExitStack() as open_:
            first = open_.enter_context(
                self._seeds.open(0)
            )  # the steps of an iteration are known from the first one on
            others = (open_.enter_context(self._seeds.open(seed)) for seed in range(1, self._seeds.count))
            form = form_of_seeds(
                chain([first], others),
                ladder[0][0],
                count=self._seeds.count,
                steps=plan.iterations * self._seeds.reading.steps,
                strategy=self._strategy,
            )
        if form.stacked is not self._said:
            self._said = form.stacked
            how = "side by side" if form.stacked else "one after another"
            self._observer.note(f"{self._seeds.count} seeds {how}: {form.reason}.")
        return form

    def _one_by_one(
        self, ladder: Ladder, form: Form, saved: Saved | None, shown: Callable[[RefineStep], None]
    ) -> tuple[list[SeedResult], list[Status]]:
        tracks: list[SeedResult] = []
        statuses: list[Status] = []
        if saved is not None:
            tracks, statuses = list(saved.part.tracks), list(saved.part.statuses)
        for seed in range(len(tracks), self._seeds.count):
            tape = _tapes(saved)[0] if saved is not None else LossLog()
            try:
                ended = self._one(seed, tape, Part("continued", tracks, statuses), ladder, saved, shown)
            except KeyboardInterrupt:  # while the seed was built: what was measured is kept
                if not tracks and not tape.losses:
                    raise
                ended = Status.INTERRUPTED
            statuses.append(ended)
            if tape.losses or ended is not Status.INTERRUPTED:
                tracks.append(tape.track())
            saved = None
            if ended is Status.INTERRUPTED:
                break
        return tracks, statuses

    def _one(
        self,
        seed: int,
        tape: LossLog,
        part: Part,
        ladder: Ladder,
        saved: Saved | None,
        shown: Callable[[RefineStep], None],
    ) -> Status:
        """One seed; `part` is what the others have left."""
        seeds, ledger = self._seeds, self._ledger
        with seeds.open(seed, skip=0 if saved is None else saved.part.batches) as task:
            if saved is not None:
                saved.put_back(task)
            steps = seeds.reading.steps
            before = ledger.steps - tape.iterations * steps
            planned = sum(iterations for _, iterations in ladder)

            def on_iteration(point: Point, catch_up: Callable[[], None]) -> None:
                shown(self._step(point, seed, seed * planned + point.index + 1, planned))
                # The clock of one rank, that which saves, is that of all: they catch up together.
                (due,) = mean_of(task.peers, (float(ledger.due),))
                if not due:
                    return
                catch_up()
                if not ledger.due:
                    return
                taken = tape.iterations * steps
                batches = taken * task.options.accumulation_steps
                ledger.save(
                    replace(part, tapes=[tape.track()], batches=batches, form=_form_as_plain(_ALONE)),
                    before + taken,
                    lambda about: checkpoint.packed(
                        task.model, task.optimizer, scaler=task.scaler, about=about
                    ),
                )

            ended = continued(task, ladder, reading=seeds.reading, tape=tape, on_iteration=on_iteration)
            ledger.steps = before + tape.iterations * steps
        return ended

    def _side_by_side(
        self, ladder: Ladder, form: Form, saved: Saved | None, shown: Callable[[RefineStep], None]
    ) -> tuple[list[SeedResult], list[Status]]:
        seeds, ledger = self._seeds, self._ledger
        tapes = [LossLog() for _ in range(seeds.count)] if saved is None else _tapes(saved)
        statuses = [Status.INTERRUPTED]
        skip = 0 if saved is None else saved.part.batches
        with suppress(KeyboardInterrupt), ExitStack() as open_:  # while the seeds were built
            tasks = [open_.enter_context(seeds.open(seed, skip=skip)) for seed in range(seeds.count)]
            parts = tasks[0].options.accumulation_steps
            planned = sum(iterations for _, iterations in ladder)
            stacked = StackedSeeds(tasks, record=form.record)
            del tasks
            if saved is not None:
                saved.put_back_stack(stacked)
            steps = seeds.reading.steps
            before = ledger.steps - _taken(tapes, steps)

            def on_iteration(point: Point, catch_up: Callable[[], None]) -> None:
                shown(self._step(point, 0, (point.index + 1) * seeds.count, planned))
                if not ledger.due:
                    return
                catch_up()
                batches = (point.index + 1) * steps * parts
                tracks = [tape.track() for tape in tapes]
                ledger.save(
                    Part("continued", tapes=tracks, batches=batches, form=_form_as_plain(form)),
                    before + _taken(tapes, steps),
                    lambda about: checkpoint.packed_values(stacked.state(), about=about),
                )

            statuses = along(stacked, ladder, reading=seeds.reading, tapes=tapes, on_iteration=on_iteration)
            ledger.steps = before + _taken(tapes, steps)
        return [tape.track() for tape in tapes], statuses

    def _step(self, point: Point, seed: int, done: int, planned: int) -> RefineStep:
        """How far the round is; `planned` counts the iterations of one seed."""
        number = len(self._ledger.rounds) + 1
        return RefineStep(number, seed, done, planned * self._seeds.count, point.lr, point.loss, point.rate)


def _taken(tapes: Sequence[LossLog], steps: int) -> int:
    return sum(tape.iterations for tape in tapes) * steps


def _tapes(saved: Saved) -> list[LossLog]:
    return [LossLog(track.level, [list(losses) for losses in track.losses]) for track in saved.part.tapes]


def _form_as_plain(form: Form) -> dict[str, Any]:
    return {"side_by_side": form.stacked, "record": form.record, "reason": form.reason}


def _form_from_plain(saved: Mapping[str, Any]) -> Form:
    return Form(saved["side_by_side"], saved["reason"], saved["record"])


def _words(number: int, rates: int, *, both: bool) -> Callable[[RefineStep], str]:
    def words(step: RefineStep) -> str:
        assert step.rate is not None
        assert step.lr is not None
        assert step.loss is not None
        kind = ", continued" if both else ""
        where = f"round {number}{kind}, rate {step.rate + 1} of {rates}: {rate_text(step.lr)}"
        return f"{where}, loss {rate_text(step.loss)}"

    return words
