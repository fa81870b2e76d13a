"""What choosing the rule's numbers is worth: `python -m benchmarks.truth.choice` writes results/choice.md.

The rule `centre` has four numbers: how deep its valley is, how wide the smoothing, how momentum counts, and a
factor on the answer. Each combination is scored on the same sweeps; for every task the others choose one.
"""

from __future__ import annotations

import math
from contextlib import closing, contextmanager
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from benchmarks.truth.lines import read_lines
from benchmarks.truth.oracle import RUNS
from benchmarks.truth.oracles import oracles
from benchmarks.truth.tasks import BUDGET, TASKS, Role, config_of, with_seed
from lrfind.range_test import centre
from lrfind.range_test import smoothed_curve as line
from lrfind.range_test.reading import Rule, read
from lrfind.range_test.run import sweep_task
from lrfind.tasks.build import build

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from benchmarks.truth.oracles import Oracle
    from lrfind.range_test.curve import Curve

PAGE = Path(__file__).parent / "results" / "choice.md"
SEEDS = range(100, 108)


class Choice(NamedTuple):
    """Numbers of the rule: share of the fall, share of the ladder, power of (1 - momentum), factor."""

    deep: float
    share: float
    power: float
    factor: float


SHIPPED = Choice(centre.DEEP, line.PAIRED_SHARE, 0.5, 1.0)
CHOICES = [
    Choice(*numbers)
    for numbers in product(
        (0.5, 0.75, 0.9), (1 / 40, 1 / 30, 1 / 20), (0.0, 0.5, 1.0), (0.5, 0.7, 0.85, 1.0, 1.4)
    )
]


OTHERWISE = {
    "without pairing": ("range.paired=false",),
    "without pairing, 100 steps": ("range.paired=false", "range.num_steps=100"),
    "100 steps": ("range.num_steps=100",),
    "from 1e-6": ("range.start_lr=1e-6",),
    "to 100": ("range.end_lr=100",),
}
"""Other sweeps, read with the numbers that are shipped."""


def sweeps(task: str, *overrides: str) -> list[Curve]:
    """The range test of a task, from seeds that the oracle does not use."""
    config = config_of(task, *overrides)
    curves = []
    for seed in SEEDS:
        made = build(with_seed(config, seed))
        with closing(made):
            curves.append(sweep_task(made, config.range, lambda step: None))
    return curves


@contextmanager
def numbers(deep: float, share: float) -> Iterator[None]:
    """The rule with other numbers."""
    before = centre.DEEP, line.PAIRED_SHARE, line.PAIRED_DECADES
    centre.DEEP, line.PAIRED_SHARE, line.PAIRED_DECADES = deep, share, 6 * share
    try:
        yield
    finally:
        centre.DEEP, line.PAIRED_SHARE, line.PAIRED_DECADES = before


def regrets(curves: Sequence[Curve], oracle: Oracle) -> NDArray[np.float64]:
    """Mean regret of every choice on the sweeps of a task, shape (choices,); no answer counts as 1."""
    found = np.ones((len(CHOICES), len(curves)))
    for deep, share in {choice[:2] for choice in CHOICES}:
        with numbers(deep, share):
            readings = [read(curve, rule=Rule.CENTRE) for curve in curves]
            for j, reading in enumerate(readings):
                sides = centre.valley_sides(reading.smoothed)
                if reading.suggestion is None or sides is None:
                    continue
                middle, forgets = math.sqrt(sides[0] * sides[1]), 1 - reading.smoothed.momentum
                for i, choice in enumerate(CHOICES):
                    if choice[:2] == (deep, share):
                        found[i, j] = oracle.regret(middle * forgets**choice.power * choice.factor)
    return found.mean(axis=1)


def shipped_regret(curves: Sequence[Curve], oracle: Oracle) -> float:
    """Mean regret of the suggestions on the sweeps of a task; no answer counts as 1."""
    found = [read(curve, rule=Rule.CENTRE).suggestion for curve in curves]
    return float(np.mean([oracle.regret(None if each is None else each.lr) for each in found]))


def page(table: NDArray[np.float64], others: dict[str, NDArray[np.float64]], tasks: Sequence[str]) -> str:
    """The page.

    Args:
        table: Mean regrets, shape (choices, tasks).
        others: Mean regrets on other sweeps, shapes (tasks,).
        tasks: Their names.
    """
    roles = np.array([TASKS[task].role is Role.TUNING for task in tasks])
    everywhere = range(len(tasks))
    left_out = [table[int(np.delete(table, j, axis=1).mean(axis=1).argmin()), j] for j in everywhere]
    by_tuning = int(table[:, roles].mean(axis=1).argmin())
    best = int(table.mean(axis=1).argmin())
    shipped, still = (
        min(range(len(CHOICES)), key=lambda i: math.dist(CHOICES[i], wanted))
        for wanted in (SHIPPED, SHIPPED._replace(power=0.0))
    )

    def row(name: str, values: NDArray[np.float64], numbers: str) -> str:
        means = (values.mean(), np.median(values), values[roles].mean(), values[~roles].mean())
        return f"| {name} | {numbers} | " + " | ".join(f"{mean:.3f}" for mean in means) + " |"

    def said(choice: Choice) -> str:
        deep, share, power, factor = choice
        return f"{deep:g}, 1/{1 / share:.0f}, {power:g}, {factor:g}"

    rows = [
        row("as shipped", table[shipped], said(CHOICES[shipped])),
        row("the best of all on all tasks, in sample", table[best], said(CHOICES[best])),
        row("chosen on the tuning tasks alone", table[by_tuning], said(CHOICES[by_tuning])),
        row("chosen for each task by all others", np.array(left_out), "differ"),
    ]
    return "\n".join(
        [
            "# What choosing the numbers is worth",
            "",
            f"Made by `python -m benchmarks.truth.choice`: {len(CHOICES)} combinations of the rule's four "
            "numbers (share of the fall that the valley begins at, width of the smoothing as a share of the "
            f"ladder, power of 1 - momentum, factor), scored on the same {len(SEEDS)} sweeps of {len(tasks)} "
            "tasks. No answer counts as a regret of 1. In the third row no report task had a say.",
            "",
            "| choice | its numbers | mean regret | median task | tuning tasks | report tasks |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "The same with one part of the method changed:",
            "",
            "| changed | its numbers | mean regret | median task | tuning tasks | report tasks |",
            "|---|---|---|---|---|---|",
            row("nothing", table[shipped], said(CHOICES[shipped])),
            row("momentum not counted", table[still], said(CHOICES[still])),
            *(row(name, values, "as shipped") for name, values in others.items()),
            "",
        ]
    )


def main() -> None:
    torch.set_num_threads(1)
    searched = oracles(read_lines(RUNS), kind="constant", budget=BUDGET)
    tasks = [task for task in TASKS if task in searched and TASKS[task].lacks is None]
    table = np.array([regrets(sweeps(task), searched[task]) for task in tasks]).T
    others = {
        name: np.array([shipped_regret(sweeps(task, *overrides), searched[task]) for task in tasks])
        for name, overrides in OTHERWISE.items()
    }
    PAGE.write_text(page(table, others, tasks))
    print(f"{PAGE} written.")


if __name__ == "__main__":
    main()
