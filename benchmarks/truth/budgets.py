"""Searches the best rates at several budgets at once, of larger tasks and of small ones, and of schedules.

    python -m benchmarks.truth.budgets large               goes on where it stopped; Ctrl-C at any time
    python -m benchmarks.truth.budgets small
    python -m benchmarks.truth.budgets schedules --only TASK,TASK --seeds 2

A run at a constant rate is read on the way: what it has come to after 500 of 2,000 steps is what a run of 500
steps comes to. The search begins at a rate that is usual for the optimizer, or at the best of 300 steps where
that is known, and walks in half decades until the best rate of every budget lies inside, then looks a quarter
of a decade to either side of the best of the whole budget; further seeds are trained at the rates that the
first does not show to be hopeless. The lines go to results/large_runs.jsonl and results/budget_runs.jsonl.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.truth.lines import append_line, read_lines, rounded
from benchmarks.truth.oracle import RUNS
from benchmarks.truth.oracles import capped, oracles, promising
from benchmarks.truth.tasks import BUDGET, config_of, optimizer_kind, task_named
from benchmarks.truth.training import Trainer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LARGE_RUNS = Path(__file__).parent / "results" / "large_runs.jsonl"
BUDGET_RUNS = Path(__file__).parent / "results" / "budget_runs.jsonl"

SEEDS = 2
"""Of the small tasks; the larger ones have one."""

STARTS = {"sgd": -1.0, "momentum": -1.5, "nesterov": -1.5}
"""The exponent of the first rate by optimizer; -2.5 for the rest."""

BELOW = 2
"""Half decades below the best rate that are searched; above it is one."""

HOPELESS = 0.25
"""Share of the budget after which a run that is above its initial loss ends."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched: a task, how the rate runs, and for how long.

    Attributes:
        task: Its name.
        kind: `constant` or `cosine`, the latter with a warm-up.
        budgets: Steps, rising; a schedule has one.
    """

    task: str
    kind: str
    budgets: tuple[int, ...]


def _halved(budget: int, count: int) -> tuple[int, ...]:
    return tuple(budget // 2**i for i in reversed(range(count)))


LARGE_SEARCHES = (
    Search("large_mnist_mlp_sgd", "constant", _halved(2000, 5)),
    Search("large_mnist_mlp_momentum", "constant", _halved(2000, 5)),
    Search("large_mnist_cnn_adamw", "constant", _halved(1000, 4)),
    Search("large_text_lstm_adam", "constant", _halved(800, 4)),
    Search("large_text_transformer_adamw", "constant", _halved(800, 4)),
    Search("large_dogs_trained_momentum", "constant", _halved(160, 3)),
    Search("large_dogs_resnet_momentum", "constant", _halved(160, 3)),
    Search("large_mnist_cnn_adamw", "cosine", (1000,)),
    Search("large_mnist_mlp_momentum", "cosine", (2000,)),
)
"""Cheap ones first; fewer than 2,000 steps where a step is dear."""

SMALL = (
    "digits_logistic_sgd",
    "scaled_linear_nesterov",
    "digits_mlp_sgd",
    "cancer_mlp_sgd",
    "scaled_mlp_sgd",
    "mnist_mlp_batch4_momentum",
    "new_digits_momentum",
    "chars_mlp_sgd",
    "digits_mlp_adam",
    "curve_adam",
    "mnist_mlp_sgd",
    "digits_mlp_nadam",
    "cancer_mlp_adamw",
    "wine_mlp_adamw",
    "mnist_logistic_adam",
    "chars_mlp_rmsprop",
)
"""Small tasks in order of their cost; the blind ones, the refused and those that cost more are left out."""

SMALL_BUDGETS = (75, 150, 300, 600, 1500)

SMALL_SEARCHES = tuple(Search(name, "constant", SMALL_BUDGETS) for name in SMALL)

SCHEDULED = (
    *SMALL,
    "wine_gelu_mlp_sgd",
    "diabetes_momentum",
    "labels_layernorm_mlp_momentum",
    "friedman_mlp_adamw",
    "mnist_leaky_batch16_sgd",
    "spirals_mlp_adam",
    "moons_mlp_sgd",
    "chars_mlp_momentum",
    "mnist_dropout_sgd",
    "digits_cnn_sgd",
    "mnist_wide_mlp_momentum",
    "mnist_turned_sgd",
)
"""Half of those that were added are SGD without momentum, whose best rates lie nearest to where training
breaks down: there a peak is soon too high."""

SCHEDULE_SEARCHES = tuple(
    Search(name, kind, (BUDGET,)) for name in SCHEDULED for kind in ("cosine", "one_cycle")
)
"""The peaks of two schedules at 300 steps."""

SETS = {
    "large": (LARGE_SEARCHES, LARGE_RUNS, 1),
    "small": (SMALL_SEARCHES, BUDGET_RUNS, SEEDS),
    "schedules": (SCHEDULE_SEARCHES, BUDGET_RUNS, SEEDS),
}
"""What can be searched, where it is recorded, and with how many seeds."""


def rate_of(quarter: int) -> float:
    """The rate of so many quarters of a decade above 1."""
    return float(f"{10 ** (quarter / 4):.6g}")


def next_rate(lines: Iterable[dict[str, Any]], search: Search, seed: int, *, start: float) -> float | None:
    """The rate that is to be trained next; None where a seed is done.

    Args:
        lines: All that is recorded.
        search: What is searched.
        seed: The first one is walked with, the others follow it.
        start: The exponent of the first rate.
    """
    key = (search.task, search.kind)
    own = [line for line in lines if (line["task"], line["kind"]) == key]
    first = [line for line in own if line["seed"] == 0]
    if seed:
        wanted = set().union(*(promising(_at(first, budget)) for budget in search.budgets))
        done = {line["lr"] for line in own if line["seed"] == seed and line["budget"] == search.budgets[-1]}
        return min(wanted - done, default=None)
    known = {round(4 * start) + 2 * i for i in (0, 1, -1)}
    trained = {line["lr"] for line in _at(first, search.budgets[-1])}
    missing = [k for k in sorted(known, reverse=True) if rate_of(k) not in trained]
    if missing:
        return rate_of(missing[0])
    quarters = {rate_of(k): k for k in range(-40, 17)}
    halves = [lr for lr in trained if quarters[lr] % 2 == round(4 * start) % 2]
    for budget in reversed(search.budgets):
        ends = {line["lr"]: capped(line) for line in _at(first, budget) if line["lr"] in halves}
        best = quarters[min(ends, key=lambda lr: (ends[lr], lr))]
        for around in (2, *(-2 * i for i in range(1, BELOW + 1))):
            if rate_of(best + around) not in trained:
                return rate_of(best + around)
    ends = {line["lr"]: capped(line) for line in _at(first, search.budgets[-1]) if line["lr"] in halves}
    best = quarters[min(ends, key=lambda lr: (ends[lr], lr))]
    return next((rate_of(best + i) for i in (1, -1) if rate_of(best + i) not in trained), None)


def _at(lines: Iterable[dict[str, Any]], budget: int) -> list[dict[str, Any]]:
    return [line for line in lines if line["budget"] == budget]


def record(trainer: Trainer, search: Search, lr: float, seed: int, path: Path) -> None:
    """Makes a run and records a line a budget, the whole budget last."""
    runs = trainer.track(lr, seed, checkpoints=search.budgets, kind=search.kind, hopeless=HOPELESS)
    for budget, ended in zip(search.budgets, runs, strict=True):
        append_line(
            path,
            {
                "task": search.task,
                "kind": search.kind,
                "budget": budget,
                "lr": lr,
                "seed": seed,
                "initial": rounded(ended.initial),
                "final": rounded(ended.final),
                "status": ended.status,
                "seconds": rounded(ended.seconds, 3),
            },
        )


def start_of(search: Search, best: Mapping[str, float]) -> float:
    """The exponent of the rate that a search begins at: the nearest quarter to the best of 300 steps."""
    if search.task in best:
        return round(4 * math.log10(best[search.task])) / 4
    return STARTS.get(optimizer_kind(config_of(search.task)), -2.5)


def run_all(searches: Iterable[Search], path: Path, *, seeds: int = SEEDS) -> int:
    """Makes every run that is not recorded yet, seed after seed, and returns how many it made."""
    searches = list(searches)
    best = {
        task: oracle.best
        for task, oracle in oracles(read_lines(RUNS), kind="constant", budget=BUDGET).items()
    }
    trainer: Trainer | None = None
    count = 0
    for seed in range(seeds):
        for search in searches:
            start = start_of(search, best)
            while (lr := next_rate(read_lines(path), search, seed, start=start)) is not None:
                if trainer is None or trainer.name != search.task:
                    trainer = Trainer(search.task)
                record(trainer, search, lr, seed, path)
                count += 1
    return count


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("searched", choices=SETS)
    parser.add_argument("--only", help="tasks, separated by commas")
    parser.add_argument("--seeds", type=int, help="training runs a rate")
    parser.add_argument("--runs", type=Path, help="where runs are recorded")
    args = parser.parse_args()
    torch.set_num_threads(1)
    searches, path, seeds = SETS[args.searched]
    names = args.only.split(",") if args.only else list(dict.fromkeys(search.task for search in searches))
    for name in names:
        if lacks := task_named(name).lacks:
            print(f"{name} is left out: {lacks}.")
    chosen = [s for s in searches if s.task in names and not task_named(s.task).lacks]
    print(f"{run_all(chosen, args.runs or path, seeds=args.seeds or seeds)} runs made.")


if __name__ == "__main__":
    main()
