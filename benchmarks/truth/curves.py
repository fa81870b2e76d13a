"""Records the held-out loss on the way of training at every rate: what searches are simulated on.

    python -m benchmarks.truth.curves                   goes on where it stopped; Ctrl-C at any time
    python -m benchmarks.truth.curves --only TASK,TASK --seeds 100

The lines go to results/curves.jsonl: one a run, of the seeds that finders are asked from, which the oracle
does not use. A rate is trained as `lrfind verify` trains it, and dropped where that takes it as diverged.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.truth.finders import SEEDS
from benchmarks.truth.lines import append_line, read_lines, rounded
from benchmarks.truth.oracle import RUNS, kept
from benchmarks.truth.tasks import BUDGET, TASKS
from benchmarks.truth.training import Trainer, joined
from lrfind.training.runs import train_runs
from lrfind.training.stacking.strategy import Strategy

if TYPE_CHECKING:
    from collections.abc import Iterable

CURVES = Path(__file__).parent / "results" / "curves.jsonl"

STOP_FACTOR = 100.0
"""How many times its initial loss a run must pass to be given up: some that rise by 10 at first end best."""

READ_AT = (0, 25, 50, 75, 100, 150, 200, 250, 300)
"""Updates before each reading."""


def rates_of(task: str, lines: list[dict[str, Any]]) -> list[float]:
    """The rates of the oracle's grid that are recorded: all but what learns next to nothing.

    Below the lowest that the oracle did not find hopeless every fourth is enough, a decade from the next:
    there the loss falls in proportion to the rate.
    """
    lrs = sorted({line["lr"] for line in lines if line["task"] == task and line["kind"] == "constant"
                  and line["budget"] == BUDGET})  # fmt: skip
    low = min(kept(lines, task) or lrs)
    first = max(lrs.index(low) - 1, 0)
    return [lr for i, lr in enumerate(lrs) if i >= first or (first - i) % 4 == 0]


def record(names: Iterable[str], seeds: Iterable[int], path: Path = CURVES, runs: Path = RUNS) -> int:
    """Trains what is not recorded yet and returns how many runs that were."""
    lines = read_lines(runs)
    done = {(line["task"], line["seed"], line["lr"]) for line in read_lines(path)}
    count = 0
    trainers: dict[str, Trainer] = {}
    names = list(names)
    for seed in seeds:
        for name in names:
            missing = [lr for lr in rates_of(name, lines) if (name, seed, lr) not in done]
            if missing:
                if name not in trainers:
                    trainers[name] = Trainer(name)
                count += _record_seed(trainers[name], seed, missing, path)
    return count


def _record_seed(trainer: Trainer, seed: int, lrs: list[float], path: Path) -> int:
    """All rates of one seed; they are written at the end, together."""
    task = trainer.built(seed, validation_samples=TASKS[trainer.name].held_out)
    began = time.perf_counter()
    try:
        runs = train_runs(
            task,
            lrs,
            num_steps=BUDGET,
            held_out=joined(task.validation or []),
            read_at=READ_AT,
            seed=seed,
            strategy=Strategy.SEQUENTIAL,
            stop_factor=STOP_FACTOR,
        )
    finally:
        task.close()
    seconds = time.perf_counter() - began
    for i, lr in enumerate(lrs):
        append_line(
            path,
            {
                "task": trainer.name,
                "seed": seed,
                "lr": lr,
                "steps": int(runs.steps_taken[i]),
                "diverged": bool(runs.diverged[i]),
                "losses": [rounded(loss) for loss in runs.readings[i].tolist()],
                "seconds": rounded(seconds / len(lrs), 3),
            },
        )
    return len(lrs)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--only", help="tasks, separated by commas")
    parser.add_argument("--seeds", help="seeds, separated by commas", default=",".join(map(str, SEEDS[:3])))
    parser.add_argument("--curves", type=Path, default=CURVES, help="where runs are recorded")
    args = parser.parse_args()
    torch.set_num_threads(1)
    names = [n for n in (args.only.split(",") if args.only else TASKS) if not TASKS[n].lacks]
    print(f"{record(names, [int(seed) for seed in args.seeds.split(',')], args.curves)} runs recorded.")


if __name__ == "__main__":
    main()
