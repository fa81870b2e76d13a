"""The finders on the larger tasks: `python -m benchmarks.truth.large` writes results/large.md."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.truth.budgets import LARGE_RUNS, LARGE_SEARCHES
from benchmarks.truth.falls import steps_per_epoch
from benchmarks.truth.finders import LARGE_FOUND
from benchmarks.truth.lines import read_lines
from benchmarks.truth.oracles import oracles
from benchmarks.truth.scores import by_task, mean_regret, median_lr
from benchmarks.truth.table import markdown_table, names_of
from lrfind.range_test.horizon import Horizon
from lrfind.schedules.peaks import TIMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.truth.budgets import Search
    from benchmarks.truth.oracles import Oracle

LARGE = Path(__file__).parent / "results" / "large.md"


def oracles_of(lines: Sequence[dict[str, Any]]) -> list[tuple[Search, int, Oracle]]:
    """The oracle of every search at its whole budget, in the order of the searches."""
    found = []
    for search in LARGE_SEARCHES:
        budget = search.budgets[-1]
        oracle = oracles(lines, kind=search.kind, budget=budget).get(search.task)
        if oracle is not None:
            found.append((search, budget, oracle))
    return found


def page(lines: Sequence[dict[str, Any]], found: Sequence[dict[str, Any]]) -> str:
    """The whole page."""
    searched = oracles_of(lines)
    constant = [(search, budget, oracle) for search, budget, oracle in searched if search.kind == "constant"]
    scheduled = [(search, budget, oracle) for search, budget, oracle in searched if search.kind != "constant"]
    parts = [
        "# Larger tasks",
        "Made by `python -m benchmarks.truth.large` from `large_runs.jsonl` and `large_finders.jsonl`; the "
        "method is in `../README.md`. The grids are small: half decades, and quarters beside the best of the "
        "first seed.",
        "## What was searched",
        markdown_table(
            "| task | how the rate runs | steps | rates | seeds | held-out loss | best rate | within 0.05 "
            "| best rate at fewer steps |",
            (_searched_row(lines, *each) for each in searched),
        ),
        "## The finders, at a constant rate",
        "Regrets, each the mean of its three sweeps; no answer counts as 1. On the other tasks lrfind alone "
        "was asked.",
        markdown_table(
            f"| finder | {' | '.join(task.removeprefix('large_') for task, *_ in compared(found, lines))} "
            "| mean | within 0.05 | no answer | steps |",
            _finder_rows(found, lines),
        ),
        "## For so many steps: `range.horizon`",
        "lrfind's suggestion as it is, and with the horizon of the budget; nothing was chosen on these.",
        markdown_table(
            "| task | steps | steps of an epoch | suggested (median) | regret | factor | regret with it |",
            _horizon_rows(found, constant),
        ),
        "## As the peak of a cosine with a warm-up",
        "lrfind's suggestion as it is and times the factor that `lrfind range` tells for a peak.",
        markdown_table(
            "| task | steps | best constant rate | best peak | loss at the former | at the latter "
            "| regret as it is | times the factor | seeds |",
            _peak_rows(found, constant, scheduled),
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _searched_row(lines: Sequence[dict[str, Any]], search: Search, budget: int, oracle: Oracle) -> str:
    low, high = oracle.within(0.05)
    fewer = []
    for steps in search.budgets[:-1]:
        earlier = oracles(lines, kind=search.kind, budget=steps)[search.task]
        fewer.append(f"{earlier.best:.2g} at {steps:,}")
    return (
        f"| {search.task} | {search.kind} | {budget:,} | {len(oracle.lrs)} | {oracle.seeds} "
        f"| {oracle.initial:.3g} to {oracle.final:.3g} | {oracle.best:.2g} | {low:.2g} to {high:.2g} "
        f"| {', '.join(fewer)} |"
    )


def compared(
    found: Sequence[dict[str, Any]], lines: Sequence[dict[str, Any]]
) -> list[tuple[str, int, Oracle]]:
    """The tasks at a constant rate that more than one finder was asked on: name, budget and oracle."""
    finders: dict[str, set[str]] = defaultdict(set)
    for line in found:
        finders[line["task"]].add(line["finder"])
    return [
        (search.task, budget, oracle)
        for search, budget, oracle in oracles_of(lines)
        if search.kind == "constant" and len(finders[search.task]) > 1
    ]


def finder_scores(
    found: Sequence[dict[str, Any]], lines: Sequence[dict[str, Any]]
) -> list[tuple[str, float, float, float, float, float]]:
    """Of each finder its name, mean and worst regret, share within 0.05, share without answer, and steps.

    Only of those that were asked on every task that is `compared`; the least regret first.
    """
    constant = compared(found, lines)
    scored = []
    for name, regrets, answers in _regrets(found, constant):
        means = [float(np.mean(each)) for each in regrets]
        within = float(np.mean([np.mean(np.array(each) <= 0.05) for each in regrets]))
        none = float(np.mean([line["lr"] is None for line in answers]))
        steps = float(np.mean([line["steps"] for line in answers]))
        scored.append((name, float(np.mean(means)), max(means), within, none, steps))
    return sorted(scored, key=lambda row: row[1])


def _regrets(
    found: Sequence[dict[str, Any]], tasks: Sequence[tuple[str, int, Oracle]]
) -> Iterator[tuple[str, list[list[float]], list[dict[str, Any]]]]:
    """The finders that were asked on all tasks, with their regrets task by task, and all of their answers."""
    for name in names_of(list(found)):
        answers = by_task(found, name)
        if tasks and all(task in answers for task, *_ in tasks):
            asked = [answers[task] for task, *_ in tasks]
            each = zip(tasks, asked, strict=True)
            regrets = [[oracle.regret(line["lr"]) for line in own] for (_, _, oracle), own in each]
            yield name, regrets, [line for own in asked for line in own]


def _finder_rows(found: Sequence[dict[str, Any]], lines: Sequence[dict[str, Any]]) -> Iterator[str]:
    by_name = {name: regrets for name, regrets, _ in _regrets(found, compared(found, lines))}
    for name, mean, _, within, none, steps in finder_scores(found, lines):
        cells = " | ".join(f"{np.mean(each):.3f}" for each in by_name[name])
        yield f"| {name} | {cells} | {mean:.3f} | {within:.0%} | {none:.0%} | {steps:.0f} |"


def _horizon_rows(
    found: Sequence[dict[str, Any]], constant: Sequence[tuple[Search, int, Oracle]]
) -> Iterator[str]:
    ours = by_task(found, "lrfind")
    per_epoch = steps_per_epoch([search.task for search, *_ in constant if search.task in ours])
    totals = []
    for search, budget, oracle in constant:
        if search.task not in ours:
            continue
        lines, factor = ours[search.task], Horizon(budget, per_epoch[search.task]).factor
        regrets = mean_regret(lines, oracle), mean_regret(lines, oracle, factor=factor)
        totals.append(regrets)
        yield (
            f"| {search.task} | {budget:,} | {per_epoch[search.task]} | {_said(lines)} | {regrets[0]:.3f} "
            f"| {factor:.2f} | {regrets[1]:.3f} |"
        )
    if totals:
        plain, further = np.mean(totals, axis=0)
        yield f"| mean | | | | {plain:.3f} | | {further:.3f} |"


def _peak_rows(
    found: Sequence[dict[str, Any]],
    constant: Sequence[tuple[Search, int, Oracle]],
    scheduled: Sequence[tuple[Search, int, Oracle]],
) -> Iterator[str]:
    ours = by_task(found, "lrfind")
    held = {search.task: oracle for search, _, oracle in constant}
    for search, budget, oracle in scheduled:
        if search.task not in ours or search.task not in held:
            continue
        lines = ours[search.task]
        plain, higher = mean_regret(lines, oracle), mean_regret(lines, oracle, factor=TIMES)
        best = held[search.task]
        yield (
            f"| {search.task} | {budget:,} | {best.best:.2g} | {oracle.best:.2g} | {best.final:.3g} "
            f"| {oracle.final:.3g} | {plain:.3f} | {higher:.3f} | {oracle.seeds} |"
        )


def _said(lines: Sequence[dict[str, Any]]) -> str:
    lr = median_lr(lines)
    return "none" if lr is None else f"{lr:.2g}"


def main() -> None:
    LARGE.write_text(page(read_lines(LARGE_RUNS), read_lines(LARGE_FOUND)))
    print(f"{LARGE} written.")


if __name__ == "__main__":
    main()
