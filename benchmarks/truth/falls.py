"""How the best rate of a task falls with the budget, and the law of that over tasks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.truth.budgets import SMALL_BUDGETS
from benchmarks.truth.oracles import oracles
from benchmarks.truth.tasks import BUDGET, task_named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.truth.oracles import Oracle

EPOCHS = Path(__file__).parent / "results" / "epochs.json"
"""Steps of an epoch by task, which runs do not record."""

GOOD = 0.02
"""Regret up to which a rate is as good as the best: the middle of such is steadier than the best alone."""

PASSES = (5, 10, 20, 40, 80)
"""Passes over the data of which one is chosen, from which on the rate falls in inverse proportion."""


@dataclass(frozen=True, slots=True)
class Fall:
    """How the best rate of a task falls with the budget.

    Attributes:
        task: Its name.
        per_epoch: Steps in which every sample is met once.
        middles: The middle of the good rates by budget.
    """

    task: str
    per_epoch: int
    middles: dict[int, float]

    @property
    def longer(self) -> list[int]:
        """The budgets above `BUDGET`."""
        return [budget for budget in self.middles if budget > BUDGET]

    @property
    def logs(self) -> NDArray[np.float64]:
        """How far the middle has moved at each longer budget, natural logarithm, shape (budgets,)."""
        return np.log([self.middles[budget] / self.middles[BUDGET] for budget in self.longer])

    @property
    def exponent(self) -> float:
        """Minus the slope of that over the logarithm of the budget: a law of its own for each task."""
        x = np.log([budget / BUDGET for budget in self.longer])
        return float(-(x @ self.logs) / (x @ x))


@dataclass(frozen=True, slots=True)
class Law:
    """The best rate at a budget over that at `BUDGET`.

    It falls with a power of the steps, and in inverse proportion to them once every sample has been met so
    often that what counts is how much is learnt by heart: rate times steps.

    Attributes:
        exponent: The power of the steps.
        passes: Passes over the data from which on it is 1.
        spread: Standard deviation between tasks of the power that is left.
        tasks: How many it is fitted on.
    """

    exponent: float
    passes: float
    spread: float
    tasks: int

    def factor(self, budget: int, per_epoch: float) -> float:
        """What the rate for `BUDGET` steps is multiplied by for longer ones."""
        few, many = _terms([budget], per_epoch, self.passes)[0]
        return float(np.exp(-self.exponent * few - many))


def _terms(budgets: Sequence[int], per_epoch: float, passes: float) -> NDArray[np.float64]:
    """How far the steps grow before the passes and after, logarithms, shape (budgets, 2)."""
    steps = np.maximum(np.asarray(budgets, dtype=float), BUDGET)
    turn = max(passes * per_epoch, BUDGET)
    few = np.log(np.minimum(steps, turn) / BUDGET)
    return np.stack([few, np.log(steps / BUDGET) - few], axis=1)


def fit(falls: Sequence[Fall], passes: float) -> Law:
    """The exponent of least squares over tasks and budgets."""
    terms = [_terms(fall.longer, fall.per_epoch, passes) for fall in falls]
    x = np.concatenate(terms)
    y = np.concatenate([fall.logs for fall in falls]) + x[:, 1]
    exponent = float(-(x[:, 0] @ y) / (x[:, 0] @ x[:, 0]))
    left = []
    for fall, own in zip(falls, terms, strict=True):
        along, apart = own.sum(axis=1), fall.logs + own @ [exponent, 1]
        left.append(float(along @ apart / (along @ along)))
    return Law(exponent, passes, float(np.std(left, ddof=1)), len(falls))


def chosen(falls: Sequence[Fall], longest: Mapping[str, Oracle]) -> Law:
    """The law with the passes whose regret at the longest budget is least, from each task's own middle."""

    def regret(law: Law) -> float:
        ends = [(fall, longest[fall.task], max(fall.middles)) for fall in falls]
        rates = [fall.middles[BUDGET] * law.factor(budget, fall.per_epoch) for fall, _, budget in ends]
        return float(np.mean([oracle.regret(lr) for (_, oracle, _), lr in zip(ends, rates, strict=True)]))

    return min((fit(falls, passes) for passes in PASSES), key=regret)


def middle(oracle: Oracle) -> float:
    """The geometric middle of the rates around the best whose regret is at most `GOOD`."""
    x = np.log10(oracle.lrs)
    fine = np.linspace(x[0], x[-1], 1 + 100 * (len(x) - 1))
    good = np.interp(fine, x, oracle.regrets) <= GOOD
    first = last = int(np.argmin(np.abs(fine - np.log10(oracle.best))))
    while first > 0 and good[first - 1]:
        first -= 1
    while last < len(fine) - 1 and good[last + 1]:
        last += 1
    return float(10 ** ((fine[first] + fine[last]) / 2))


def steps_per_epoch(tasks: Sequence[str], path: Path = EPOCHS) -> dict[str, int]:
    """Steps of an epoch of each task; what is not recorded yet is looked up in the task itself."""
    known: dict[str, int] = json.loads(path.read_text()) if path.is_file() else {}
    missing = [task for task in tasks if task not in known]
    for name in missing:
        from benchmarks.truth.training import Trainer

        built = Trainer(name).built(0, validation_samples=task_named(name).held_out)
        assert built.per_epoch is not None
        known[name] = built.per_epoch
        built.close()
    if missing:
        path.write_text(json.dumps(known, indent=1) + "\n")
    return known


def falls_of(lines: Sequence[dict[str, Any]], budgets: Sequence[int] = SMALL_BUDGETS) -> list[Fall]:
    """The fall of every task that has been searched at all of the budgets."""
    found = {budget: oracles(lines, kind="constant", budget=budget) for budget in budgets}
    tasks = [task for task in found[budgets[-1]] if all(task in each for each in found.values())]
    per_epoch = steps_per_epoch(tasks)
    return [Fall(task, per_epoch[task], {b: middle(found[b][task]) for b in budgets}) for task in tasks]
