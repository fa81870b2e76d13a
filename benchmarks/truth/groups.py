"""Is an answer for each group of parameters worth it? Measured on the tasks that start from a trained model.

Every task has two groups, backbone and head. A search trains at pairs of constant rates; lrfind is asked for
one multiplier (`range.groups=ratio`, with both at one rate and with the head at ten times the backbone's) and
for a rate of each group (`range.groups=each`), and trains at what it answers. All trainings are equally long.

    python -m benchmarks.truth.groups            # everything; goes on where it stopped
    python -m benchmarks.truth.groups table      # the figures of docs/results.md
"""

from __future__ import annotations

import itertools
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.truth.lines import append_line, read_lines, rounded
from benchmarks.truth.tasks import BUDGET, TASKS, config_of, with_seed
from benchmarks.truth.training import CHECK_EVERY, joined
from lrfind.api.caller import Caller
from lrfind.range_test.config import Groups
from lrfind.range_test.group_sweeps import each_group_of
from lrfind.range_test.run import range_test_of
from lrfind.tasks.build import build, data_of
from lrfind.training.step import evaluate

if TYPE_CHECKING:
    from lrfind.range_test.config import RangeConfig
    from lrfind.tasks.data.dataset import Data

RUNS = Path(__file__).parent / "results" / "groups.jsonl"

TOPS = {"new_digits_momentum": 1.0, "mnist_to_digits_adamw": 0.1, "mnist_turned_sgd": 1.0}
"""The tasks, and the highest rate of the search for either group."""

KINDS = {
    "new_digits_momentum": ("SGD", {"momentum": 0.9}),
    "mnist_to_digits_adamw": ("AdamW", {}),
    "mnist_turned_sgd": ("SGD", {}),
}
"""Their optimizers."""

DECADES, A_DECADE = 4, 2
SEEDS = 3
"""Seeds of a training, at every pair of rates."""

WAYS = {"ratio, one rate": ("ratio", 1.0), "ratio, head x 10": ("ratio", 10.0), "each": ("each", 1.0)}
"""How lrfind is asked: `range.groups`, and how many times the backbone's rate the head has."""

ASKED = range(100, 150, 10)
"""Seeds that lrfind is asked with, apart by more than the sweeps of one answer."""


def backbone_and_head(
    model: torch.nn.Module, *, kind: str, lr: float, head: float = 1.0, **others: Any
) -> torch.optim.Optimizer:
    """An optimizer with two groups; the last layer of the model is its head.

    Args:
        model: A sequence of layers.
        kind: A class of torch.optim.
        lr: Rate of the backbone.
        head: How many times that the rate of the head is.
        others: The optimizer's other arguments.
    """
    last = {id(p) for p in list(model.children())[-1].parameters()}
    groups = [
        {"params": [p for p in model.parameters() if id(p) not in last], "lr": lr, "name": "backbone"},
        {"params": [p for p in model.parameters() if id(p) in last], "lr": head * lr, "name": "head"},
    ]
    return getattr(torch.optim, kind)(groups, lr=lr, **others)


def grouped(name: str, *overrides: str, lr: float, head: float = 1.0) -> RangeConfig:
    """The config of a task with two groups."""
    kind, others = KINDS[name]
    given = {"_target_": "benchmarks.truth.groups.backbone_and_head", "kind": kind, "lr": lr, "head": head}
    words = [f"++optimizer.{key}={value}" for key, value in (given | others).items()]
    return config_of(name, "optimizer=custom", *words, *overrides)


