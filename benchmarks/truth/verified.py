"""Runs `lrfind verify` on the tasks in truth, range test and all, and records what it came to.

    python -m benchmarks.truth.verified                        the tasks kept apart; goes on where it stopped
    python -m benchmarks.truth.verified --tasks TASK,TASK --budgets 1000 --seeds 100,101

The lines go to results/verified.jsonl.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from benchmarks.truth.lines import append_line, read_lines, rounded, without
from benchmarks.truth.tasks import APART, BIASED, BUDGET, CONFIGS, TASKS
from lrfind.api.caller import Caller
from lrfind.config.validate import validated
from lrfind.tasks.build import data_of
from lrfind.verify.config import VerifyConfig
from lrfind.verify.run import Runs, verify_rate
from lrfind.verify.target import checked_rate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lrfind.tasks.data.dataset import Data

VERIFIED = Path(__file__).parent / "results" / "verified.jsonl"

BUDGETS = (1000, 2000)
"""Training steps in all."""


def config_of(name: str, *, seed: int, budget: int) -> VerifyConfig:
    """What `lrfind verify` composes of a task, judged as the oracle judges.

    Raises:
        UserError: It cannot be used as given.
    """
    from hydra import compose, initialize_config_module

    overrides = [
        f"hydra.searchpath=[file://{CONFIGS.resolve()}]",
        f"experiment={name}",
        "device=cpu",
        f"seed={seed}",
        f"verify.steps={BUDGET}",
        f"verify.budget={budget}",
        f"verify.held_out={TASKS[name].held_out}",
    ]
    with initialize_config_module("lrfind.configs", version_base="1.3"):
        return validated(compose("verify", overrides=overrides), VerifyConfig)


def record(names: Iterable[str], budgets: Iterable[int], seeds: Iterable[int], path: Path = VERIFIED) -> int:
    """Makes every search that is not recorded yet and returns how many it made."""
    done = {(line["task"], line["budget"], line["seed"]) for line in read_lines(path)}
    budgets, seeds = list(budgets), list(seeds)
    count = 0
    for name in names:
        data: Data | None = None
        for budget, seed in ((budget, seed) for seed in seeds for budget in budgets):
            if (name, budget, seed) in done:
                continue
            config = config_of(name, seed=seed, budget=budget)
            data = data_of(config) if data is None else data
            began = time.perf_counter()
            observer = Caller()
            runs = Runs.of(config, data, observer)
            most = runs.plan.range_steps
            checked = checked_rate(config, data, observer, most_steps=most)
            found = verify_rate(runs, checked, config.verify)
            suggestion = found.conclusion.suggestion
            append_line(
                path,
                {
                    "task": name,
                    "budget": budget,
                    "seed": seed,
                    "checked": rounded(found.checked.lr),
                    "holds": None if found.judgement is None else found.judgement.holds,
                    "lr": None if suggestion is None else suggestion.lr,
                    "low": None if suggestion is None else suggestion.low,
                    "high": None if suggestion is None else suggestion.high,
                    "steps": found.steps,
                    "seconds": rounded(time.perf_counter() - began, 3),
                },
            )
            count += 1
    return count


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--tasks", help="tasks, separated by commas")
    parser.add_argument("--budgets", help="steps, separated by commas", default=",".join(map(str, BUDGETS)))
    parser.add_argument("--seeds", help="seeds, separated by commas", default="100")
    parser.add_argument("--verified", type=Path, default=VERIFIED, help="where they are recorded")
    parser.add_argument("--fresh", action="store_true", help="drop what is recorded of them first")
    args = parser.parse_args()
    torch.set_num_threads(1)
    names = args.tasks.split(",") if args.tasks else [*APART, *BIASED]
    names = [name for name in names if not TASKS[name].lacks]
    budgets = [int(each) for each in args.budgets.split(",")]
    if args.fresh:
        without(args.verified, lambda line: line["task"] in names and line["budget"] in budgets)
    seeds = [int(each) for each in args.seeds.split(",")]
    print(f"{record(names, budgets, seeds, args.verified)} searches recorded.")


if __name__ == "__main__":
    main()
