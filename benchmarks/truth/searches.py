"""Searches by several methods, simulated on the recorded curves: what each has found for how many steps.

    python -m benchmarks.truth.searches                     all methods that are not recorded yet
    python -m benchmarks.truth.searches --fresh --only verify

The lines go to results/searches.jsonl. Nothing is trained here; see `curves`. What a search does in truth
stands in results/verified.jsonl, made by `verified`.
"""

from __future__ import annotations

import argparse
import importlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.truth.curves import CURVES, READ_AT
from benchmarks.truth.finders import FOUND
from benchmarks.truth.lines import append_line, read_lines, rounded, without
from benchmarks.truth.simulated import Simulated, simulated_tasks
from benchmarks.truth.tasks import BUDGET, TASKS, config_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SEARCHES = Path(__file__).parent / "results" / "searches.jsonl"

BUDGETS = (500, 1000, 2000, 5000)
"""Training steps in all."""

LOWEST, HIGHEST = 1e-5, 1.0
"""Between these the other methods look: 5 decades, which hold the best rate of all tasks but one or two."""

DRAWS = 10
"""Repetitions of what draws at random, for each seed of the training."""

Found = tuple[str, int, float | None, float]
"""Method, budget (or the steps of a grid), the rate, and the steps that it took."""


def verify(seeds: list[Simulated], answer: dict[str, Any], fallback: float) -> Iterator[Found]:
    """The search of `lrfind verify`, begun at what `lrfind` answered, with the steps of that counted."""
    search_of = importlib.import_module("lrfind.verify.search").Search
    for budget in BUDGETS:
        search = search_of(
            answer["lr"] or fallback, num_steps=BUDGET, seeds=len(seeds), budget=budget - answer["steps"]
        )
        for move in search.moves():
            at = search.tried.at(move.seed, move.lr)
            loss, steps = seeds[move.seed].loss(move.lr, move.to)
            search.spend(max(min(steps, move.to) - at, 0))
            search.tried.note(move, seeds[move.seed].initial, loss)
        ranked = search.ranked()
        yield "verify", budget, ranked[0] if ranked else None, budget - search.left


def grid(name: str, lrs: list[float]) -> Callable[..., Iterator[Found]]:
    """Full runs at fixed rates, on one seed and on two."""

    def method(seeds: list[Simulated], *_: object) -> Iterator[Found]:
        for count in (1, 2):
            ends = [[each.loss(lr, BUDGET) for lr in lrs] for each in seeds[:count]]
            losses = np.mean([[min(loss, seeds[0].initial) for loss, _ in row] for row in ends], axis=0)
            steps = sum(made for row in ends for _, made in row)
            yield name, len(lrs) * BUDGET * count, lrs[int(np.argmin(losses))], steps

    return method


def random_search(seeds: list[Simulated], *_: object) -> Iterator[Found]:
    """Full runs at random rates, all on one seed."""
    rng = np.random.default_rng(0)
    task = seeds[0]
    for _draw in range(DRAWS):
        drawn = 10 ** rng.uniform(math.log10(LOWEST), math.log10(HIGHEST), 64)
        for budget in BUDGETS:
            best, lowest, spent = None, math.inf, 0
            for lr in drawn:
                loss, steps = task.loss(float(lr), BUDGET)
                if spent + steps > budget:
                    break
                spent += steps
                if best is None or loss < lowest:
                    best, lowest = float(lr), loss
            yield "random", budget, best, spent


def optuna_search(seeds: list[Simulated], *_: object) -> Iterator[Found]:
    """Optuna's TPE with its Hyperband pruner, both with their own defaults, told of every reading."""
    optuna = importlib.import_module("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    task = seeds[0]
    for draw in range(DRAWS // 2):
        spent, best, lowest = 0, None, math.inf
        sampler = optuna.samplers.TPESampler(seed=draw)
        # The pruner counts in what is reported: readings, not steps.
        pruner = optuna.pruners.HyperbandPruner(max_resource=len(READ_AT) - 1)
        study = optuna.create_study(sampler=sampler, pruner=pruner, study_name=f"draw {draw}")
        budgets = list(BUDGETS)
        while budgets:
            trial = study.ask()
            lr = trial.suggest_float("lr", LOWEST, HIGHEST, log=True)
            state, made, loss = optuna.trial.TrialState.COMPLETE, 0, math.inf
            for reading, step in enumerate(READ_AT[1:], start=1):
                loss, steps = task.loss(lr, step)
                made = min(steps, step)
                while budgets and spent + made > budgets[0]:
                    yield "optuna", budgets.pop(0), best, spent
                if not math.isfinite(loss):
                    state = optuna.trial.TrialState.FAIL
                    break
                trial.report(loss, reading)
                if step < READ_AT[-1] and trial.should_prune():
                    state = optuna.trial.TrialState.PRUNED
                    break
            spent += made
            done = state == optuna.trial.TrialState.COMPLETE
            study.tell(trial, loss if done else None, state=state)
            if done and loss < lowest:
                best, lowest = lr, loss


METHODS: Mapping[str, Callable[..., Iterator[Found]]] = {
    "verify": verify,
    "decade": grid("decade", np.logspace(-5, 0, 6).tolist()),
    "half_decade": grid("half_decade", np.logspace(-4, 0, 9).tolist()),
    "quarter_decade": grid("quarter_decade", np.logspace(-5, 0, 21).tolist()),
    "random": random_search,
    "optuna": optuna_search,
}
"""Every method: the seeds of a task from the first on, lrfind's answer, and the optimizer's own rate."""


def search(names: list[str], methods: list[str], path: Path = SEARCHES) -> int:
    """Makes every search that is not recorded yet and returns how many lines that were."""
    done = {(line["task"], line["method"], line["seed"]) for line in read_lines(path)}
    tasks = simulated_tasks(read_lines(CURVES))
    # Where slower sweeps take more steps than a search allows its range test, it begins with less.
    answers = {
        (line["task"], line["seed"]): line
        for finder in ("lrfind", "lrfind_within")
        for line in read_lines(FOUND)
        if line["finder"] == finder
    }
    count = 0
    for task in (name for name in names if name in tasks):
        fallback = float(config_of(task).optimizer.get("lr") or 1e-3)
        for seed in sorted(tasks[task]):
            later = [each for each in sorted(tasks[task]) if each >= seed]
            seeds = [tasks[task][each] for each in [*later, *sorted(set(tasks[task]) - set(later))]]
            for name in methods:
                if (task, name, seed) in done or (task, seed) not in answers:
                    continue
                for method, budget, lr, steps in METHODS[name](seeds, answers[task, seed], fallback):
                    line = {"task": task, "method": method, "seed": seed, "budget": budget}
                    append_line(path, line | {"lr": rounded(lr), "steps": steps, "seeds": len(seeds)})
                    count += 1
    return count


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--only", help="methods, separated by commas")
    parser.add_argument("--tasks", help="tasks, separated by commas")
    parser.add_argument("--searches", type=Path, default=SEARCHES, help="where searches are recorded")
    parser.add_argument("--fresh", action="store_true", help="drop what is recorded of them first")
    args = parser.parse_args()
    methods = args.only.split(",") if args.only else list(METHODS)
    names = args.tasks.split(",") if args.tasks else list(TASKS)
    if args.fresh:
        without(args.searches, lambda line: line["method"] in methods and line["task"] in names)
    print(f"{search(names, methods, args.searches)} searches recorded.")


if __name__ == "__main__":
    main()
