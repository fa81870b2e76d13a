"""How the best rate falls with the budget, and how high a schedule's peak may be: writes results/laws.md.

    python -m benchmarks.truth.laws

From the runs of `budgets.py`. What `range.horizon` and the peaks of `lrfind range` use are these figures; a
test holds them to each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.truth.budgets import BUDGET_RUNS, SMALL_BUDGETS
from benchmarks.truth.falls import GOOD, chosen, falls_of, middle
from benchmarks.truth.finders import FOUND
from benchmarks.truth.lines import read_lines
from benchmarks.truth.oracle import RUNS
from benchmarks.truth.oracles import oracles
from benchmarks.truth.scores import by_task, mean_regret
from benchmarks.truth.table import markdown_table
from benchmarks.truth.tasks import BUDGET
from lrfind.schedules.peaks import peak_within

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.truth.falls import Fall, Law
    from benchmarks.truth.oracles import Oracle

    Answers = list[dict[str, Any]]

LAWS = Path(__file__).parent / "results" / "laws.md"

PEAKS = ("cosine", "one_cycle")
FACTORS = (0.5, 1, 1.5, 2, 2.5, 3, 4)


@dataclass(frozen=True, slots=True)
class Peak:
    """How high the peak of a schedule may be against the best constant rate.

    Attributes:
        kind: The schedule.
        ratios: Best peak over best constant rate, by task; middles of the good ones.
        regrets: Regret of lrfind's suggestion times each of `FACTORS` as the peak, but no higher than
            the sweep allows, shape (tasks, factors).
        beyond: The same without that limit.
        within: Share of sweeps whose regret is at most 0.05, shape (factors,).
    """

    kind: str
    ratios: dict[str, float]
    regrets: NDArray[np.float64]
    beyond: NDArray[np.float64]
    within: NDArray[np.float64]

    @property
    def factor(self) -> float:
        """The factor of least mean regret."""
        return FACTORS[int(np.argmin(self.regrets.mean(axis=0)))]

    def mean_regret(self, factor: float, *, beyond: bool = False) -> float:
        """Over tasks, of one of `FACTORS`; with `beyond` without the limit of the sweep."""
        regrets = self.beyond if beyond else self.regrets
        return float(regrets[:, FACTORS.index(factor)].mean())

    def share_within(self, factor: float) -> float:
        """Share of sweeps with a regret of at most 0.05, of one of `FACTORS`."""
        return float(self.within[FACTORS.index(factor)])

    @property
    def apart(self) -> float:
        """Mean regret where for every task all others choose the factor."""
        rest = [np.delete(self.regrets, i, axis=0).mean(axis=0) for i in range(len(self.regrets))]
        return float(
            np.mean([row[np.argmin(others)] for row, others in zip(self.regrets, rest, strict=True)])
        )

    @property
    def ratio(self) -> tuple[float, float]:
        """Geometric mean of the ratios, and their geometric standard deviation, both factors."""
        logs = np.log(list(self.ratios.values()))
        return float(np.exp(logs.mean())), float(np.exp(logs.std(ddof=1)))


def peak_of(
    kind: str, lines: Sequence[dict[str, Any]], constant: Mapping[str, Oracle], answers: Mapping[str, Answers]
) -> Peak:
    """What is known of the peak of a schedule, over the tasks that were searched under it."""
    searched = {t: o for t, o in oracles(lines, kind=kind, budget=BUDGET).items() if t in answers}
    ratios = {task: middle(oracle) / middle(constant[task]) for task, oracle in searched.items()}
    every = [[_regrets(answers[t], o, factor) for factor in FACTORS] for t, o in searched.items()]
    beyond = [[mean_regret(answers[t], o, factor=f) for f in FACTORS] for t, o in searched.items()]
    regrets = np.array([[each.mean() for each in of_task] for of_task in every])
    within = [[(each <= 0.05).mean() for each in of_task] for of_task in every]
    return Peak(kind, ratios, regrets, np.array(beyond), np.mean(within, axis=0))


def _regrets(lines: Answers, oracle: Oracle, factor: float) -> NDArray[np.float64]:
    """Regret of the peak that goes with each answer; without a limit where none is recorded."""
    return np.array(
        [
            oracle.regret(
                None
                if line["lr"] is None
                else peak_within(line["lr"], factor, line.get("highest_peak") or inf)
            )
            for line in lines
        ]
    )


@dataclass(frozen=True, slots=True)
class Worth:
    """What a law is worth on a task that it was not fitted on.

    Attributes:
        task: Its name.
        budget: Steps.
        factor: What the law makes of the rate for `BUDGET` steps.
        without: Regret of lrfind's suggestion as it is.
        with_law: Regret of it times the factor.
        best_without: Regret of the best rate of `BUDGET` steps.
        best_with: Regret of it times the factor.
    """

    task: str
    budget: int
    factor: float
    without: float
    with_law: float
    best_without: float
    best_with: float


def worth_of(task: str, oracle: Oracle, best: float, lines: Answers, *, budget: int, factor: float) -> Worth:
    """What a factor for a budget is worth on a task.

    Args:
        task: Its name.
        oracle: Of the budget.
        best: The best rate of `BUDGET` steps.
        lines: lrfind's answers.
        budget: Steps.
        factor: What a law makes of the rate.
    """
    given = mean_regret(lines, oracle), mean_regret(lines, oracle, factor=factor)
    return Worth(task, budget, factor, *given, oracle.regret(best), oracle.regret(best * factor))


def left_out(
    falls: Sequence[Fall],
    searched: Mapping[int, Mapping[str, Oracle]],
    best: Mapping[str, float],
    answers: Mapping[str, Answers],
    *,
    budget: int,
) -> list[Worth]:
    """What the law of all other tasks is worth on each."""
    found = []
    for fall in falls:
        law = chosen([other for other in falls if other is not fall], searched[max(searched)])
        factor = law.factor(budget, fall.per_epoch)
        oracle, lines = searched[budget][fall.task], answers[fall.task]
        found.append(worth_of(fall.task, oracle, best[fall.task], lines, budget=budget, factor=factor))
    return found


def page(
    lines: Sequence[dict[str, Any]], runs: Sequence[dict[str, Any]], found: Sequence[dict[str, Any]]
) -> str:
    """The whole page: the fall, whether the law helps on what it was not fitted on, and the peaks."""
    constant = oracles(runs, kind="constant", budget=BUDGET)
    answers = by_task(found, "lrfind")
    searched = {budget: oracles(lines, kind="constant", budget=budget) for budget in SMALL_BUDGETS}
    falls = falls_of(lines)
    law = chosen(falls, searched[max(searched)])
    best = {task: oracle.best for task, oracle in constant.items()}
    budgets = " | ".join(f"{budget} steps" for budget in SMALL_BUDGETS)
    longer = [budget for budget in SMALL_BUDGETS if budget > BUDGET]
    worths = [left_out(falls, searched, best, answers, budget=budget) for budget in longer]
    peaks = [peak_of(kind, lines, constant, answers) for kind in PEAKS]
    parts = [
        "# Longer trainings, and schedules",
        "Made by `python -m benchmarks.truth.laws` from `budget_runs.jsonl`, `runs.jsonl` and "
        "`finders.jsonl`; the method is in `../README.md`.",
        "## How the best rate falls with the budget",
        f"The middle of rates with a regret of at most {GOOD:g}. The law: the rate of {BUDGET} steps times "
        f"(steps / {BUDGET})^-{law.exponent:.2f}, and from {law.passes:g} passes over the data on in inverse "
        f"proportion to them; one standard deviation between tasks is {law.spread:.2f} in the exponent. "
        f"Exponents are from {BUDGET} to {max(SMALL_BUDGETS)} steps.",
        markdown_table(
            f"| task | steps of an epoch | {budgets} | exponent of its own | of the law |",
            (_fall_row(fall, law) for fall in sorted(falls, key=lambda fall: fall.per_epoch)),
        ),
        "## Is it worth using?",
        "Regrets of lrfind's suggestion as it is and times the factor of the law, and the same of the best "
        f"rate of {BUDGET} steps. For every task the law is that of all others, its passes chosen by them.",
        markdown_table(
            "| steps | tasks | mean, as it is | with | median, as it is | with | worst, as it is | with "
            f"| better on | worse on | best of {BUDGET} steps, as it is | with |",
            (_worth_row(each) for each in worths),
        ),
        "Better and worse: by more than 0.002.",
        f"## The peak of a schedule of {BUDGET} steps",
        "Mean regret, under the schedule, of lrfind's suggestion for a constant rate times a factor, but "
        "no higher than its sweep allows, and the share of its sweeps whose regret is at most 0.05. Apart: "
        "where for every task all others choose the factor. Beyond: times 2 without that limit.",
        markdown_table(
            "| schedule | tasks | best peak over best constant rate | "
            f"{' | '.join(f'times {factor:g}' for factor in FACTORS)} | apart | beyond |",
            (_peak_row(peak) for peak in peaks),
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _fall_row(fall: Fall, law: Law) -> str:
    middles = " | ".join(f"{fall.middles[budget]:.2g}" for budget in SMALL_BUDGETS)
    longest = max(fall.middles)
    by_law = -np.log(law.factor(longest, fall.per_epoch)) / np.log(longest / BUDGET)
    return f"| {fall.task} | {fall.per_epoch} | {middles} | {fall.exponent:.2f} | {by_law:.2f} |"


def _worth_row(worths: Sequence[Worth]) -> str:
    each = np.array([[w.without, w.with_law, w.best_without, w.best_with] for w in worths])
    mean, median, worst = each.mean(axis=0), np.median(each, axis=0), each.max(axis=0)
    better, worse = (int((sign * (each[:, 0] - each[:, 1]) > 0.002).sum()) for sign in (1, -1))
    figures = [mean[0], mean[1], median[0], median[1], worst[0], worst[1]]
    cells = " | ".join(f"{figure:.3f}" for figure in figures)
    cells += f" | {better} | {worse} | {mean[2]:.3f} | {mean[3]:.3f}"
    return f"| {worths[0].budget} | {len(worths)} | {cells} |"


def _peak_row(peak: Peak) -> str:
    means = zip(peak.regrets.mean(axis=0), peak.within, strict=True)
    cells = " | ".join(f"{mean:.3f}, {within:.0%}" for mean, within in means)
    middle_ratio, spread = peak.ratio
    ratio = f"{middle_ratio:.1f}, times or divided by {spread:.1f}"
    beyond = peak.mean_regret(2, beyond=True)
    return f"| {peak.kind} | {len(peak.ratios)} | {ratio} | {cells} | {peak.apart:.3f} | {beyond:.3f} |"


def main() -> None:
    LAWS.write_text(page(read_lines(BUDGET_RUNS), read_lines(RUNS), read_lines(FOUND)))
    print(f"{LAWS} written.")


if __name__ == "__main__":
    main()
