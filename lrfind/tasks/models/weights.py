"""Weights from a file or from torchvision, and how they are put into a model."""

from __future__ import annotations

import difflib
import logging
import pickle
import re
import sys
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import redirect_stdout
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError

import torch
from torch import Tensor
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from lrfind.errors import ModelError

if TYPE_CHECKING:
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
_DAMAGED = (RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile, ValueError, KeyError)


def find_weights(name: str, weights: str | None) -> Any:
    """Finds out what `model.weights` means for a torchvision model, without loading it.

    Args:
        name: The model, as torchvision registers it.
        weights: None, the name of one of torchvision's weights (`DEFAULT`, `IMAGENET1K_V2`), or a path.

    Returns:
        None, a member of torchvision's weights enum, or a `Path`.

    Raises:
        ModelError: It is neither a name that this model has nor a path.
    """
    from torchvision.models import get_model_weights

    if weights is None:
        return None
    if not isinstance(weights, str):
        raise ModelError(
            f"model.weights must be null, a name or a path, got {weights!r}; type model.weights=DEFAULT for "
            "torchvision's pretrained weights."
        )
    members = get_model_weights(name).__members__
    # torchvision's own spelling has the enum's name in front: ResNet50_Weights.IMAGENET1K_V2.
    short = weights.rpartition("_Weights.")[2]
    if short in members:
        return members[short]
    path = Path(weights).expanduser()
    if path.exists() or path.suffix or "/" in weights or "\\" in weights:
        return path
    near = difflib.get_close_matches(weights.upper(), members, n=1, cutoff=0.6)
    raise ModelError(
        f"model.weights={weights} is no file, and model.name={name} has no weights of that name; type one of "
        f"{', '.join(members)}, a path to a state dict, or null"
        + (f" (nearest: model.weights={near[0]})." if near else ".")
    )


def download_state_dict(weights: Any) -> StateDict:
    """Loads torchvision's pretrained weights from the net, or from the cache of torch.hub.

    Args:
        weights: A member of a torchvision weights enum.

    Returns:
        The state dict, on the CPU.

    Raises:
        ModelError: There is no network, the cache cannot be written, or the file in it is damaged.
    """
    cached = Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rpartition("/")[2]
    instead = "or give a state dict that is on disk: model.weights=PATH"
    try:
        # torch.hub announces a download on stdout, which belongs to the results.
        with redirect_stdout(sys.stderr):
            state = weights.get_state_dict(
                progress=sys.stderr.isatty(), check_hash=True, map_location="cpu", weights_only=True
            )
    except (URLError, TimeoutError, ConnectionError, HTTPException) as error:
        raise ModelError(
            f"model.weights={weights.name} must be downloaded, and {weights.url} cannot be reached "
            f"({_reason(error)}); check the network, {instead}."
        ) from error
    except OSError as error:
        raise ModelError(
            f"model.weights={weights.name} cannot be kept in {cached.parent} ({_reason(error)}); "
            f"set TORCH_HOME to a folder that can be written, {instead}."
        ) from error
    except _DAMAGED as error:
        raise ModelError(
            f"model.weights={weights.name}: the downloaded file is damaged ({_reason(error)}); "
            f"delete {cached} and run again, {instead}."
        ) from error
    return _cleaned(state, f"model.weights={weights.name}")


def read_state_dict(path: Path) -> StateDict:
    """Reads a state dict from a file, without running any code that may be in it.

    Understood are a bare state dict, one under `state_dict`, `model_state_dict` or `model`, and keys that
    DataParallel, torch.compile or Lightning have prefixed.

    Args:
        path: A file written by `torch.save`.

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
            f"{what} cannot be read ({_reason(error)}); check the file's permissions."
        ) from error
    except _DAMAGED as error:
        if isinstance(error, pickle.UnpicklingError) and _looks_like_a_pickle(path):
            raise ModelError(
                f"{what} holds pickled Python objects, which could run any code when loaded; it is refused. "
                "Where you trust it, load it yourself and save only the tensors: "
                "torch.save(model.state_dict(), PATH)."
            ) from error
        raise ModelError(
            f"{what} is damaged or was not written by torch.save ({_reason(error)}); give the path of a file "
            "that torch.save(model.state_dict(), PATH) wrote."
        ) from error
    return _cleaned(content, what)


def _require_sane_size(path: Path, what: str) -> None:
    """Refuses an archive that inflates: torch.save packs nothing, so whoever did wants the memory filled.

    Raises:
        ModelError: It is one.
    """
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

    Args:
        model: Where the weights go, in place.
        state: What `read_state_dict` or `download_state_dict` returned.
        heads: The dotted name of the model's head; a few models have several.
        what: How a message names the checkpoint and the model.

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
        raise ModelError(f"{what} does not fit: {_reason(error)}") from error
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


def _cleaned(content: Any, what: str) -> StateDict:
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


def _reason(error: BaseException) -> str:
    """One line of an error that may have many."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
