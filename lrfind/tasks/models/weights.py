"""Weights from a file, and how they are put into a model."""

from __future__ import annotations

import logging
import pickle
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from lrfind.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

_MOST_INFLATED = 20
"""Times its size that an archive of weights may inflate to, where somebody packed it after all."""

StateDict = OrderedDict[str, Tensor]

_logger = logging.getLogger(__name__)

# What people save around a state dict, and what DataParallel, torch.compile and Lightning put before keys.
_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PREFIXES = ("module.", "_orig_mod.", "model.")
# Auxiliary heads of inception_v3 and googlenet, which lrfind leaves out.
_AUXILIARY = ("AuxLogits.", "aux1.", "aux2.")
# torchvision's densenet files still have module names with dots in them; its own loading renames them, too.
_DENSENET_KEY = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..+)$")

DAMAGED = (RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile, ValueError, KeyError)
"""What torch.load raises of a file that is none of its own, or not whole."""


def read_state_dict(path: Path) -> StateDict:
    """Reads a state dict from a file, without running any code that may be in it.

    Understood are a bare state dict, one under `state_dict`, `model_state_dict` or `model`, and keys that
    DataParallel, torch.compile or Lightning have prefixed.

    Returns:
        The tensors by name, on the CPU, without wrappers and prefixes.

    Raises:
        ModelError: There is no such file, it cannot be read, it holds pickled objects, or no tensors.
    """
    what = f"model.weights={path}"
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "does not exist"
        raise ModelError(
            f"{what} {kind}; give the path of a file that torch.save(model.state_dict(), PATH) wrote."
        )
    _require_sane_size(path, what)
    try:
        with warnings.catch_warnings():
            # torch.load warns of foreign pickles before it refuses them; the message below says it better.
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(
            f"{what} cannot be read ({reason_of(error)}); check the file's permissions."
        ) from error
    except DAMAGED as error:
        if isinstance(error, pickle.UnpicklingError) and _looks_like_a_pickle(path):
            raise ModelError(
                f"{what} holds pickled Python objects, which could run any code when loaded; it is refused. "
                "Where you trust it, load it yourself and save only the tensors: "
                "torch.save(model.state_dict(), PATH)."
            ) from error
        raise ModelError(
            f"{what} is damaged or was not written by torch.save ({reason_of(error)}); give the path of a "
            "file that torch.save(model.state_dict(), PATH) wrote."
        ) from error
    return cleaned(content, what)


def _require_sane_size(path: Path, what: str) -> None:
    """Refuses an archive that inflates: torch.save packs nothing, so whoever did wants the memory filled."""
    try:
        with zipfile.ZipFile(path) as archive:
            inflated = sum(entry.file_size for entry in archive.infolist())
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return  # whoever reads it says what is wrong
    size = path.stat().st_size
    if inflated > _MOST_INFLATED * size + (1 << 20):
        raise ModelError(
            f"{what} is an archive of {size / 2**20:.1f} MiB that inflates to {inflated / 2**20:.0f} MiB, "
            "which torch.save never writes; give the path of a file that it wrote: "
            "torch.save(model.state_dict(), PATH)."
        )


def load_weights(model: nn.Module, state: StateDict, *, heads: tuple[str, ...], what: str) -> None:
    """Puts a state dict into a model whose head may be of another size.

    A head that is missing or of another shape is left as the model made it, and the log says so. Everything
    else must fit.

    `state` is what `cleaned` returned, `heads` are the dotted names of the head, of which a few models have
    several, and `what` names the checkpoint and the model in messages.

    Raises:
        ModelError: Keys are missing, unexpected, or of another shape.
    """
    own = model.state_dict()
    prefixes = tuple(f"{head}." for head in heads)
    head_keys = {key for key in own if key.startswith(prefixes)}
    head_fits = all(key in state and state[key].shape == own[key].shape for key in head_keys)
    misshaped = [
        key for key in state if key in own and key not in head_keys and state[key].shape != own[key].shape
    ]
    kept = OrderedDict(
        (key, value)
        for key, value in state.items()
        if key not in misshaped
        and not key.startswith(_AUXILIARY)
        and (head_fits or not key.startswith(prefixes))
    )
    # Modules read their version from here (mnasnet refuses to load without); a plain dict has lost it.
    kept._metadata = getattr(state, "_metadata", getattr(own, "_metadata", None))  # type: ignore[attr-defined]
    try:
        result = model.load_state_dict(kept, strict=False)
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"{what} does not fit: {reason_of(error)}") from error
    missing = [
        key
        for key in result.missing_keys
        # Files from before PyTorch 0.4.1 have no counter; batch norm uses it only where momentum is None.
        if key not in misshaped and key not in head_keys and not key.endswith(".num_batches_tracked")
    ]
    faults = []
    if missing:
        faults.append(f"{len(missing)} of the model's {len(own)} entries are missing (first: {missing[0]})")
    if result.unexpected_keys:
        faults.append(f"{len(result.unexpected_keys)} are unexpected (first: {result.unexpected_keys[0]})")
    if misshaped:
        key = misshaped[0]
        shapes = f"{tuple(state[key].shape)} in the file, {tuple(own[key].shape)} in the model"
        faults.append(f"{len(misshaped)} have another shape (first: {key}, {shapes})")
    if faults:
        raise ModelError(
            f"{what} does not fit: {'; '.join(faults)}. Give the checkpoint of this architecture, or the "
            "model.name that it was made from."
        )
    if not head_fits:
        _logger.info("%s: its head does not fit and is left out; %s starts untrained", what, ", ".join(heads))


def cleaned(content: Any, what: str) -> StateDict:
    """Unwraps a state dict, takes off prefixes, and keeps what is a tensor."""
    while isinstance(content, Mapping):
        inner = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, Mapping):
        raise ModelError(
            f"{what} holds a {type(content).__name__} and no state dict; save one with "
            "torch.save(model.state_dict(), PATH)."
        )
    state: StateDict = OrderedDict(
        (_DENSENET_KEY.sub(r"\1\2", str(key)), value)
        for key, value in content.items()
        if isinstance(value, Tensor)
    )
    if not state:
        keys = ", ".join(str(key) for key in list(content)[:5]) or "none"
        raise ModelError(
            f"{what} holds no tensors (its keys: {keys}); a state dict may be the whole file or stand under "
            f"{', '.join(_WRAPPERS)}: save one with torch.save(model.state_dict(), PATH)."
        )
    if hasattr(content, "_metadata"):
        state._metadata = content._metadata.copy()  # type: ignore[attr-defined]
    while prefix := next((p for p in _PREFIXES if all(key.startswith(p) for key in state)), None):
        consume_prefix_in_state_dict_if_present(state, prefix)
    return state


def _looks_like_a_pickle(path: Path) -> bool:
    """Tells a zip archive of torch.save, or a pickle, from any other file by its first bytes."""
    with path.open("rb") as file:
        return file.read(2)[:1] == b"\x80" or zipfile.is_zipfile(path)


def reason_of(error: BaseException) -> str:
    """One line of an error that may have many."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
