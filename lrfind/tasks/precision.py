"""Autocast and gradient scaler of a precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from lrfind.config.schema import Precision
from lrfind.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable


def autocast(precision: Precision, device: torch.device) -> Callable[[], AbstractContextManager[Any]]:
    """Makes the context for forward pass and loss.

    Raises:
        DeviceError: The device does not know the precision.
    """
    if precision is Precision.FP32:
        return nullcontext
    if precision is Precision.BF16 and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise DeviceError(f"precision=bf16 is not known to {torch.cuda.get_device_name(device)}: use fp16.")
    dtype = torch.bfloat16 if precision is Precision.BF16 else torch.float16
    return partial(torch.autocast, device.type, dtype=dtype)


def gradient_scaler(precision: Precision, device: torch.device) -> torch.amp.GradScaler | None:
    """A new gradient scaler for fp16, whose small gradients would vanish without one; else None."""
    return torch.amp.GradScaler(device.type) if precision is Precision.FP16 else None
