"""When a sweep is repeated: `python -m benchmarks.truth.repeat` writes results/repeat.md.

What `range.repeats=auto` decides, on the recorded sweeps (`sweeps.py`): each is the first of three once. A
criterion is an evidence below which, and a bracket narrower than which, there are three sweeps; where the
first has no answer that another sweep may have, there are three as well. For every task the others choose.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.truth.lines import read_lines
from benchmarks.truth.oracle import RUNS
from benchmarks.truth.oracles import oracles
from benchmarks.truth.sweeps import recorded
from benchmarks.truth.tasks import BUDGET, TASKS, Role
from lrfind.range_test.reading import Rule, read
from lrfind.range_test.repeat_reason import AUTO_SWEEPS, FIRM, NARROW, reason_to_repeat
from lrfind.range_test.repeats import median_curve
from lrfind.range_test.verdict import EVIDENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmarks.truth.oracles import Oracle
    from lrfind.range_test.curve import Curve

PAGE = Path(__file__).parent / "results" / "repeat.md"

MOST_SWEEPS = 1.25
"""Sweeps on average that a criterion may make: 75 steps on ladders of 60."""


class Criterion(NamedTuple):
    """The evidence below which, and the bracket as a factor narrower than which, a sweep is repeated."""

    firm: float
    narrow: float


SHIPPED = Criterion(FIRM, NARROW)
NEVER, NO_ANSWER, ALWAYS = Criterion(-np.inf, 0.0), Criterion(EVIDENT, 1.0), Criterion(np.inf, np.inf)
CRITERIA = [
    NEVER,
    *(Criterion(*pair) for pair in product((EVIDENT, 2.7, 3.0, 3.5, 4.0, 4.5), (1.0, 1.15, 1.3, 1.5))),
    ALWAYS,
]


@dataclass(frozen=True, slots=True)
class Trial:
    """One recorded sweep as the first of three.

    Attributes:
        alone: Regret of what it answers alone.
        together: Regret of what the median of the three answers.
        evidence: Of the first.
        width: Its bracket as a factor; 1 without an answer.
        undecided: Whether it has no answer, and another sweep may have one.
        answers: Whether it has one.
    """

    alone: float
    together: float
    evidence: float
    width: float
    undecided: bool
    answers: bool

    def repeated(self, criterion: Criterion) -> bool:
        """Whether the criterion asks for more sweeps."""
        if criterion in (NEVER, ALWAYS):
            return criterion == ALWAYS
        if not self.answers:
            return self.undecided
        return self.evidence < criterion.firm or self.width < criterion.narrow


def trials(curves: Sequence[Curve], oracle: Oracle) -> list[Trial]:
    """Every sweep of a task as the first of three, the last ones going on with the first."""
    found = []
    for i, curve in enumerate(curves):
        first = read(curve, rule=Rule.CENTRE)
        three = [curves[(i + j) % len(curves)] for j in range(AUTO_SWEEPS)]
        all_of_them = read(median_curve(three, beta=0.98), rule=Rule.CENTRE)
        lrs = [None if each is None else each.lr for each in (first.suggestion, all_of_them.suggestion)]
        alone = first.suggestion
        found.append(
            Trial(
                *(oracle.regret(lr) for lr in lrs),
                evidence=first.smoothed.evidence if len(first.smoothed) else 0.0,
                width=1.0 if alone is None else alone.high / alone.low,
                undecided=alone is None and reason_to_repeat(first) is not None,
                answers=alone is not None,
            )
        )
    return found


def scored(of_task: Sequence[Trial], criterion: Criterion) -> tuple[float, float]:
    """Mean regret and mean number of sweeps on a task."""
    again = [trial.repeated(criterion) for trial in of_task]
    regrets = [t.together if repeated else t.alone for t, repeated in zip(of_task, again, strict=True)]
    return float(np.mean(regrets)), 1 + (AUTO_SWEEPS - 1) * float(np.mean(again))


def chosen(regrets: NDArray[np.float64], sweeps: NDArray[np.float64]) -> int:
    """The criterion of least mean regret that makes no more than `MOST_SWEEPS`; arrays (criteria, tasks)."""
    means = regrets.mean(axis=1)
    means[sweeps.mean(axis=1) > MOST_SWEEPS] = np.inf
    return int(np.argmin(means))


def page(regrets: NDArray[np.float64], sweeps: NDArray[np.float64], tasks: Sequence[str]) -> str:
    """The page; mean regrets and sweeps have the shape (criteria, tasks)."""
    roles = np.array([TASKS[task].role is Role.TUNING for task in tasks])
    by_others = [
        chosen(np.delete(regrets, j, axis=1), np.delete(sweeps, j, axis=1)) for j in range(len(tasks))
    ]
    left_out = [np.array([table[i, j] for j, i in enumerate(by_others)]) for table in (regrets, sweeps)]
    best = chosen(regrets, sweeps)
    by_tuning = chosen(regrets[:, roles], sweeps[:, roles])

    def row(name: str, values: NDArray[np.float64], made: NDArray[np.float64], words: str) -> str:
        means = (values.mean(), values[roles].mean(), values[~roles].mean())
        return f"| {name} | {words} | " + " | ".join(f"{m:.3f}" for m in means) + f" | {made.mean():.2f} |"

    def of(name: str, i: int) -> str:
        criterion = CRITERIA[i]
        words = {NEVER: "never", ALWAYS: "always"}.get(criterion, f"{criterion.firm:g}, {criterion.narrow:g}")
        return row(name, regrets[i], sweeps[i], words)

    differ = len(set(by_others))
    return "\n".join(
        [
            "# When a sweep is repeated",
            "",
            f"Made by `python -m benchmarks.truth.repeat`, on the recorded sweeps of {len(tasks)} tasks. A "
            "criterion is an evidence below which, and a bracket (as a factor) narrower than which, two more "
            "sweeps are made; where the first has no answer they are made under every one but *never*. Those "
            f"chosen make at most {MOST_SWEEPS:g} sweeps on average. Left out one by one, the tasks choose "
            f"{differ} different {'criterion' if differ == 1 else 'criteria'}.",
            "",
            "| criterion | evidence, bracket | mean regret | tuning tasks | report tasks | sweeps |",
            "|---|---|---|---|---|---|",
            of("one sweep", CRITERIA.index(NEVER)),
            of("without an answer only", CRITERIA.index(NO_ANSWER)),
            of("as shipped", CRITERIA.index(SHIPPED)),
            of("the best of all on all tasks, in sample", best),
            of("chosen on the tuning tasks alone", by_tuning),
            row("chosen for each task by all others", *left_out, "differ"),
            of("three sweeps", CRITERIA.index(ALWAYS)),
            "",
        ]
    )


def main() -> None:
    searched = oracles(read_lines(RUNS), kind="constant", budget=BUDGET)
    curves = recorded()
    tasks = [task for task in curves if task in searched]
    tried = {task: trials(curves[task], searched[task]) for task in tasks}
    table = np.array([[scored(tried[task], each) for task in tasks] for each in CRITERIA])
    PAGE.write_text(page(table[:, :, 0], table[:, :, 1], tasks))
    print(f"{PAGE} written.")


if __name__ == "__main__":
    main()
