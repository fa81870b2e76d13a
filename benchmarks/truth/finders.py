"""Asks every finder for its rate on every task, from several seeds, and records each answer.

    python -m benchmarks.truth.finders                            goes on where it stopped
    python -m benchmarks.truth.finders --only lrfind --fresh      measures lrfind anew
    python -m benchmarks.truth.finders --only fastai_valley,ignite --tasks digits_mlp_sgd
    python -m benchmarks.truth.finders --large                    on the larger tasks, from three seeds

The lines go to results/finders.jsonl and results/large_finders.jsonl.
"""

from __future__ import annotations

import argparse
import importlib
import math
import time
import warnings
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.truth import ours
from benchmarks.truth.lines import append_line, read_lines, rounded, without
from benchmarks.truth.pieces import Answer, pieces_of
from benchmarks.truth.tasks import LARGE_TASKS, TASKS, task_named
from benchmarks.truth.training import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FOUND = Path(__file__).parent / "results" / "finders.jsonl"
LARGE_FOUND = FOUND.with_name("large_finders.jsonl")

SEEDS = range(100, 105)
"""Of the sweeps; the oracle has others."""

LARGE_SEEDS = range(100, 103)
"""Of those on the larger tasks."""


def peer(trainer: Trainer, seed: int, *, module: str, function: str = "find") -> Any:
    """What an installed package says of a task of that seed, without held-out samples."""
    find = getattr(importlib.import_module(f"benchmarks.truth.peers.{module}"), function)
    task = trainer.built(seed)
    try:
        return find(pieces_of(task, trainer.config.optimizer))
    finally:
        task.close()


@lru_cache(maxsize=len(SEEDS))
def _fastai(trainer: Trainer, seed: int) -> dict[str, Answer]:
    return peer(trainer, seed, module="fastai_learner", function="find_all")


def fastai(trainer: Trainer, seed: int, *, suggestion: str) -> Answer:
    """One of fastai's suggestions; all four are read off one sweep."""
    return _fastai(trainer, seed)[suggestion]


FINDERS: dict[str, Callable[[Trainer, int], Answer]] = {
    "lrfind": ours.lrfind,
    "lrfind_three": ours.lrfind_three,
    "lrfind_within": ours.lrfind_within,
    "minimum_over_ten": ours.minimum_over_ten,
    "habit": ours.habit,
    "torch_lr_finder": partial(peer, module="torch_lr_finder"),
    "lightning": partial(peer, module="lightning_tuner"),
    "ignite": partial(peer, module="ignite_fastai"),
    **{
        f"fastai_{name}": partial(fastai, suggestion=name) for name in ("valley", "slide", "minimum", "steep")
    },
}
"""Every finder: a task and a seed in, an answer out."""


def ask(finder: str, trainer: Trainer, seed: int) -> dict[str, object]:
    """The line that is recorded of one question; a finder that fails has no answer."""
    started = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = FINDERS[finder](trainer, seed)
    except Exception as error:
        answer = Answer(None, why=f"{type(error).__name__}: {error}".splitlines()[0])
    seconds = time.perf_counter() - started
    lr = answer.lr
    if lr is not None and not (math.isfinite(lr) and lr > 0):
        answer = Answer(None, steps=answer.steps, why=f"answered {lr}")
    line = {
        "task": trainer.name,
        "finder": finder,
        "seed": seed,
        "lr": rounded(answer.lr),
        "low": rounded(answer.low),
        "high": rounded(answer.high),
        "steps": answer.steps,
        "seconds": rounded(seconds, 3),
        "why": answer.why,
    }
    return line if answer.highest_peak is None else line | {"highest_peak": rounded(answer.highest_peak)}


def search(
    names: Sequence[str], finders: Sequence[str], path: Path = FOUND, *, seeds: Sequence[int] = SEEDS
) -> int:
    """Asks what is not recorded yet and returns how many questions that were."""
    done = {(line["task"], line["finder"], line["seed"]) for line in read_lines(path)}
    count = 0
    for name in names:
        missing = [(f, s) for f in finders for s in seeds if (name, f, s) not in done]
        if not missing:
            continue
        trainer = Trainer(name)
        for finder, seed in missing:
            append_line(path, ask(finder, trainer, seed))
            count += 1
    return count


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--only", help="finders, separated by commas")
    parser.add_argument("--tasks", help="tasks, separated by commas")
    parser.add_argument("--large", action="store_true", help="ask on the larger tasks")
    parser.add_argument("--found", type=Path, help="where answers are recorded")
    parser.add_argument("--fresh", action="store_true", help="drop what is recorded of them first")
    args = parser.parse_args()
    torch.set_num_threads(1)
    finders = args.only.split(",") if args.only else list(FINDERS)
    tasks, path, seeds = (LARGE_TASKS, LARGE_FOUND, LARGE_SEEDS) if args.large else (TASKS, FOUND, SEEDS)
    path = args.found or path
    names = [n for n in (args.tasks.split(",") if args.tasks else tasks) if not task_named(n).lacks]
    if args.fresh:
        without(path, lambda line: line["finder"] in finders and line["task"] in names)
    print(f"{search(names, finders, path, seeds=seeds)} answers recorded.")


if __name__ == "__main__":
    main()
