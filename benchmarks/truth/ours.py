"""lrfind as `lrfind range` runs it, with the settings of the composed config; and two habits."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from benchmarks.truth.pieces import Answer
from benchmarks.truth.tasks import optimizer_kind, with_seed
from lrfind.range_test.config import Metric
from lrfind.range_test.reading import read
from lrfind.range_test.run import sweep_task
from lrfind.tasks.build import build

if TYPE_CHECKING:
    from benchmarks.truth.training import Trainer
    from lrfind.range_test.reading import Reading

HABITS = {"sgd": 0.1, "momentum": 0.1, "nesterov": 0.1}
"""What people type without a test; 0.001 for the rest."""


def lrfind(trainer: Trainer, seed: int) -> Answer:
    """The suggestion of the default rule on the default ladder."""
    reading, steps = _read(trainer, seed)
    found = reading.suggestion
    if found is None:
        return Answer(None, steps=steps, why=reading.verdict)
    return Answer(found.lr, found.low, found.high, steps, found.reason)


def minimum_over_ten(trainer: Trainer, seed: int) -> Answer:
    """A tenth of the rate at the minimum of the smoothed curve of the same sweep: the rule `minimum`."""
    reading, steps = _read(trainer, seed)
    return Answer(reading.rules.get("minimum"), steps=steps, why=f"{reading.shape.value}, rule minimum")


def habit(trainer: Trainer, seed: int) -> Answer:
    """What people type without a test."""
    return Answer(HABITS.get(optimizer_kind(trainer.config), 0.001), why="habit")


def _read(trainer: Trainer, seed: int) -> tuple[Reading, int]:
    """What `lrfind.range_test.run.range_test_of` does, short of writing files."""
    config = with_seed(trainer.config, seed)
    settings = config.range
    task = build(
        config,
        accuracy=settings.metric is Metric.ACCURACY,
        validation_samples=settings.validation.samples,
        single_batch=settings.single_batch,
        data=trainer.data,
    )
    with closing(task):
        curve = sweep_task(task, config.range, lambda step: None)
    return read(curve, rule=settings.rule), len(curve)
