"""What the mean of the targets is worth as every answer, under a squared error."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lrfind.training.blind_answer import BlindAnswer

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_NUMBERS = 2**20
"""Numbers of targets that are kept: 4 MiB in fp32."""


class MeanTarget:
    """The mean of the targets that a squared error has met, as every answer."""

    def __init__(self) -> None:
        self._targets: list[Tensor] = []
        self._numbers = 0

    def meet(self, target: Any) -> None:
        """Keeps a target, not a copy of it, as long as they are not too large; once where it comes twice."""
        if not isinstance(target, Tensor) or (self._targets and target is self._targets[-1]):
            return
        self._numbers += target.numel()
        if self._numbers <= _MOST_NUMBERS:
            self._targets.append(target)

    @property
    def blind_answer(self) -> BlindAnswer:
        """Reads them, which waits for the device."""
        loss = squared_error_of_mean(self._targets)
        return BlindAnswer(loss, "a model that always answers the mean of the targets", is_learnt=True)


def squared_error_of_mean(targets: Sequence[Tensor]) -> float:
    """The mean squared error of the mean target as every answer; NaN where samples have several lengths."""
    if not targets or len({each.shape[1:] for each in targets}) > 1 or targets[0].ndim == 0:
        return math.nan
    return float(torch.cat(list(targets)).detach().float().var(dim=0, correction=0).mean())
