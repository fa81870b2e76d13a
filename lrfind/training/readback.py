"""Reading losses behind the computation, so that a GPU never waits for Python."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor

_MOST_PENDING = 8
"""Steps that may be under way before the oldest is waited for: enough to keep a queue full, and the most
steps that a sweep can waste past its end."""


class Readback:
    """Measurements of a sweep on their way from the device, handed out in the order of the steps.

    On a CPU a value is there at once. On CUDA each step's values are copied into pinned memory and marked
    with an event; `ready` hands out those whose event has passed and waits only for the oldest when too many
    are under way. Elsewhere (MPS) each read waits.

    Args:
        width: Values a step.
        fixed_lag: On CUDA hand out each step as many steps later as may be under way, however early it is
            there, so that all who run the same sweep hand out the same.
    """

    def __init__(self, device: torch.device, num_steps: int, width: int, *, fixed_lag: bool = False) -> None:
        self._device = device
        self._fixed_lag = fixed_lag
        self._pushed = 0
        self._behind = device.type == "cuda"
        self._here: list[tuple[float, ...]] = []
        if self._behind:
            self._host = pinned_rows(num_steps, width)
            self._events: deque[tuple[int, torch.cuda.Event]] = deque()

    def push(self, *values: Tensor) -> None:
        """Takes the values of the next step, each a tensor without axes on the device."""
        if not self._behind:
            self._here.append(tuple(map(torch.Tensor.item, values)))
            return
        row = torch.stack([value.detach().double() for value in values])
        self._host[self._pushed].copy_(row, non_blocking=True)
        # The loss may lie on another GPU than the model begins on.
        self._events.append((self._pushed, mark(row.device if row.is_cuda else self._device)))
        self._pushed += 1

    def ready(self, *, all_of_them: bool = False) -> Iterable[tuple[float, ...]]:
        """The values of the steps that have arrived since the last call, oldest first."""
        if self._behind:
            return self._arrived(all_of_them=all_of_them)
        here, self._here = self._here, []
        return here

    def _arrived(self, *, all_of_them: bool) -> Iterator[tuple[float, ...]]:
        while self._events:
            step, event = self._events[0]
            if all_of_them or len(self._events) > _MOST_PENDING:
                event.synchronize()
            elif self._fixed_lag or not event.query():  # type: ignore[no-untyped-call]
                return
            self._events.popleft()
            yield tuple(self._host[step].tolist())


def pinned_rows(num_steps: int, width: int) -> Tensor:
    """Memory of the host that a GPU can write to beside its other work, shape (num_steps, width)."""
    return torch.empty(num_steps, width, dtype=torch.float64, pin_memory=True)


def mark(device: torch.device) -> torch.cuda.Event:
    """An event that has passed once the device has done all it was given on its current stream so far."""
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record(torch.cuda.current_stream(device))
    return event
