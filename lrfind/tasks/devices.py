"""The device a task runs on, never silently another, and the precision it computes in there."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from lrfind.config.schema import Precision
from lrfind.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable


def resolve(name: str) -> torch.device:
    """The device of that name, with its index.

    Args:
        name: `auto` (CUDA, then MPS, then the CPU), `cpu`, `cuda`, `cuda:N` or `mps`.

    Raises:
        DeviceError: It is not there; the message says what is.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        index = torch.cuda.current_device() if count and device.index is None else device.index or 0
        if index >= count:
            raise DeviceError(f"device={name} is not there: {_present(count)}")
        return torch.device("cuda", index)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError(f"device={name} is not there: {_present(0)}")
    return device


def _present(cuda_count: int) -> str:
    if cuda_count:
        names = ", ".join(f"cuda:{index}" for index in range(cuda_count))
        return f"this machine has {names}. Use one of them, or device=cpu."
    built = "" if torch.version.cuda else " (this build of torch knows no CUDA)"
    return f"torch sees no such device on this machine{built}. Use device=cpu or device=auto."


def autocast(precision: Precision, device: torch.device) -> Callable[[], AbstractContextManager[Any]]:
    """Makes the context for forward pass and loss."""
    if precision is Precision.FP32:
        return nullcontext
    if precision is Precision.BF16 and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise DeviceError(
            f"precision=bf16 is not known to {torch.cuda.get_device_name(device)}: use precision=fp16."
        )
    dtype = torch.bfloat16 if precision is Precision.BF16 else torch.float16
    return partial(torch.autocast, device.type, dtype=dtype)


def gradient_scaler(precision: Precision, device: torch.device) -> torch.amp.GradScaler | None:
    """A new gradient scaler for fp16, whose small gradients would vanish without one; else None."""
    return torch.amp.GradScaler(device.type) if precision is Precision.FP16 else None