def trained(
    config: RangeConfig, data: Data, name: str, rates: tuple[float, float], seed: int
) -> tuple[float, float]:
    """Held-out loss before and after a training at a rate for each group; NaN where it was not finite."""
    task = build(with_seed(config, seed), data=data, validation_samples=TASKS[name].held_out)
    try:
        held_out = joined(task.validation or [])
        initial = evaluate(task.objective, held_out)[0].item()
        for group, lr in zip(task.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
        for step in range(1, BUDGET + 1):
            task.optimizer.zero_grad()
            loss, _ = task.objective(next(task.batches))
            loss.backward()
            task.optimizer.step()
            if step % CHECK_EVERY == 0 and not torch.isfinite(loss):
                return initial, math.nan
        return initial, evaluate(task.objective, held_out)[0].item()
    finally:
        task.close()


def search() -> None:
    """Trains at every pair of rates that is not recorded."""
    done = {(r["task"], r["backbone"], r["head"], r["seed"]) for r in read_lines(RUNS) if r["kind"] == "grid"}
    for name, top in TOPS.items():
        config = grouped(name, lr=top)
        data = data_of(config)
        grid = [float(f"{top * 10 ** (-i / A_DECADE):.6g}") for i in range(DECADES * A_DECADE + 1)]
        for seed, (backbone, head) in itertools.product(range(SEEDS), itertools.product(grid, grid)):
            if (name, backbone, head, seed) in done:
                continue
            initial, final = trained(config, data, name, (backbone, head), seed)
            append_line(
                RUNS,
                {
                    "kind": "grid",
                    "task": name,
                    "backbone": backbone,
                    "head": head,
                    "seed": seed,
                    "initial": rounded(initial),
                    "final": rounded(final),
                },
            )


def ask() -> None:
    """Asks lrfind in every way and trains at what it answers, where that is not recorded."""
    done = {(r["task"], r["way"], r["asked"]) for r in read_lines(RUNS) if r["kind"] == "answer"}
    for name, (way, (groups, head)) in itertools.product(TOPS, WAYS.items()):
        config = grouped(name, f"range.groups={groups}", lr=0.01, head=head)
        data = data_of(config)
        for asked in ASKED:
            if (name, way, asked) in done:
                continue
            rates, steps = answer(with_seed(config, asked), data)
            finals = None
            if rates is not None:
                finals = [rounded(trained(config, data, name, rates, seed)[1]) for seed in range(SEEDS)]
            append_line(
                RUNS,
                {
                    "kind": "answer",
                    "task": name,
                    "way": way,
                    "asked": asked,
                    "rates": rates,
                    "steps": steps,
                    "finals": finals,
                },
            )


def answer(config: RangeConfig, data: Data) -> tuple[tuple[float, float] | None, int]:
    """The rate of each group that lrfind suggests, or None, and the steps it took."""
    if config.range.groups is Groups.EACH:
        found = each_group_of(config, observer=Caller(), data=data)
        groups, steps = found.groups, found.steps
    else:
        test = range_test_of(config, observer=Caller(), data=data)
        groups, steps = test.groups, test.steps
    backbone, head = (group.lr for group in groups)
    return (None if backbone is None or head is None else (backbone, head)), steps


def table() -> str:
    """Mean regrets, by the best pair of rates of the search, as Markdown."""
    lines = read_lines(RUNS)
    rows = ["| task | best at one rate | best with head x 10 | " + " | ".join(WAYS) + " |"]
    rows.append("|---" * (3 + len(WAYS)) + "|")
    totals: dict[str, list[float]] = {}
    for name in TOPS:
        initial = float(np.mean([r["initial"] for r in lines if r["kind"] == "grid" and r["task"] == name]))
        means = _grid_means(lines, name, initial)
        best = min(means.values())
        cells = {
            "one": min(mean for (backbone, head), mean in means.items() if backbone == head),
            "ten": min(m for (b, h), m in means.items() if math.isclose(h, 10 * b, rel_tol=1e-3)),
        }
        for way in WAYS:
            answered = [r for r in lines if r["kind"] == "answer" and r["task"] == name and r["way"] == way]
            cells[way] = float(
                np.mean([_ended(final, initial) for r in answered for final in r["finals"] or [None] * SEEDS])
            )
        regrets = {key: (mean - best) / (initial - best) for key, mean in cells.items()}
        for key, regret in regrets.items():
            totals.setdefault(key, []).append(regret)
        rows.append(f"| `{name}` | " + " | ".join(f"{regret:.3f}" for regret in regrets.values()) + " |")
    rows.append("| mean | " + " | ".join(f"{np.mean(found):.3f}" for found in totals.values()) + " |")
    steps = [
        np.mean([r["steps"] for r in lines if r["kind"] == "answer" and r["way"] == way]) for way in WAYS
    ]
    rows.append("| steps of a search | | | " + " | ".join(f"{mean:.0f}" for mean in steps) + " |")
    return "\n".join(rows)


def _grid_means(lines: list[dict[str, Any]], name: str, initial: float) -> dict[tuple[float, float], float]:
    """The mean held-out loss at every pair of rates of the search."""
    found: dict[tuple[float, float], list[float]] = {}
    for r in lines:
        if r["kind"] == "grid" and r["task"] == name:
            found.setdefault((r["backbone"], r["head"]), []).append(_ended(r["final"], initial))
    return {rates: float(np.mean(finals)) for rates, finals in found.items()}


def _ended(final: float | None, initial: float) -> float:
    """A loss at the end; one that diverged, or ended above where it began, counts as it began."""
    return initial if final is None else min(final, initial)


if __name__ == "__main__":
    if sys.argv[1:] == ["table"]:
        print(table())
    else:
        search()
        ask()
