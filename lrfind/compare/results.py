"""What was measured over learning rates, batch sizes and seeds, and which rate came out best where."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from lrfind.statistics import paired_noise
from lrfind.training.baseline import learnt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from lrfind.compare.budget import Budget
    from lrfind.statistics import Floats
    from lrfind.training.run_set import RunSet

RESAMPLES = 2000
"""How often the seeds are drawn anew, with replacement, to see how far the best rate hangs on them."""

TAIL = 0.05
"""Share of the resamples left out at either end: what is between holds nine tenths of them."""


class Judge(str, Enum):
    """By what a rate is judged, on held-out data at the end of the budget."""

    ACCURACY = "accuracy"
    """The share of right answers; of equals the one with the lower loss."""
    LOSS = "loss"
    """The loss."""


class Edge(str, Enum):
    """Whether the best rate is the first or last of those tried, so that a better one may lie beyond."""

    NONE = ""
    LOW = "lowest"
    HIGH = "highest"


@dataclass(frozen=True, eq=False)
class Cell:
    """One optimizer at one batch size, over its seeds.

    Attributes:
        runs: What the rates came to with each seed, all of the same rates; of one seed at least.
    """

    optimizer: str
    batch_size: int
    runs: tuple[RunSet, ...]
    judge: Judge

    @property
    def lrs(self) -> tuple[float, ...]:
        """The rates that were tried, rising."""
        return tuple(self.runs[0].lrs.tolist())

    @cached_property
    def losses(self) -> Floats:
        """Held-out loss at the end, shape (seeds, rates); infinite where there is none."""
        return np.array([run.finals for run in self.runs])

    @cached_property
    def accuracies(self) -> Floats:
        """Held-out accuracy at the end, shape (seeds, rates); 0 for a rate that was dropped."""
        found = np.array([run.accuracies[:, -1] for run in self.runs])
        return np.where(np.isfinite(found), found, 0.0)

    @cached_property
    def errors(self) -> Floats:
        """What is to be small, shape (seeds, rates): the share of wrong answers, or the loss.

        Equal accuracies are told apart by the loss, which is added so small that it can do nothing else.
        """
        if self.judge is Judge.LOSS:
            return self.losses
        dropped = ~np.isfinite(self.losses)
        nudge = np.minimum(np.where(dropped, 0.0, self.losses), 1e3) * 1e-12
        return np.where(dropped, np.inf, 1 - self.accuracies + nudge)

    @property
    def scores(self) -> Floats:
        """What judges, shape (seeds, rates): shares of right answers, or losses."""
        return self.accuracies if self.judge is Judge.ACCURACY else self.losses

    @property
    def diverged(self) -> bool:
        """Whether every rate diverged, with one seed at least."""
        return not np.isfinite(self.losses.mean(axis=0)).any()

    @cached_property
    def learnt(self) -> bool:
        """Whether a rate came to more than is had without any training."""
        baselines = [run.baseline for run in self.runs]
        return bool(learnt(baselines, self.losses, self.accuracies).any())

    @cached_property
    def best(self) -> Best | None:
        """The rate that came out best, or None where all of them diverged or learnt nothing."""
        if self.diverged or not self.learnt:
            return None
        means = self.errors.mean(axis=0)
        index = int(np.argmin(means))
        won = winners(self.errors)
        low, high = (int(i) for i in np.quantile(won, [TAIL, 1 - TAIL], method="nearest"))
        equal, low, high = self._equal(index), min(low, index), max(high, index)
        while low - 1 in equal:
            low -= 1
        while high + 1 in equal:
            high += 1
        only = len(self.lrs) == 1
        edge = Edge.NONE if only else Edge.LOW if index == 0 else Edge.NONE
        if not only and index == len(self.lrs) - 1:
            edge = Edge.HIGH
        return Best(
            index=index,
            lr=self.lrs[index],
            low=self._end(low, low - 1),
            high=self._end(high, high + 1),
            edge=edge,
            open_below=low == 0,
            open_above=high == len(self.lrs) - 1,
            equal=equal,
        )

    def _end(self, last: int, beyond: int) -> float:
        """Half way on a log axis to the rate beyond, where there is one at which no run breaks down."""
        if not 0 <= beyond < len(self.lrs) or not np.isfinite(self.losses[:, beyond]).all():
            return self.lrs[last]
        return math.sqrt(self.lrs[last] * self.lrs[beyond])

    def _equal(self, index: int) -> tuple[int, ...]:
        """The other rates with the share of right answers of this one for every seed, where that judges."""
        if self.judge is Judge.LOSS:
            return ()
        same = (self.accuracies == self.accuracies[:, [index]]) & np.isfinite(self.losses)
        return tuple(int(i) for i in np.flatnonzero(same.all(axis=0)) if i != index)


@dataclass(frozen=True, slots=True)
class Best:
    """The best of the rates tried, and between what a better one may lie.

    Attributes:
        low: Half way, on a log axis, from the lowest rate that wins in nine tenths of the resampled seeds, or
            is equal, to the next lower one that was tried; that rate itself where none was, or one that
            diverged.
        high: The same upwards.
        edge: Whether it is the first or last rate tried.
        open_below: Whether `low` is the end of what was tried, so that nothing is known below it.
        open_above: The same upwards.
        equal: Other rates with as many right answers for every seed, so that the loss alone told.
    """

    index: int
    lr: float
    low: float
    high: float
    edge: Edge
    open_below: bool
    open_above: bool
    equal: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Comparison:
    """All that was measured.

    Attributes:
        measured: Optimizers in the order given, their batch sizes rising, with runs that were cut off.
        grid: Rates of a grid, where range tests laid them; None where the rates were given.
    """

    measured: tuple[Cell, ...]
    budget: Budget
    judge: Judge
    planned: int
    grid: int | None = None

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The same of finished runs alone."""
        finished = [(cell, tuple(run for run in cell.runs if run.whole)) for cell in self.measured]
        return tuple(replace(cell, runs=runs) for cell, runs in finished if runs)

    @property
    def finished(self) -> int:
        """Runs that are finished."""
        return sum(len(cell.runs) for cell in self.cells)

    @cached_property
    def optimizers(self) -> tuple[str, ...]:
        """The optimizers, in the order given."""
        return tuple(dict.fromkeys(cell.optimizer for cell in self.cells))

    @property
    def interrupted(self) -> bool:
        """Whether a planned run is missing."""
        return self.finished < self.planned

    @property
    def diverged(self) -> bool:
        """Whether every rate of every finished run diverged."""
        return all(cell.diverged for cell in self.cells)

    @cached_property
    def accuracies(self) -> bool:
        """Whether the share of right answers was measured."""
        return any(bool(np.isfinite(run.accuracies).any()) for cell in self.measured for run in cell.runs)

    def of(self, optimizer: str) -> tuple[Cell, ...]:
        """The cells of one optimizer, batch sizes rising."""
        return tuple(cell for cell in self.cells if cell.optimizer == optimizer)


