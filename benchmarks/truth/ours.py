"""lrfind as `lrfind range` runs it, with the settings of the composed config; and two habits."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from benchmarks.truth.pieces import Answer
from benchmarks.truth.tasks import optimizer_kind, with_seed
from lrfind.api.caller import Caller
from lrfind.range_test.peaks import highest_peak
from lrfind.range_test.run import range_test_of

if TYPE_CHECKING:
    from benchmarks.truth.training import Trainer
    from lrfind.range_test.reading import Reading

HABITS = {"sgd": 0.1, "momentum": 0.1, "nesterov": 0.1}
"""What people type without a test; 0.001 for the rest."""


def lrfind(trainer: Trainer, seed: int) -> Answer:
    """The suggestion of the default rule on the default ladder, repeated where the first sweep is weak."""
    return _answer(*_read(trainer, seed))


def lrfind_three(trainer: Trainer, seed: int) -> Answer:
    """The same with three sweeps always."""
    return _answer(*_read(trainer, seed, repeats=3))


def lrfind_within(trainer: Trainer, seed: int) -> Answer:
    """The same within the steps that `lrfind verify` allows its range test: no slower sweep beyond them."""
    most = trainer.config.range.most_steps
    return _answer(*_read(trainer, seed, most_steps=most))


def minimum_over_ten(trainer: Trainer, seed: int) -> Answer:
    """A tenth of the rate at the minimum of the smoothed curve of the same sweep: the rule `minimum`."""
    reading, steps = _read(trainer, seed)
    return Answer(reading.rules.get("minimum"), steps=steps, why=f"{reading.shape.value}, rule minimum")


def habit(trainer: Trainer, seed: int) -> Answer:
    """What people type without a test."""
    return Answer(HABITS.get(optimizer_kind(trainer.config), 0.001), why="habit")


def _answer(reading: Reading, steps: int) -> Answer:
    found = reading.suggestion
    if found is None:
        return Answer(None, steps=steps, why=reading.verdict)
    return Answer(found.lr, found.low, found.high, steps, found.reason, highest_peak(reading))


def _read(
    trainer: Trainer, seed: int, *, repeats: int | None = None, most_steps: int | None = None
) -> tuple[Reading, int]:
    """What `lrfind` does, short of writing files."""
    config = with_seed(trainer.config, seed)
    if repeats is not None:
        config = dataclasses.replace(config, range=dataclasses.replace(config.range, repeats=repeats))
    found = range_test_of(config, observer=Caller(), data=trainer.data, most_steps=most_steps)
    return found.reading, found.steps
