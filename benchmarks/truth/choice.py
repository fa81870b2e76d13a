"""What choosing the rule's numbers is worth: `python -m benchmarks.truth.choice` writes results/choice.md.

The rule `centre` has five numbers: how deep its valley is, how wide the smoothing, from which fall on
momentum counts in full, how much batches count that come again, and a factor on the answer. Each combination
is scored on the recorded sweeps (`sweeps.py`); for every task the others choose one.
"""

from __future__ import annotations

import argparse
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
from benchmarks.truth.sweeps import recorded
from benchmarks.truth.tasks import BUDGET, TASKS, Role, config_of, with_seed
from lrfind.range_test import centre
from lrfind.range_test import curve_smoothing as line
from lrfind.range_test.reading import Rule, read
from lrfind.range_test.sweeps import sweep_task
from lrfind.tasks.build import build

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from benchmarks.truth.oracles import Oracle
    from lrfind.range_test.curve import Curve

PAGE = Path(__file__).parent / "results" / "choice.md"
SEEDS = range(100, 104)
"""Of the sweeps that are made otherwise than by default."""


class Choice(NamedTuple):
    """Numbers of the rule.

    Attributes:
        deep: Share of the fall from which on the valley is.
        share: Width of the smoothing as a share of the ladder.
        shallow: Share of the loss from which fall on momentum counts in full; 0: always.
        again: Power of the epoch's share for a loss that is lost altogether.
        factor: On the answer.
    """

    deep: float
    share: float
    shallow: float
    again: float
    factor: float


SHIPPED = Choice(centre.DEEP, line.PAIRED_SHARE, centre.SHALLOW, centre.AGAIN, 1.0)
CHOICES = [
    Choice(*numbers)
    for numbers in product(
        (0.5, 0.75, 0.9),
        (1 / 40, 1 / 30, 1 / 20),
        (0.0, 0.1, 0.2, 0.4),
        (0.0, 1.0, 2.0, 3.0),
        (0.7, 0.85, 1.0, 1.4),
    )
]


