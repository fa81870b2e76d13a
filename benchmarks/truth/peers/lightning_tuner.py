"""Lightning's Tuner: 1e-8 to 1 in 100 steps, and the steepest point over the linear rate."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
from lightning.pytorch.tuner import Tuner

from benchmarks.truth.pieces import Answer

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

    from benchmarks.truth.pieces import Pieces


class _Module(pl.LightningModule):
    """The task as Lightning takes it."""

    def __init__(self, pieces: Pieces) -> None:
        super().__init__()
        self.lr = 1e-3
        self.model = pieces.model
        self._pieces = pieces

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The loss of a batch."""
        return self._pieces.criterion(self.model(batch[0]), batch[1])

    def configure_optimizers(self) -> Optimizer:
        """The optimizer; the Tuner moves its rate."""
        return self._pieces.optimizer_class(self.model.parameters(), lr=self.lr, **self._pieces.arguments)


def find(pieces: Pieces) -> Answer:
    """Its answer."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    quiet = contextlib.redirect_stderr(io.StringIO())
    with tempfile.TemporaryDirectory() as folder, quiet:
        trainer = pl.Trainer(
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        finder = Tuner(trainer).lr_find(_Module(pieces), train_dataloaders=pieces.loader)
    assert finder is not None
    steps = len(finder.results["loss"])
    lr = finder.suggestion()
    return Answer(lr, steps=steps, why="steepest gradient" if lr else "too few points")
