"""What models that a library has by name share: the name, weights by name or from a file, pictures."""

from __future__ import annotations

import difflib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from lrfind.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.tasks.data.dataset import Data

_logger = logging.getLogger(__name__)


def no_such_model(name: str, known: Sequence[str], *, library: str, listing: str) -> ModelError:
    """The message for a name that a library does not know; `listing` prints those that it does."""
    near = difflib.get_close_matches(str(name).lower().partition(".")[0], known, n=3, cutoff=0.5)
    nearest = f" (nearest: {', '.join(f'model.name={one}' for one in near)})" if near else ""
    return ModelError(
        f"model.name={name} is no model of {library}{nearest}; type one that this prints: {listing}"
    )


def path_of(weights: object, library: str) -> Path | None:
    """The file that `model.weights` names; None where it looks like the name of a library's weights."""
    if not isinstance(weights, str):
        raise ModelError(
            f"model.weights must be null, a name or a path, got {weights!r}; type model.weights=DEFAULT for "
            f"{library}'s pretrained weights."
        )
    path = Path(weights).expanduser()
    return path if path.exists() or path.suffix or "/" in weights or "\\" in weights else None


def require_pictures(model: str, data: Data, *, channels: str = "channels") -> None:
    """Refuses data whose inputs are known to be no pictures; `model` is what messages call it."""
    shape = data.input_shape
    if shape is not None and len(shape) != 3:
        raise ModelError(
            f"{model} takes pictures of shape ({channels}, height, width), and an input of {data.name} has "
            f"the shape {shape}; type model=mlp."
        )


def warn_of_random_features(library: str) -> None:
    """Says that all but the head of a model is frozen which has learnt nothing."""
    _logger.warning(
        "model.freeze_backbone=true with model.weights=null trains a head on random features; "
        "model.weights=DEFAULT gives %s's pretrained ones",
        library,
    )
