"""fastai's Learner.lr_find: 1e-7 to 10 in 100 steps; its four suggestions, read off one sweep as it does."""

from __future__ import annotations

import contextlib
import io
import tempfile
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from fastai.callback.schedule import minimum, slide, steep, valley
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import OptimWrapper

from benchmarks.truth.pieces import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.truth.pieces import Pieces

SUGGESTIONS = (valley, slide, minimum, steep)


def find_all(pieces: Pieces) -> dict[str, Answer]:
    """Its answers by the name of the function; where one of them fails the others still answer."""
    optimizer = partial(OptimWrapper, opt=pieces.optimizer_class, **pieces.arguments)
    loaders = DataLoaders(pieces.loader, pieces.loader)
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        learner = Learner(loaders, pieces.model, loss_func=pieces.criterion, opt_func=optimizer, path=folder)
        asked = tuple(_forgiven(function, failed) for function in SUGGESTIONS)
        found = learner.lr_find(show_plot=False, suggest_funcs=asked)
    steps = len(learner.recorder.losses)
    return {
        name: Answer(None, steps=steps, why=failed[name])
        if name in failed
        else Answer(float(lr), steps=steps, why=name)
        for name, lr in found._asdict().items()
    }


def _forgiven(function: Callable[..., Any], failed: dict[str, str]) -> Callable[..., Any]:
    """The function, with what it raises noted instead."""

    @wraps(function)
    def called(*args: Any) -> Any:
        try:
            return function(*args)
        except Exception as error:
            failed[function.__name__] = f"{type(error).__name__}: {error}"
            return float("nan"), (float("nan"), float("nan"))

    return called