OTHERWISE = {
    "by default": (),
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


class Seen(NamedTuple):
    """What the answer of one sweep is made of; None in its place where the sweep has none."""

    middle: float
    momentum: float
    epoch: float
    lost: float


def seen(curve: Curve) -> Seen | None:
    """The valley of a sweep, read with the numbers that hold now."""
    reading = read(curve, rule=Rule.CENTRE)
    smoothed, sides = reading.smoothed, centre.valley_sides(reading.smoothed)
    if reading.suggestion is None or sides is None:
        return None
    epoch = max(smoothed.epoch_share, centre.LEAST_SHARE)
    return Seen(math.sqrt(sides[0] * sides[1]), smoothed.momentum, epoch, smoothed.share_lost)


def answer(found: Seen, choice: Choice) -> float:
    """The rate that the rule would answer with other numbers."""
    counts = min(1.0, found.lost / choice.shallow) if choice.shallow else 1.0
    again = max(centre.LEAST, found.epoch ** (choice.again * found.lost))
    return found.middle * (1 - found.momentum) ** (0.5 * counts) * again * choice.factor


def regrets(curves: Sequence[Curve], oracle: Oracle) -> NDArray[np.float64]:
    """Mean regret of every choice on the sweeps of a task, shape (choices,); no answer counts as 1."""
    found = np.ones((len(CHOICES), len(curves)))
    for deep, share in {choice[:2] for choice in CHOICES}:
        with numbers(deep, share):
            valleys = [seen(curve) for curve in curves]
        for i, choice in enumerate(CHOICES):
            if choice[:2] == (deep, share):
                found[i] = [1.0 if each is None else oracle.regret(answer(each, choice)) for each in valleys]
    return found.mean(axis=1)


def parts_regrets(curves: Sequence[Curve], oracle: Oracle) -> dict[str, float]:
    """Mean regret on the sweeps of a task with one part of the answer left out."""
    valleys = [seen(curve) for curve in curves]

    def mean(**others: float) -> float:
        found = [None if each is None else answer(each._replace(**others), SHIPPED) for each in valleys]
        return float(np.mean([oracle.regret(lr) for lr in found]))

    return {"momentum not counted": mean(momentum=0.0), "short epochs not counted": mean(epoch=1.0)}


def shipped_regret(curves: Sequence[Curve], oracle: Oracle) -> float:
    """Mean regret of the suggestions on the sweeps of a task; no answer counts as 1."""
    found = [read(curve, rule=Rule.CENTRE).suggestion for curve in curves]
    return float(np.mean([oracle.regret(None if each is None else each.lr) for each in found]))


def page(
    table: NDArray[np.float64],
    parts: dict[str, NDArray[np.float64]],
    others: dict[str, NDArray[np.float64]],
    tasks: Sequence[str],
) -> str:
    """The page.

    Args:
        table: Mean regrets, shape (choices, tasks).
        parts: Mean regrets with a part of the answer left out, shapes (tasks,).
        others: Mean regrets on other sweeps, shapes (tasks,); none where they were left out.
        tasks: Their names.
    """
    roles = np.array([TASKS[task].role is Role.TUNING for task in tasks])
    everywhere = range(len(tasks))
    left_out = [table[int(np.delete(table, j, axis=1).mean(axis=1).argmin()), j] for j in everywhere]
    by_tuning = int(table[:, roles].mean(axis=1).argmin())
    best = int(table.mean(axis=1).argmin())
    shipped = min(range(len(CHOICES)), key=lambda i: math.dist(CHOICES[i], SHIPPED))

    def row(name: str, values: NDArray[np.float64], numbers: str) -> str:
        means = (values.mean(), np.median(values), values[roles].mean(), values[~roles].mean())
        cells = [name, *([numbers] if numbers else []), *(f"{mean:.3f}" for mean in means)]
        return f"| {' | '.join(cells)} |"

    def said(choice: Choice) -> str:
        deep, share, shallow, again, factor = choice
        return f"{deep:g}, 1/{1 / share:.0f}, {shallow:g}, {again:g}, {factor:g}"

    rows = [
        row("as shipped", table[shipped], said(CHOICES[shipped])),
        row("the best of all on all tasks, in sample", table[best], said(CHOICES[best])),
        row("chosen on the tuning tasks alone", table[by_tuning], said(CHOICES[by_tuning])),
        row("chosen for each task by all others", np.array(left_out), "differ"),
    ]
    elsewhere = [
        f"And on other sweeps, {len(SEEDS)} a task, with the numbers that are shipped:",
        "",
        "| sweeps | mean regret | median task | tuning tasks | report tasks |",
        "|---|---|---|---|---|",
        *(row(name, values, "") for name, values in others.items()),
    ]
    return "\n".join(
        [
            "# What choosing the numbers is worth",
            "",
            f"Made by `python -m benchmarks.truth.choice`: {len(CHOICES)} combinations of the rule's five "
            "numbers (share of the fall that the valley begins at, width of the smoothing as a share of the "
            "ladder, share of the loss from which fall on momentum counts in full, power of the epoch's "
            "share for a loss that is lost altogether, factor), scored on the same recorded sweeps of "
            f"{len(tasks)} tasks, each read alone, without repeats. No answer counts as a regret of 1. In "
            "the third row no report task had a say.",
            "",
            "| choice | its numbers | mean regret | median task | tuning tasks | report tasks |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "The same with one part of the answer left out:",
            "",
            "| left out | mean regret | median task | tuning tasks | report tasks |",
            "|---|---|---|---|---|",
            row("nothing", table[shipped], ""),
            *(row(name, values, "") for name, values in parts.items()),
            "",
            *([*elsewhere, ""] if others else []),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="leave out the sweeps that are made otherwise")
    args = parser.parse_args()
    torch.set_num_threads(1)
    searched = oracles(read_lines(RUNS), kind="constant", budget=BUDGET)
    curves = recorded()
    tasks = [task for task in curves if task in searched]
    table = np.array([regrets(curves[task], searched[task]) for task in tasks]).T
    each = [parts_regrets(curves[task], searched[task]) for task in tasks]
    parts = {name: np.array([one[name] for one in each]) for name in each[0]}
    others = {
        name: np.array([shipped_regret(sweeps(task, *overrides), searched[task]) for task in tasks])
        for name, overrides in ({} if args.quick else OTHERWISE).items()
    }
    PAGE.write_text(page(table, parts, others, tasks))
    print(f"{PAGE} written.")


if __name__ == "__main__":
    main()
