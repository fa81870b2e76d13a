"""Torch's own switches, which an interrupt between two lines of a step may leave the wrong way round."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class _Switch(Generic[Value]):
    read: Callable[[], Value]
    write: Callable[[Value], object]


def _attribute(owner: Any, name: str) -> _Switch[Any]:
    return _Switch(lambda: getattr(owner, name), lambda value: setattr(owner, name, value))


def _autocast(device: str) -> tuple[_Switch[Any], ...]:
    return (
        _Switch(
            lambda: torch.is_autocast_enabled(device), lambda value: torch.set_autocast_enabled(device, value)
        ),
        _Switch(
            lambda: torch.get_autocast_dtype(device), lambda value: torch.set_autocast_dtype(device, value)
        ),
    )


def _nesting() -> int:
    """How many autocast contexts are open."""
    torch.autocast_increment_nesting()
    return torch.autocast_decrement_nesting()


def _set_nesting(count: int) -> None:
    while _nesting() > count:
        torch.autocast_decrement_nesting()


_SWITCHES: tuple[_Switch[Any], ...] = (
    _Switch(torch.is_grad_enabled, torch.set_grad_enabled),
    _Switch(torch._C._is_multithreading_enabled, torch._C._set_multithreading_enabled),
    _Switch(
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        lambda both: torch.set_anomaly_enabled(*both),
    ),
    *_autocast("cpu"),
    *_autocast("cuda"),
    _Switch(torch.is_autocast_cache_enabled, torch.set_autocast_cache_enabled),
    _Switch(_nesting, _set_nesting),
    _Switch(torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
    _attribute(torch.utils.deterministic, "fill_uninitialized_memory"),
    _Switch(torch.get_default_dtype, torch.set_default_dtype),
    _Switch(torch.get_num_threads, torch.set_num_threads),
    _attribute(torch.backends.cudnn, "enabled"),
    _attribute(torch.backends.cudnn, "benchmark"),
    _attribute(torch.backends.cudnn, "deterministic"),
    _Switch(torch.backends.cuda.flash_sdp_enabled, torch.backends.cuda.enable_flash_sdp),
    _Switch(torch.backends.cuda.mem_efficient_sdp_enabled, torch.backends.cuda.enable_mem_efficient_sdp),
    _Switch(torch.backends.cuda.math_sdp_enabled, torch.backends.cuda.enable_math_sdp),
    _Switch(gc.isenabled, lambda enabled: (gc.enable if enabled else gc.disable)()),
    _Switch(np.geterr, lambda kinds: np.seterr(**kinds)),
)


class GlobalModes:
    """How the switches stand: grad mode, autocast, determinism, cuDNN, anomaly detection, threads.

    They are those of this thread where torch keeps them by thread.
    """

    def __init__(self) -> None:
        self._values = [switch.read() for switch in _SWITCHES]

    def restore(self) -> None:
        """Puts back what stands otherwise by now."""
        for switch, value in zip(_SWITCHES, self._values, strict=True):
            if switch.read() != value:
                switch.write(value)
        if torch.is_autocast_cache_enabled():
            torch.clear_autocast_cache()  # it may hold casts of weights that are no more
