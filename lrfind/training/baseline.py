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

_SURE = 2.0
"""Standard errors of a share of right answers that are no accident of the samples."""


class Baseline(NamedTuple):
    """What is had without any training, or by an answer that does not look at the inputs.

    Attributes:
        loss: Before training; that of equal shares for all classes where it is known and lower. NaN where
            neither is known.
        accuracy: Before training, or of always answering the most frequent class, whichever is higher; NaN
            where it is not measured.
        samples: Held-out samples on which both were read.
    """

    loss: float = math.nan
    accuracy: float = math.nan
    samples: int = 0


UNKNOWN = Baseline()
"""Where nothing was read."""


def is_gain(before: float, after: float) -> bool:
    """Whether a loss has come so far below another that it is told from nothing."""
    return before - after > HARDLY * abs(before)


def learnt(baselines: Sequence[Baseline], losses: Floats, accuracies: Floats) -> NDArray[np.bool_]:
    """Which runs came to more than the baselines of their seeds, shape (runs,).

    One has learnt where its mean loss is lower by more than `HARDLY`, or its share of right answers higher by
    more than `HARDLY` and what is an accident of the samples. Where no baseline is known all have.

    Args:
        baselines: One a seed.
        losses: Held-out loss at the end, shape (seeds, runs); infinite where a run diverged.
        accuracies: Held-out accuracy at the end, same shape; NaN where it is not measured.
    """
    start = np.array([baseline.loss for baseline in baselines])
    right = float(np.mean([baseline.accuracy for baseline in baselines]))
    if not np.isfinite(start).all():
        return np.ones(losses.shape[1], dtype=np.bool_)
    more = math.inf
    if math.isfinite(right):
        error = math.sqrt(right * (1 - right) / sum(baseline.samples for baseline in baselines))
        more = max(HARDLY, _SURE * error)
    return np.array(
        [
            bool(np.isfinite(ends).all())
            and (is_gain(float(start.mean()), float(ends.mean())) or float(shares.mean()) - right > more)
            for ends, shares in zip(losses.T, accuracies.T, strict=True)
        ]
    )


def most_frequent(labels: NDArray[np.int64]) -> float:
    """Accuracy of always answering the most frequent class.

    Args:
        labels: The classes of all samples, counted from 0; no answer to others is right.
    """
    return float(_counts(labels).max(initial=0) / len(labels))


def equal_shares(labels: NDArray[np.int64]) -> float:
    """Cross-entropy of equal shares for all classes.

    How frequent they are counts as learnt: on text it is most of what is at first, and tells rates apart.

    Args:
        labels: The classes of all samples, counted from 0; others are left out of the loss.
    """
    return math.log(max(len(_counts(labels)), 1))


def _counts(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.bincount(labels[labels >= 0])
