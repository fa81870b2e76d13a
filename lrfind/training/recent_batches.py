"""Whether the batches of the last steps were finite themselves."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import torch

from lrfind.training.batch import tensors_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

_KEPT = 16
"""Steps that are remembered: more than a device is ever behind."""


class RecentBatches:
    """What the batches of the last steps were, asked about once a loss is not finite.

    On a CPU the loss of a step is known before the next begins: the batches of the last step are kept and
    looked at when asked about. Elsewhere the loss comes later, and keeping batches would cost the device's
    memory: each is looked at as it passes, which the device does beside its other work.
    """

    def __init__(self, device: torch.device, per_step: int) -> None:
        self._keeps = device.type == "cpu"
        self._per_step = per_step
        self._count = 0
        self._last: deque[Any] = deque(maxlen=per_step * (1 if self._keeps else _KEPT))

    def passing(self, batches: Iterator[Any]) -> Iterator[Any]:
        """The same batches, remembered as they pass."""
        for batch in batches:
            self._count += 1
            self._last.append(batch if self._keeps else _checks(batch))
            yield batch

    def is_finite(self, step: int) -> bool:
        """Whether the batches of a step held numbers alone; True where they are no longer remembered."""
        oldest = self._count - len(self._last)
        numbers = range(step * self._per_step, (step + 1) * self._per_step)
        found = [self._last[number - oldest] for number in numbers if oldest <= number < self._count]
        checks = [_checks(batch) for batch in found] if self._keeps else found
        return all(bool(check) for each in checks for check in each)


def _checks(batch: Any) -> list[Tensor]:
    """For every tensor of fractions in a batch, whether it is finite."""
    return [torch.isfinite(tensor).all() for tensor in tensors_in(batch) if tensor.is_floating_point()]
