"""From recorded runs to the regret of every rate."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Oracle:
    """The searched rates of a task and the regret of each.

    Attributes:
        lrs: Rising, shape (rates,).
        regrets: (held-out loss at the rate - at the best) / (initial - at the best), shape (rates,).
        best: The rate of least held-out loss.
        initial: Held-out loss before training, mean over seeds.
        final: Held-out loss at the best rate, mean over seeds.
        seeds: Training runs at the best rate.
    """

    lrs: NDArray[np.float64]
    regrets: NDArray[np.float64]
    best: float
    initial: float
    final: float
    seeds: int

    def regret(self, lr: float | None) -> float:
        """Between the searched rates along log10 lr, beyond the ends as at the ends; no answer is 1."""
        return 1.0 if lr is None else float(np.interp(np.log10(lr), np.log10(self.lrs), self.regrets))

    def within(self, bound: float) -> tuple[float, float]:
        """The lowest and the highest searched rate around the best whose regrets stay within a bound."""
        first = last = int(np.flatnonzero(self.lrs == self.best)[0])
        while first > 0 and self.regrets[first - 1] <= bound:
            first -= 1
        while last < len(self.lrs) - 1 and self.regrets[last + 1] <= bound:
            last += 1
        return float(self.lrs[first]), float(self.lrs[last])

    def worst_inside(self, low: float, high: float) -> float:
        """The highest regret of the rates from low to high, both included; between rates as `regret`."""
        inside = self.regrets[(self.lrs >= low) & (self.lrs <= high)]
        return max([self.regret(low), self.regret(high), *inside.tolist()])

    def near(self, low: float, high: float) -> bool:
        """Whether the best rate lies inside, or within a factor 2 of an end."""
        return low / 2 <= self.best <= high * 2


def capped(line: dict[str, Any]) -> float:
    """The held-out loss of a run at its end; one that diverged, or made it worse, has learnt nothing."""
    final = line["final"]
    return float(line["initial"] if final is None else min(final, line["initial"]))


HOPELESS = 0.9
"""A rate whose regret is above this with each seed of the first pass is not trained with further seeds."""


def promising(lines: Iterable[dict[str, Any]]) -> set[float]:
    """The rates that at least one seed does not show to be hopeless."""
    by_seed: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        by_seed[line["seed"]].append(line)
    found: set[float] = set()
    for runs in by_seed.values():
        initial, best = runs[0]["initial"], min(map(capped, runs))
        found |= {line["lr"] for line in runs if capped(line) - best <= HOPELESS * (initial - best)}
    return found


def oracle_of(lines: Iterable[dict[str, Any]]) -> Oracle | None:
    """The oracle of one task, kind and budget; None where there are no runs.

    Some seeds have been trained at every rate, others at the promising ones alone; one that is not complete
    even there, as its runs are still being made, is left out. The best rate is sought among those that all
    seeds have been trained at. A rate that has fewer is compared with the best on the seeds that it has.
    """
    lines = list(lines)
    rates = Counter(line["seed"] for line in lines)
    if not rates:
        return None
    whole = {seed for seed, count in rates.items() if count == max(rates.values())}
    needed = promising(line for line in lines if line["seed"] in whole)
    finals: dict[float, dict[int, float]] = defaultdict(dict)
    initials: dict[int, float] = {}
    for seed in rates:
        runs = {line["lr"]: line for line in lines if line["seed"] == seed}
        if needed <= runs.keys():
            initials[seed] = next(iter(runs.values()))["initial"]
            for lr, line in runs.items():
                finals[lr][seed] = capped(line)
    most = max(len(ends) for ends in finals.values())
    full = {lr: ends for lr, ends in finals.items() if len(ends) == most}
    best = min(full, key=lambda lr: float(np.mean(list(full[lr].values()))))
    lrs = sorted(finals)
    regrets = []
    for lr in lrs:
        seeds = sorted(finals[lr])
        end = np.mean([finals[lr][seed] for seed in seeds])
        least = np.mean([full[best][seed] for seed in seeds])
        start = np.mean([initials[seed] for seed in seeds])
        regrets.append(float(np.clip((end - least) / (start - least), 0, 1)) if start > least else 0.0)
    return Oracle(
        np.array(lrs),
        np.array(regrets),
        best=best,
        initial=float(np.mean([initials[seed] for seed in full[best]])),
        final=float(np.mean(list(full[best].values()))),
        seeds=most,
    )


def oracles(lines: Iterable[dict[str, Any]], *, kind: str, budget: int) -> dict[str, Oracle]:
    """The oracle of every task that has runs of a kind and a budget."""
    by_task: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        if line["kind"] == kind and line["budget"] == budget:
            by_task[line["task"]].append(line)
    found = {task: oracle_of(of_task) for task, of_task in by_task.items()}
    return {task: oracle for task, oracle in found.items() if oracle is not None}