def cells_of(runs: Iterable[tuple[str, int, RunSet]], judge: Judge) -> tuple[Cell, ...]:
    """Runs by optimizer, in the order in which these come, and batch size, rising; in them by seed."""
    found: dict[str, dict[int, list[RunSet]]] = {}
    for optimizer, batch_size, measured in runs:
        found.setdefault(optimizer, {}).setdefault(batch_size, []).append(measured)
    return tuple(
        Cell(optimizer, batch_size, tuple(sorted(measured, key=lambda run: run.seed)), judge)
        for optimizer, sizes in found.items()
        for batch_size, measured in sorted(sizes.items())
    )


def winners(errors: Floats) -> NDArray[np.int64]:
    """Which rate is best when the seeds are drawn anew, with replacement: the bootstrap.

    The draws are those of a fixed generator, so that the same measurements always give the same answer, and
    the same seeds are drawn for every batch size.

    Args:
        errors: Shape (seeds, rates), to be small; infinite where a rate diverged.

    Returns:
        Indices of rates, shape (RESAMPLES,).

    Source: Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7 (1979).
    """
    seeds = len(errors)
    drawn = np.random.default_rng(0).integers(seeds, size=(RESAMPLES, seeds))
    won: NDArray[np.int64] = np.argmin(errors[drawn].mean(axis=1), axis=1)
    return won


def within_spread(one: Floats, other: Floats) -> bool:
    """Whether seeds do not tell what one rate came to from another that did better, compared one by one.

    Both are to be small, shape (seeds,): one is infinite where it diverged, the better one is finite.
    """
    behind = one - other
    return (
        len(behind) > 1 and bool(np.isfinite(behind).all()) and float(behind.mean()) <= paired_noise(behind)
    )


def boundaries(lrs: Sequence[float]) -> tuple[float, ...]:
    """Half way between neighbours on a log axis, and both ends: one more than there are rates."""
    between = [math.sqrt(a * b) for a, b in pairwise(lrs)]
    return (lrs[0], *between, lrs[-1])
