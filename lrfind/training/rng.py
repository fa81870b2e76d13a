"""The global random streams: as they were, after something has drawn from them."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lrfind.training.object_state.generators import GeneratorState, generators_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


def seed_all(seed: int) -> None:
    """Begins the global streams anew: Python's, NumPy's, and torch's on every device."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class StreamState:
    """Where the global streams are now: torch's on the CPU and on some devices, Python's and NumPy's."""

    def __init__(self, devices: Collection[torch.device], *, others: bool = True) -> None:
        self._torch = torch.default_generator.get_state()
        self._cuda: dict[torch.device, torch.Tensor] = {}
        self._mps: torch.Tensor | None = None
        for device in devices:
            if device.type == "cuda":
                self._cuda[device] = torch.cuda.get_rng_state(device)
            elif device.type == "mps":
                self._mps = torch.mps.get_rng_state()
        self._others = (random.getstate(), np.random.get_state()) if others else None

    def restore(self) -> None:
        """Puts the streams back there."""
        torch.default_generator.set_state(self._torch)
        if self._cuda:
            for device, state in self._cuda.items():
                torch.cuda.set_rng_state(state, device)
        if self._mps is not None:
            torch.mps.set_rng_state(self._mps)
        if self._others is not None:
            random.setstate(self._others[0])
            np.random.set_state(self._others[1])

    @property
    def others_moved(self) -> bool:
        """Whether Python's or NumPy's stream, where they are kept, is elsewhere by now."""
        if self._others is None:
            return False
        python, numpy = self._others
        return random.getstate() != python or _told(np.random.get_state()) != _told(numpy)


@contextmanager
def same_streams(source: Any) -> Iterator[None]:
    """What is drawn inside, from the global streams and the source's own generators, is drawn again after it.

    The source is where batches are read from: a `DataLoader` draws a seed even where it does not shuffle.
    """
    begun = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    own = [
        GeneratorState(each) for each in generators_in([source]) if not isinstance(each, random.SystemRandom)
    ]
    streams = StreamState({torch.device("cuda")} if begun else set())
    try:
        yield
    finally:
        streams.restore()
        for each in own:
            each.restore()


class RandomStreams:
    """The global streams around something that is done again and again.

    Saving Python's and NumPy's costs as much as a small network's forward pass. They are saved the first
    time, and from then on only where they were moved.
    """

    def __init__(self, devices: Collection[torch.device]) -> None:
        self._devices = [device for device in devices if device.type != "cpu"]
        self._others = True

    def now(self) -> StreamState:
        """Where they are."""
        return StreamState(self._devices, others=self._others)

    def put_back(self, before: StreamState) -> None:
        """What was drawn since then is drawn again."""
        if self._others:
            self._others = before.others_moved
        before.restore()


def _told(state: Any) -> tuple[Any, ...]:
    """NumPy's state with its array as bytes, so that two can be compared."""
    return tuple(part.tobytes() if isinstance(part, np.ndarray) else part for part in state)
