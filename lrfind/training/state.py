"""The state of a training run as plain arrays, so that it can go on bitwise where it was; no pickles."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from lrfind.training.optimizer import moved_by

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch.optim import Optimizer

    Arrays = dict[str, NDArray[Any]]

_TREE = "tree"
"""Name of the array that holds everything but the tensors, as JSON."""


def packed(
    model: nn.Module, optimizer: Optimizer, *, scaler: Any = None, about: Mapping[str, Any] | None = None
) -> Arrays:
    """Model, optimizer, scaler and the global random streams as arrays.

    It holds parameters, buffers (persistent or not), the optimizer's state and the plain settings of its
    groups, the scaler's state, and the random streams of Python, NumPy, torch and the model's CUDA devices.
    What a module keeps in plain Python attributes is not seen.

    `about` is what else is to be kept: plain values that JSON can say; NaN and infinities are kept.

    Raises:
        TypeError: The optimizer keeps something that is neither a tensor nor a plain value.
    """
    arrays: Arrays = {}
    python = random.getstate()
    name, keys, place, has_gauss, gauss = np.random.get_state(legacy=True)
    moved = moved_by(optimizer)
    tree = {
        "about": dict(about or {}),
        "model": {key: _flat(value, arrays) for key, value in _named(model)},
        "state": [
            {str(key): _flat(value, arrays) for key, value in optimizer.state.get(p, {}).items()}
            for p in moved
        ],
        "groups": [
            {key: value for key, value in group.items() if _is_plain(value)}
            for group in optimizer.param_groups
        ],
        "scaler": None if scaler is None else _flat(scaler.state_dict(), arrays),
        "random": {
            "python": [python[0], list(python[1]), python[2]],
            "numpy": [name, keys.tolist(), place, has_gauss, gauss],  # type: ignore[union-attr]
            "torch": _flat(torch.get_rng_state(), arrays),
            "cuda": {
                str(device): _flat(torch.cuda.get_rng_state(device), arrays)
                for device in {value.device for _, value in _named(model) if value.device.type == "cuda"}
            },
        },
    }
    arrays[_TREE] = np.frombuffer(json.dumps(tree).encode(), dtype=np.uint8)
    return arrays


def packed_values(values: Mapping[str, Any], *, about: Mapping[str, Any] | None = None) -> Arrays:
    """Plain values and tensors, in dicts and lists, as arrays; see `packed`."""
    arrays: Arrays = {}
    tree = {"about": dict(about or {}), "values": _flat(dict(values), arrays)}
    arrays[_TREE] = np.frombuffer(json.dumps(tree).encode(), dtype=np.uint8)
    return arrays


def values_of(arrays: Mapping[str, NDArray[Any]], device: torch.device) -> dict[str, Any]:
    """What `packed_values` packed, the tensors that were on a device on this one."""
    tree = _tree(arrays)
    if "values" not in tree:
        raise ValueError("it holds another kind of state")
    values = _unflat(tree["values"], arrays, device)
    if not isinstance(values, dict):
        raise ValueError("it holds another kind of state")
    return values


def about(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """What was kept beside the training state."""
    kept = _tree(arrays)["about"]
    if not isinstance(kept, dict):
        raise ValueError("it holds no state")
    return kept


def unpack(
    arrays: Mapping[str, NDArray[Any]], model: nn.Module, optimizer: Optimizer, *, scaler: Any = None
) -> None:
    """Puts a state back into a model and an optimizer that were built as those it was taken from.

    Learning rates are left to the sweep, which sets them.

    Raises:
        ValueError: The state is of another model or optimizer, or not one of ours.
    """
    tree = _tree(arrays)
    named = dict(_named(model))
    moved = moved_by(optimizer)
    if named.keys() != tree["model"].keys() or len(moved) != len(tree["state"]):
        raise ValueError("it holds another model's state")
    with torch.no_grad():
        for key, value in named.items():
            saved = _unflat(tree["model"][key], arrays, value.device)
            if saved.shape != value.shape or saved.dtype != value.dtype:
                raise ValueError(f"it holds another model's state: {key} differs")
            value.copy_(saved)
    optimizer.state.clear()
    for parameter, state in zip(moved, tree["state"], strict=True):
        if state:
            optimizer.state[parameter] = {
                key: _unflat(value, arrays, parameter.device) for key, value in state.items()
            }
    for group, saved_group in zip(optimizer.param_groups, tree["groups"], strict=True):
        settings = {key: value for key, value in saved_group.items() if key != "lr"}
        if any(key not in group or not _is_like(value, group[key]) for key, value in settings.items()):
            raise ValueError("it holds another optimizer's state")
        group.update(settings)
    if scaler is not None and tree["scaler"] is not None:
        scaler.load_state_dict(_unflat(tree["scaler"], arrays, torch.device("cpu")))
    _unpack_random(tree["random"], arrays)


def _unpack_random(saved: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
    version, words, gauss = saved["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, place, has_gauss, cached = saved["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), place, has_gauss, cached))
    cpu = torch.device("cpu")
    torch.set_rng_state(_unflat(saved["torch"], arrays, cpu))
    for device, state in saved["cuda"].items():
        torch.cuda.set_rng_state(_unflat(state, arrays, cpu), torch.device(device))


def _tree(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    if _TREE not in arrays:
        raise ValueError("it holds no state")
    tree = json.loads(bytes(arrays[_TREE].tobytes()))
    if not isinstance(tree, dict):
        raise ValueError("it holds no state")
    return tree


def _named(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [*model.named_parameters(), *model.named_buffers()]


def _is_like(value: Any, other: Any) -> bool:
    """Whether a setting can stand where the other does: of the same kind, or one that may be None."""
    numbers = (int, float)
    return type(value) is type(other) or (isinstance(value, numbers) and isinstance(other, numbers))


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))


def _flat(value: Any, arrays: Arrays) -> Any:
    """A value as JSON says it, its tensors put aside as bytes (NumPy knows no bfloat16)."""
    if _is_plain(value):
        return value
    if isinstance(value, Tensor):
        name = f"tensor{len(arrays)}"
        data = value.detach().cpu().contiguous()
        arrays[name] = data.reshape(-1).view(torch.uint8).numpy().copy()
        dtype = str(value.dtype).removeprefix("torch.")
        return {
            "tensor": name,
            "dtype": dtype,
            "shape": list(value.shape),
            "on_cpu": value.device.type == "cpu",
        }
    if isinstance(value, dict):
        return {"dict": {str(key): _flat(item, arrays) for key, item in value.items()}}
    if isinstance(value, (list, tuple)):
        return {"list": [_flat(item, arrays) for item in value]}
    raise TypeError(f"the optimizer keeps a {type(value).__name__}, which cannot be saved without pickling")


def _unflat(value: Any, arrays: Mapping[str, NDArray[Any]], device: torch.device) -> Any:
    if not isinstance(value, dict):
        return value
    if "dict" in value:
        return {key: _unflat(item, arrays, device) for key, item in value["dict"].items()}
    if "list" in value:
        return [_unflat(item, arrays, device) for item in value["list"]]
    data = torch.from_numpy(arrays[value["tensor"]].copy())
    dtype = getattr(torch, value["dtype"])
    if not isinstance(dtype, torch.dtype):
        raise ValueError("it holds a tensor of no known type")
    tensor = data.view(dtype).reshape(value["shape"])
    return tensor if value["on_cpu"] else tensor.to(device)
