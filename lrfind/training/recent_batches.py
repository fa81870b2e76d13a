"""Whether the batches of the last steps were finite themselves."""

from __future__ import annotations

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

    Args:
        device: Where the batches lie.
    """

    def __init__(self, device: torch.device) -> None:
        self._keeps = device.type == "cpu"
        self._step = -1
        self._batches: list[Any] = []
        self._finite: dict[int, list[Tensor]] = {}

    def of_step(self, batches: Iterator[Any]) -> Iterator[Any]:
        """The same batches, remembered as those of the next step."""
        self._step += 1
        self._batches = []
        self._finite.pop(self._step - _KEPT, None)
        return self._remembered(batches)

    def is_finite(self, step: int) -> bool:
        """Whether the batches of a step held numbers alone; True where they are no longer remembered."""
        if self._keeps:
            checks = _checks(self._batches) if step == self._step else []
        else:
            checks = self._finite.get(step, [])
        return all(bool(check) for check in checks)

    def _remembered(self, batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            if self._keeps:
                self._batches.append(batch)
            else:
                self._finite.setdefault(self._step, []).extend(_checks(batch))
            yield batch


def _checks(batch: Any) -> list[Tensor]:
    """For every tensor of fractions in a batch, whether it is finite."""
    return [torch.isfinite(tensor).all() for tensor in tensors_in(batch) if tensor.is_floating_point()]
