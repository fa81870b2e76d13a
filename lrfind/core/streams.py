"""The global random streams: as they were, after something has drawn from them."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


class RandomStreams:
    """Torch's global streams on the CPU and on some devices, Python's and NumPy's.

    Saving the last two costs as much as a small network's forward pass. They are saved the first time, and
    from then on only where they were moved.

    Args:
        devices: Where else torch draws from.
    """

    def __init__(self, devices: Collection[torch.device]) -> None:
        self._cuda = [device for device in devices if device.type == "cuda"]
        self._mps = any(device.type == "mps" for device in devices)
        self._others = True

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Whatever is drawn inside is drawn again afterwards."""
        state = torch.get_rng_state()
        cuda = [(device, torch.cuda.get_rng_state(device)) for device in self._cuda]
        mps = torch.mps.get_rng_state() if self._mps else None
        others = (random.getstate(), np.random.get_state()) if self._others else None
        try:
            yield
        finally:
            torch.set_rng_state(state)
            for device, saved in cuda:
                torch.cuda.set_rng_state(saved, device)
            if mps is not None:
                torch.mps.set_rng_state(mps)
            if others is not None:
                python, numpy = others
                self._others = random.getstate() != python or _told(np.random.get_state()) != _told(numpy)
                random.setstate(python)
                np.random.set_state(numpy)


def _told(state: Any) -> tuple[Any, ...]:
    """NumPy's state with its array as bytes, so that two can be compared."""
    return tuple(part.tobytes() if isinstance(part, np.ndarray) else part for part in state)
