"""TensorBoard: an event file in the run directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfind.trackers.finished_run import step_of
from lrfind.trackers.tracker import Tracker

if TYPE_CHECKING:
    from pathlib import Path

    from lrfind.trackers.finished_run import FinishedRun


class TensorBoard(Tracker):
    """Curves, picture, settings and suggestion as an event file in the run directory.

    TensorBoard's steps are whole numbers, so a curve goes over `round(1000 log10 lr)`: -3000 is 1e-3. The
    runs of a multirun are those of its folder: `tensorboard --logdir multirun/...`.
    """

    package = "tensorboard"

    def log(self, run: FinishedRun, sweep: Path | None) -> None:
        """Writes the event file."""
        import numpy as np
        from PIL import Image
        from torch.utils.tensorboard import SummaryWriter

        with SummaryWriter(str(run.directory)) as writer:
            for name, values in run.curves.items():
                for lr, value in values:
                    writer.add_scalar(name, value, step_of(lr))
            for path in run.pictures:
                with Image.open(path) as picture:
                    writer.add_image(path.stem, np.asarray(picture.convert("RGB")), dataformats="HWC")
            for name, text in run.words.items():
                writer.add_text(name, text)
            # "." is the run itself; without it the settings would be a run of their own beside it.
            writer.add_hparams(run.settings, run.numbers, run_name=".")
