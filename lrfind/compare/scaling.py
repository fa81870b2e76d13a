"""How the best rate moves with the batch size, beside the linear and the square-root rule.

Sources: Goyal et al., arXiv 1706.02677 (linear: k times the batch, k times the rate); Krizhevsky, arXiv
1404.5997, section 5 (square root: the variance of a gradient falls as 1 / B); McCandlish et al., arXiv
1812.06162 (linear up to a noise scale, above which the best rate levels off).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrfind.compare.results import RESAMPLES, TAIL, Edge, boundaries, winners

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.compare.results import Cell
    from lrfind.statistics import Floats

FEWEST_RATES = 3
"""Rates a batch size: of fewer none has a neighbour on either side, and the best of them says nothing."""


@dataclass(frozen=True, slots=True)
class Exponent:
    """The exponent p of lr ~ B^p, fitted through the best rates.

    Attributes:
        value: Least squares in log-log through the best rates.
        low: Lower end of nine tenths of the fits to resampled seeds, each best rate somewhere between its
            neighbours.
        high: Upper end.
        batch_sizes: Those it was fitted to: the others have their best at an end of what was tried.
    """

    value: float
    low: float
    high: float
    batch_sizes: tuple[int, ...]

    @property
    def words(self) -> tuple[str, str]:
        """`B^0.25`, and its range: `0.10 to 0.60`."""
        value, low, high = (f"{round(power, 2) + 0.0:.2f}" for power in (self.value, self.low, self.high))
        return f"B^{value}", f"{low} to {high}"

    @property
    def doubling(self) -> tuple[float, float, float]:
        """By what the best rate is multiplied when the batch is doubled: the fit, its low and high end."""
        return 2**self.value, 2**self.low, 2**self.high


@dataclass(frozen=True, slots=True)
class Move:
    """By which powers of the batch size the best rate may have moved from the anchor to a larger one.

    Attributes:
        batch_size: The larger one.
        low: Lower end of nine tenths of the resampled moves.
        high: Upper end.
        open_below: Whether the best may lie beyond what was tried, so that no lower power is excluded.
        open_above: The same upwards.
    """

    batch_size: int
    low: float
    high: float
    open_below: bool
    open_above: bool

    def excludes(self, power: float) -> bool:
        """Whether the best rate did not move by this power."""
        return (power < self.low and not self.open_below) or (power > self.high and not self.open_above)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule held against what was measured.

    Attributes:
        name: `linear` or `square-root`.
        exponent: 1 or 1/2.
        anchor: Batch size from which it is drawn, through its best rate.
        lr: That rate.
        holds: Larger batch sizes, up to where it is contradicted.
        fails_at: The larger batch size from which on what was measured contradicts it, or None.
        predicted: The rate it gives there; NaN where there is none.
    """

    name: str
    exponent: float
    anchor: int
    lr: float
    holds: tuple[int, ...]
    fails_at: int | None
    predicted: float

    def at(self, batch_size: float) -> float:
        """The rate that it gives at a batch size."""
        return float(self.lr * (batch_size / self.anchor) ** self.exponent)


@dataclass(frozen=True, slots=True)
class Scaling:
    """How the best rate of one optimizer moves with the batch size.

    Attributes:
        exponent: Fitted, or None where fewer than two batch sizes have their best inside what was tried.
        rules: The linear and the square-root one; empty where there is nothing to hold them against.
        moves: What they are held against, a batch size each.
    """

    exponent: Exponent | None
    rules: tuple[Rule, ...]
    moves: tuple[Move, ...] = ()


def scaling_of(cells: Sequence[Cell]) -> Scaling:
    """Reads the cells of one optimizer, batch sizes rising; those of fewer than three rates are left out."""
    known = [(cell, cell.best) for cell in cells if len(cell.lrs) >= FEWEST_RATES]
    inside = [cell for cell, best in known if best is not None and best.edge is Edge.NONE]
    exponent = _exponent(inside) if len(inside) >= 2 else None
    if not inside:
        return Scaling(exponent, ())
    anchor = inside[0]
    moves = tuple(
        _move(anchor, cell)
        for cell, best in known
        if best is not None and cell.batch_size > anchor.batch_size
    )
    if not moves:
        return Scaling(exponent, ())
    rules = (_rule("linear", 1.0, anchor, moves), _rule("square-root", 0.5, anchor, moves))
    return Scaling(exponent, rules, moves)


def _exponent(cells: Sequence[Cell]) -> Exponent:
    best = np.log([[cell.best.lr] for cell in cells if cell.best is not None])
    value = float(_slope(cells, best)[0])
    low, high = np.quantile(_slope(cells, np.array([_resampled(cell) for cell in cells])), [TAIL, 1 - TAIL])
    return Exponent(value, float(low), float(high), tuple(cell.batch_size for cell in cells))


def _resampled(cell: Cell) -> Floats:
    """Logarithms of the best rate, shape (RESAMPLES,): of resampled seeds, somewhere between its neighbours.

    A grid knows no more than between which rates the best one lies.
    """
    bounds = np.log(boundaries(cell.lrs))
    won = winners(cell.errors)
    where = np.random.default_rng(cell.batch_size).random(RESAMPLES)
    found: Floats = bounds[won] + (bounds[won + 1] - bounds[won]) * where
    return found


def _slope(cells: Sequence[Cell], rates: Floats) -> Floats:
    """Least squares over the logarithms of the batch sizes; those of the rates of shape (cells, fits)."""
    sizes = np.log([cell.batch_size for cell in cells])
    centred = sizes - sizes.mean()
    slopes: Floats = centred @ rates / (centred @ centred)
    return slopes


def _rule(name: str, power: float, anchor: Cell, moves: Sequence[Move]) -> Rule:
    """A rule is contradicted from where on every batch size contradicts it; one alone may be an accident."""
    assert anchor.best is not None
    against = [move.excludes(power) for move in moves]
    first = next((i for i in range(len(moves)) if all(against[i:])), len(moves))
    holds = tuple(move.batch_size for move in moves[:first])
    lr = anchor.best.lr
    if first == len(moves):
        return Rule(name, power, anchor.batch_size, lr, holds, None, math.nan)
    fails_at = moves[first].batch_size
    predicted = lr * (fails_at / anchor.batch_size) ** power
    return Rule(name, power, anchor.batch_size, lr, holds, fails_at, predicted)


def _move(anchor: Cell, cell: Cell) -> Move:
    start, best = anchor.best, cell.best
    assert start is not None
    assert best is not None
    moves = _slope([anchor, cell], np.array([_resampled(anchor), _resampled(cell)]))
    low, high = np.quantile(moves, [TAIL, 1 - TAIL])
    return Move(
        cell.batch_size,
        float(low),
        float(high),
        open_below=start.open_above or best.open_below,
        open_above=start.open_below or best.open_above,
    )
