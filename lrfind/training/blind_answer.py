"""The best answer that does not look at the inputs: who has learnt anything from them is better."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lrfind.training.baseline import has_found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lrfind.statistics import Floats
    from lrfind.training.peers import Peers

TRAINED = 0.8
"""Share of the loss of a blind answer below which hardly a model begins that was not trained before."""

_MESSAGE, _MOST_OF_ALL = 5, 2**12
"""Numbers that those who run the same exchange at a time, and of one answer at most."""

_CHANCE = 0.01
"""Probability that losses which have learnt nothing pass for better."""

_Z95 = 1.6449
"""One-sided 95% quantile of the normal distribution."""


@dataclass(frozen=True, slots=True, eq=False)
class BlindAnswer:
    """The same answer to every input: the mean of the targets, or the shares of the classes.

    Attributes:
        loss: What it has; infinite where that is not known.
        what: Who gives it: `a model that always answers the mean of the targets`.
        begins_near: What models have once their last layer has settled: of classes that of equal shares, and
            how fast the others are found tells rates apart; of numbers the same.
        by_batch: What it has on each batch, in their order, shape (batches,); none where others who run the
            same have met more.
        nats: Of log-likelihood for each unit of the loss of a batch, shape (batches,).
        is_mean: Whether it is the mean of numbers.
    """

    loss: float = math.inf
    what: str = ""
    begins_near: float = math.inf
    by_batch: Floats = field(default_factory=lambda: np.empty(0))
    nats: Floats = field(default_factory=lambda: np.empty(0))
    is_mean: bool = False

    @classmethod
    def of_numbers(cls, batches: Sequence[Floats], peers: Peers | None = None) -> BlindAnswer:
        """The mean, under a squared error.

        Args:
            batches: Targets, each of shape (samples, ...), alike but for the number of samples.
            peers: Who run the same on other samples, and have the same answer.
        """
        numbers = np.concatenate(batches)
        mean = _of_all(numbers.mean(axis=0), peers)
        each = np.square(numbers - mean).reshape(len(numbers), -1).mean(axis=1)
        loss, by_batch, sizes = _of_samples(each, batches, peers)
        nats = sizes / (2 * loss)  # however many numbers a sample has, they go together
        what = "a model that always answers the mean of the targets"
        return cls(loss, what, loss, by_batch, nats, is_mean=True)

    @classmethod
    def of_odds(cls, batches: Sequence[Floats], peers: Peers | None = None) -> BlindAnswer:
        """The shares of yes, under the cross-entropy of yes and no.

        Args:
            batches: As of `of_numbers`, from 0 to 1.
            peers: As of `of_numbers`.
        """
        yes = np.concatenate(batches)
        share = _of_all(yes.mean(axis=0), peers)
        inside = np.clip(share, 1e-12, 1 - 1e-12)  # where all are alike the other has no part
        each = -(yes * np.log(inside) + (1 - yes) * np.log1p(-inside)).reshape(len(yes), -1).mean(axis=1)
        loss, by_batch, sizes = _of_samples(each, batches, peers)
        what = "a model that always answers the shares of yes and no"
        return cls(loss, what, max(loss, math.log(2)), by_batch, sizes)

    @classmethod
    def of_classes(
        cls,
        batches: Sequence[NDArray[np.int64]],
        *,
        weights: Floats,
        smoothing: float = 0.0,
        peers: Peers | None = None,
    ) -> BlindAnswer:
        """The shares of the classes as a cross-entropy weights and smooths them, in the mean over batches.

        Args:
            batches: Labels, each of shape (samples,), without those that are left out; not all are empty.
            weights: Of all classes, shape (classes,).
            smoothing: Share of a label that goes to all classes alike.
            peers: As of `of_numbers`.
        """
        sizes = np.array([len(batch) for batch in batches])
        labels, batch = np.concatenate(batches), np.repeat(np.arange(len(batches)), sizes)
        # The loss of a batch is divided by the weights in it, and counts by its size.
        total = np.bincount(batch, weights[labels], len(batches))
        of_weight = np.divide(1.0, total, out=np.zeros(len(batches)), where=total > 0)
        of_label = (1 - smoothing) * weights[labels] * of_weight[batch]
        of_all = smoothing / len(weights) * sizes * of_weight
        counts = of_label * sizes[batch] / len(labels)
        mass = np.bincount(labels, counts, len(weights)) + float(of_all @ sizes) / len(labels) * weights
        mass = _of_all(mass, peers)
        surprise = np.zeros(len(weights))
        np.log(mass.sum() / np.where(mass > 0, mass, 1.0), out=surprise, where=mass > 0)
        by_batch = np.asarray(np.bincount(batch, of_label * surprise[labels], len(batches)), np.float64)
        by_batch = np.empty(0) if peers else by_batch + of_all * float(weights @ surprise)
        met = int((mass > 0).sum())
        chance = _of_chance(met, counts.sum() ** 2 / np.square(counts).sum())
        loss = _known(float(_of_all(np.array([mass @ surprise + chance]), peers)[0]))
        equal = max(loss, float(_of_all(np.array([math.log(met) * mass.sum()]), peers)[0]))
        squares = np.bincount(batch, np.square(weights[labels] * of_weight[batch]), len(batches))
        nats = np.divide(1.0, squares, out=np.zeros(len(batches)), where=squares > 0)
        return cls(loss, "a model that always answers the shares of the classes", equal, by_batch, nats)

    def is_found(self, start: float, loss: float) -> bool:
        """Whether a loss that fell from a start has come down to about this one, or below."""
        return has_found(self.loss, start, loss)

    def is_beaten_by(self, losses: Floats, *, parts: int = 1, near: bool = False) -> bool:
        """Whether losses lay below it, over some steps in a row, by more than is chance.

        They are compared on the same batches: what is hard for one answer is hard for others. A loss before
        the update knows nothing of its batch, so that where there is nothing to learn the likelihood ratio of
        the two is a supermartingale: it passes `steps` / `_CHANCE` from any step on with that probability.

        Args:
            losses: Of the first steps, each before its update, finite, shape (steps,).
            parts: Batches a step.
            near: Whether they are to lie below `begins_near`.

        Returns:
            True, too, where it is not known on all of these batches.

        Source: Ville's inequality; for a squared error that of normal targets.
        """
        if len(self.by_batch) < len(losses) * parts or not len(losses):
            return True
        own, nats = (each[: len(losses) * parts].reshape(-1, parts) for each in (self.by_batch, self.nats))
        more = self.begins_near - self.loss if near else 0.0
        gained = np.cumsum((own.mean(axis=1) + more - losses) * nats.sum(axis=1))
        before = np.minimum.accumulate(np.concatenate([[0.0], gained[:-1]]))
        return float((gained - before).max()) > math.log(len(losses) / _CHANCE)

    def is_passed(self, start: float) -> bool:
        """Whether a model that begins with this loss has been trained before."""
        return self.is_known and start < TRAINED * self.loss

    @property
    def is_known(self) -> bool:
        """Whether its loss is known."""
        return math.isfinite(self.loss)


UNKNOWN = BlindAnswer()
"""Where the criterion does not tell it."""


def _of_all(values: Floats, peers: Peers | None) -> Floats:
    """The mean over all who run the same; where there are very many, of each his own."""
    if peers is None or values.size > _MOST_OF_ALL:
        return values
    flat = values.ravel().tolist()
    parts = [peers.mean(flat[i : i + _MESSAGE]) for i in range(0, len(flat), _MESSAGE)]
    return np.array([value for part in parts for value in part]).reshape(values.shape)


def _of_samples(each: Floats, batches: Sequence[Floats], peers: Peers | None) -> tuple[float, Floats, Floats]:
    """Of losses of single samples that of all, those of the batches, and the sizes of these."""
    sizes = np.array([len(batch) for batch in batches])
    loss = _known(float(_of_all(each.mean(keepdims=True), peers)[0]))
    by_batch = np.array([part.mean() for part in np.split(each, np.cumsum(sizes)[:-1])])
    return loss, np.empty(0) if peers else by_batch, sizes.astype(np.float64)


def _known(loss: float) -> float:
    """A loss; where it is 0, as of one target alone, no model can be better, and that tells nothing."""
    return float(loss) if loss > 0 else math.inf


def _of_chance(classes: int, samples: float) -> float:
    """By how much the shares of a sample beat, all but surely, those that it was drawn from.

    Twice the samples times that is distributed as chi-square, with as many degrees of freedom as there are
    classes but one.
    """
    free = classes - 1
    return max(0.0, free - _Z95 * math.sqrt(2 * free)) / (2 * samples)
