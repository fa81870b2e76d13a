"""torch-lr-finder: from the optimizer's rate (1e-7, as in its README) to 10 in 100 steps."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from torch_lr_finder import LRFinder

from benchmarks.truth.pieces import Answer

if TYPE_CHECKING:
    from benchmarks.truth.pieces import Pieces


def find(pieces: Pieces) -> Answer:
    """Its answer."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        finder = LRFinder(pieces.model, pieces.optimizer, pieces.criterion, device="cpu")
        finder.range_test(pieces.loader)
        _, lr = finder.plot(ax=Figure().subplots())
    return Answer(float(lr), steps=len(finder.history["loss"]), why="steepest gradient")
