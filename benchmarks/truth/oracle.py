"""Searches the best rate of every task: trains at every rate of a grid, several seeds, and records each run.

    python -m benchmarks.truth.oracle --estimate      what it would cost, without recording
    python -m benchmarks.truth.oracle                 goes on where it stopped; Ctrl-C at any time
    python -m benchmarks.truth.oracle --only TASK,TASK --seeds 2

The lines go to results/runs.jsonl.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.truth.lines import append_line, read_lines, rounded
from benchmarks.truth.oracles import promising
from benchmarks.truth.tasks import BUDGET, LONG, LONG_BUDGET, ONE_CYCLE, TASKS, config_of, optimizer_kind
from benchmarks.truth.training import Trainer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

RUNS = Path(__file__).parent / "results" / "runs.jsonl"

TOPS = {"sgd": 1e2, "momentum": 1e1, "nesterov": 1e1, "rmsprop": 1e0, "adam": 1e0}
TOPS |= {"adamw": 1e0, "nadam": 1e0, "adamax": 1e0, "radam": 1e0, "adagrad": 1e1}
"""The highest rate of the grid by optimizer; the grid goes down from it by 6 decades."""

SEEDS, LONG_SEEDS, CYCLE_SEEDS = 8, 3, 3
FIRST = 2
"""Seeds of the first pass, at every rate."""


@dataclass(frozen=True, slots=True)
class Run:
    """One training run to be made; what is recorded is known by it."""

    task: str
    kind: str
    budget: int
    lr: float
    seed: int


def grid(optimizer: str, *, per_decade: int = 4, decades: float = 6) -> list[float]:
    """Rates in descending distance from the top, both ends included, rising."""
    top = np.log10(TOPS[optimizer])
    count = round(decades * per_decade) + 1
    return [float(f"{lr:.6g}") for lr in np.logspace(top - decades, top, count)]


def run_of(line: dict[str, Any]) -> Run:
    """The run that a line records."""
    return Run(line["task"], line["kind"], line["budget"], line["lr"], line["seed"])


def kept(lines: Iterable[dict[str, Any]], task: str) -> set[float] | None:
    """The rates of a task that the first pass does not show to be hopeless; None while it is not complete."""
    first = [
        line
        for line in lines
        if (line["task"], line["kind"], line["budget"]) == (task, "constant", BUDGET) and line["seed"] < FIRST
    ]
    rates = {line["lr"] for line in first}
    if not rates or len(first) < FIRST * len(rates):
        return None
    return promising(first)


def plan(names: Iterable[str], path: Path, seeds: int = SEEDS) -> Iterator[Run]:
    """All runs in the order in which they are made; further seeds as the recorded first pass says."""
    names = list(names)
    kinds = {name: optimizer_kind(config_of(name)) for name in names}
    for name in names:
        for seed in range(min(FIRST, seeds)):
            yield from (Run(name, "constant", BUDGET, lr, seed) for lr in grid(kinds[name]))
    for name in names:
        if name in ONE_CYCLE:
            rates = grid(kinds[name], per_decade=2, decades=5)
            yield from (
                Run(name, "one_cycle", BUDGET, lr, seed)
                for seed in range(min(CYCLE_SEEDS, seeds))
                for lr in rates
            )
    for name in names:
        if name in LONG:
            rates = grid(kinds[name], per_decade=2, decades=5)
            yield from (
                Run(name, "constant", LONG_BUDGET, lr, seed)
                for seed in range(min(LONG_SEEDS, seeds))
                for lr in rates
            )
    for seed in range(FIRST, seeds):
        for name in names:
            worth = kept(read_lines(path), name)
            lrs = [lr for lr in grid(kinds[name]) if worth is None or lr in worth]
            yield from (Run(name, "constant", BUDGET, lr, seed) for lr in lrs)


def search(names: Iterable[str], path: Path = RUNS, *, seeds: int = SEEDS) -> int:
    """Makes every run that is not recorded yet and returns how many it made."""
    done = {run_of(line) for line in read_lines(path)}
    trainer: Trainer | None = None
    count = 0
    for run in plan(names, path, seeds):
        if run in done:
            continue
        if trainer is None or trainer.name != run.task:
            trainer = Trainer(run.task)
        ended = trainer.train(run.lr, run.seed, budget=run.budget, kind=run.kind)
        append_line(
            path,
            {
                "task": run.task,
                "kind": run.kind,
                "budget": run.budget,
                "lr": run.lr,
                "seed": run.seed,
                "initial": rounded(ended.initial),
                "final": rounded(ended.final),
                "status": ended.status,
                "seconds": rounded(ended.seconds, 3),
            },
        )
        count += 1
    return count


def estimate(names: Iterable[str]) -> None:
    """Prints the seconds of one run of each task, and of all first runs together."""
    total = 0.0
    for name in names:
        started = time.perf_counter()
        trainer = Trainer(name)
        ready = time.perf_counter() - started
        rates = grid(optimizer_kind(trainer.config))
        started = time.perf_counter()
        ends = [trainer.train(rates[i], 0, budget=BUDGET) for i in (4, len(rates) - 9)]
        cost = (time.perf_counter() - started) / 2
        total += cost * len(rates) * FIRST
        losses = ", ".join(f"{rounded(end.final, 3)}" for end in ends)
        print(
            f"{name:32} {ready:5.1f} s to read, {cost:5.2f} s a run; {ends[0].initial:.3g} -> {losses}",
            flush=True,
        )
    print(f"two seeds at every rate: {total / 60:.0f} minutes")


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--only", help="tasks, separated by commas")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="training runs a rate")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where runs are recorded")
    parser.add_argument("--estimate", action="store_true", help="time a few runs and record none")
    args = parser.parse_args()
    torch.set_num_threads(1)
    names = args.only.split(",") if args.only else list(TASKS)
    for name in names:
        if lacks := TASKS[name].lacks:
            print(f"{name} is left out: {lacks}.")
    names = [name for name in names if not TASKS[name].lacks]
    if args.estimate:
        estimate(names)
    else:
        print(f"{search(names, args.runs, seeds=args.seeds)} runs made.")


if __name__ == "__main__":
    main()
