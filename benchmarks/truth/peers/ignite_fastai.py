"""ignite's FastaiLRFinder: from the optimizer's rate (1e-7 here) to 10 in 100 iterations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ignite.engine import create_supervised_trainer
from ignite.handlers.lr_finder import FastaiLRFinder

from benchmarks.truth.pieces import Answer

if TYPE_CHECKING:
    from benchmarks.truth.pieces import Pieces


def find(pieces: Pieces) -> Answer:
    """Its answer."""
    trainer = create_supervised_trainer(pieces.model, pieces.optimizer, pieces.criterion)
    finder = FastaiLRFinder()
    saved = {"model": pieces.model, "optimizer": pieces.optimizer}
    with finder.attach(trainer, to_save=saved, num_iter=100) as tested:
        tested.run(pieces.loader)
    steps = len(finder.get_results()["loss"])
    try:
        lr = finder.lr_suggestion()
    except RuntimeError as error:  # it refuses a curve without a descent
        return Answer(None, steps=steps, why=str(error))
    return Answer(float(lr), steps=steps, why="steepest before the minimum")
