"""The targets of the batches that a task meets, and the best blind answer for them."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from lrfind.training.batch import target_of
from lrfind.training.blind_answer import UNKNOWN, BlindAnswer
from lrfind.training.first_loss import (
    ignored_label,
    is_cross_entropy,
    is_odds,
    is_squared_error,
    smoothing_and_weights,
)
from lrfind.training.peers import mean_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from lrfind.statistics import Floats
    from lrfind.training.objective import Objective
    from lrfind.training.peers import Peers

_MOST_NUMBERS = 2**20
"""Numbers that are kept: 4 MiB in fp32."""

_CHANCE = 1e-6
"""That of shuffled samples to be told of as sorted ones."""


class Targets:
    """Those of the first batches, as long as they are not too large, where the criterion has a use for them.

    Args:
        objective: Holds the criterion.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._kept: list[Tensor] = []
        criterion = objective.criterion
        useful = is_cross_entropy(criterion) or is_squared_error(criterion) or is_odds(criterion)
        self._room = _MOST_NUMBERS if useful else 0

    def passing(self, batches: Iterable[Any]) -> Iterator[Any]:
        """The same batches, met as they pass."""
        for batch in batches:
            self.meet(batch)
            yield batch

    def meet(self, batch: Any) -> None:
        """Keeps the target of a batch, not a copy of it; of a first one that is too large some samples."""
        target = target_of(batch) if self._room > 0 else None
        if not isinstance(target, Tensor) or not target.ndim or not target.numel():
            return
        size = target.numel()
        if size > self._room and not self._kept:
            target = target[: self._room * len(target) // size]
        if 0 < target.numel() <= self._room:
            self._kept.append(target.detach())
        self._room -= size

    def blind_answer(self, peers: Peers | None = None) -> BlindAnswer:
        """The best for them; reading it waits for the device.

        It is known of the mean squared error and of the mean cross-entropy of class labels, or of yes and no.

        Args:
            peers: Who run the same on other samples, and have the same answer.
        """
        criterion = self._objective.criterion
        if is_squared_error(criterion) or is_odds(criterion):
            numbers = self._numbers()
            if not _agree(peers, numbers[0][0].size if numbers else 0):
                return UNKNOWN
            of = BlindAnswer.of_odds if is_odds(criterion) else BlindAnswer.of_numbers
            return of(numbers, peers)
        labels = self._labels()
        highest = max((int(each.max()) for each in labels if len(each)), default=-1)
        classes = max(self._objective.num_outputs or 0, highest + 1) if labels else 0
        if not _agree(peers, classes):
            return UNKNOWN
        smoothing, given = smoothing_and_weights(criterion)
        weights = np.ones(classes) if given is None else given.detach().double().cpu().numpy()
        return BlindAnswer.of_classes(labels, weights=weights, smoothing=smoothing, peers=peers)

    def order_note(self) -> str:
        """What is said of batches that hold one class each, as those of data in the order of their classes.

        Empty of others, and where the same samples shuffled would do so too: a batch of n holds one class
        with a chance of the sum of the classes' shares to the power of n. Reading it waits for the device.
        """
        criterion = self._objective.criterion
        if not (is_cross_entropy(criterion) or is_odds(criterion)):
            return ""
        each = [kept.flatten().double().cpu().numpy() for kept in self._kept if kept.numel() == len(kept)]
        each = [labels[labels != ignored_label(criterion)] for labels in each]
        each = [labels for labels in each if len(labels) > 1]
        alone = sum(bool((labels == labels[0]).all()) for labels in each)
        if alone < max(2, len(each) / 2):
            return ""
        classes, counts = np.unique(np.concatenate(each), return_counts=True)
        said = f"most of the first batches hold samples of one class alone, and there are {len(classes)}"
        if len(classes) == 1:
            said = f"all samples of the first batches are of class {classes[0]:g}"
        else:
            shares = counts / counts.sum()
            chance = float(np.mean([np.sum(shares ** len(labels)) for labels in each]))
            chance = max(chance, sys.float_info.min)
            # Of m batches, k do so with a chance of at most 2^m times that of one to the power of k.
            if len(each) * math.log(2) + alone * math.log(chance) > math.log(_CHANCE):
                return ""
        return (
            f"{said}: the data seem to come in the order of their classes, and a model unlearns one while it "
            "meets the next, at any rate. Shuffle them: a DataLoader does with shuffle=True."
        )

    def _numbers(self) -> list[Floats]:
        """Of each batch; none where samples have several lengths, and so no mean."""
        if len({each.shape[1:] for each in self._kept}) != 1:
            return []
        return [each.float().cpu().numpy().astype(np.float64) for each in self._kept]

    def _labels(self) -> list[NDArray[np.int64]]:
        """Of each batch, without those that are left out; none where they are shares of every class."""
        if any(each.is_floating_point() for each in self._kept):
            return []
        labels = [each.flatten().cpu().numpy() for each in self._kept]
        labels = [each[each != ignored_label(self._objective.criterion)] for each in labels]
        return labels if any(map(len, labels)) else []


def _agree(peers: Peers | None, width: int) -> bool:
    """Whether all who run the same know their targets, of one width."""
    mean, squares = mean_of(peers, (width, width * width))
    return width > 0 and squares == mean * mean
