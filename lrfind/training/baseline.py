"""What a model has on held-out data before it has learnt anything, and which runs came to more."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lrfind.statistics import Floats

HARDLY = 0.01
"""Share of the loss of the baseline, and of all answers, that a training has to gain to have learnt."""

_NEAR = 0.1
"""Share of the loss of a blind answer, or of the way down to it, within which that has been found."""

_SURE = 2.0
"""Standard errors of a share of right answers that are no accident of the samples."""


class Baseline(NamedTuple):
    """What is had without any training, or by an answer that does not look at the inputs.

    Attributes:
        loss: Before training; NaN where it is not known.
        accuracy: Before training, or of always answering the most frequent class, whichever is higher; NaN
            where it is not measured.
        samples: Held-out samples on which all were read.
        blind: Loss of the best answer that does not look at the inputs; infinite where it is not known.
    """

    loss: float = math.nan
    accuracy: float = math.nan
    samples: int = 0
    blind: float = math.inf

    @property
    def least(self) -> float:
        """The lower of the two losses."""
        return min(self.loss, self.blind)


UNKNOWN = Baseline()
"""Where nothing was read."""


def is_gain(before: float, after: float) -> bool:
    """Whether a loss has come so far below another that it is told from nothing."""
    return before - after > HARDLY * abs(before)


def has_found(blind: float, start: float, loss: float) -> bool:
    """Whether a loss that fell from a start has come down to about that of a blind answer, or below."""
    return loss - blind <= _NEAR * max(blind, start - blind)


def is_learning(blind: float, start: float, loss: float) -> bool:
    """Whether a loss shows that something was learnt.

    It has to come below that of a blind answer, too, where it has found that. Before, it shows how fast a
    rate finds it: on text, the shares of the characters are most of what is learnt at first.
    """
    return is_gain(min(start, blind), loss) or (is_gain(start, loss) and not has_found(blind, start, loss))


def learnt(baselines: Sequence[Baseline], losses: Floats, accuracies: Floats) -> NDArray[np.bool_]:
    """Which runs came to more than the baselines of their seeds, shape (runs,).

    One has learnt where its mean loss shows it (`is_learning`), or where its share of right answers is higher
    by more than `HARDLY` and what is an accident of the samples. Where no baseline is known all have.

    Args:
        baselines: One a seed.
        losses: Held-out loss at the end, shape (seeds, runs); infinite where a run diverged.
        accuracies: Held-out accuracy at the end, same shape; NaN where it is not measured.
    """
    start, blind = np.array([(baseline.loss, baseline.blind) for baseline in baselines]).mean(axis=0).tolist()
    right = float(np.mean([baseline.accuracy for baseline in baselines]))
    if not math.isfinite(start):
        return np.ones(losses.shape[1], dtype=np.bool_)
    more = math.inf
    if math.isfinite(right):
        error = math.sqrt(right * (1 - right) / sum(baseline.samples for baseline in baselines))
        more = max(HARDLY, _SURE * error)
    return np.array(
        [
            bool(np.isfinite(ends).all())
            and (is_learning(blind, start, float(ends.mean())) or float(shares.mean()) - right > more)
            for ends, shares in zip(losses.T, accuracies.T, strict=True)
        ]
    )


def most_frequent(labels: NDArray[np.int64]) -> float:
    """Accuracy of always answering the most frequent class.

    Args:
        labels: The classes of all samples, counted from 0; no answer to others is right.
    """
    return float(np.bincount(labels[labels >= 0]).max(initial=0) / len(labels))
