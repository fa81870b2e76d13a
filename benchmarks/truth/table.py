"""Writes results/table.md from what is recorded: `python -m benchmarks.truth.table`."""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.truth.finders import FINDERS, FOUND
from benchmarks.truth.lines import read_lines
from benchmarks.truth.oracle import RUNS
from benchmarks.truth.oracles import capped, oracles
from benchmarks.truth.scores import bracket, by_task, mean_regret, median_lr, score
from benchmarks.truth.tasks import BIASED, BUDGET, LONG_BUDGET, TASKS, Role

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from benchmarks.truth.oracles import Oracle
    from benchmarks.truth.scores import Score

TABLE = Path(__file__).parent / "results" / "table.md"


def table(runs: list[dict[str, Any]], found: list[dict[str, Any]]) -> str:
    """The whole page."""
    searched = oracles(runs, kind="constant", budget=BUDGET)
    parts = [
        "# What the finders are worth",
        "Made by `python -m benchmarks.truth.table` from `runs.jsonl` and `finders.jsonl`; the method is in "
        "`../README.md`. Regret: 0 is the best rate of the grid, 1 has learnt nothing.",
    ]
    for title, role in (
        ("Blind tasks: drawn before anything was measured on them, and looked at once", Role.BLIND),
        (
            "Drawn tasks: blind likewise, each of the three draws until a rule was chosen with it in sight",
            Role.DRAWN,
        ),
        (
            "Tasks apart: frozen likewise, and looked at for each rule since",
            Role.APART,
        ),
        ("Report tasks: the numbers of lrfind's rule were not chosen on them", Role.REPORT),
        ("Tuning tasks: lrfind's rule was found on them", Role.TUNING),
        ("All tasks", None),
    ):
        chosen = {t: o for t, o in searched.items() if role is None or TASKS[t].role is role}
        if role is Role.TUNING:
            added = {t: chosen.pop(t) for t in list(chosen) if t in BIASED}
            if added:
                parts += ["## Tuning tasks of kinds on which the answer was far off"]
                parts += [*_finders(found, added), *_brackets(found, added)]
        if chosen:
            parts += [f"## {title}", *_finders(found, chosen), *_brackets(found, chosen)]
    parts += ["## Task by task", _tasks(found, searched)]
    parts += [f"## A budget of {LONG_BUDGET} steps", *_long(runs, found, searched)]
    parts += ["## One cycle", *_cycle(runs, found, searched)]
    return "\n\n".join(parts) + "\n"


def markdown_table(head: str, rows: Iterable[str]) -> str:
    columns = head.replace("\\|", "").count("|") - 1
    return "\n".join([head, "|" + "---|" * columns, *rows])


def names_of(found: list[dict[str, Any]]) -> list[str]:
    known = {line["finder"] for line in found}
    return [name for name in FINDERS if name in known] + sorted(known - FINDERS.keys())


def _finders(found: list[dict[str, Any]], chosen: Mapping[str, Oracle]) -> Iterator[str]:
    # One that was not asked on all of the tasks cannot be compared on them.
    whole = [name for name in names_of(found) if chosen.keys() <= by_task(found, name).keys()]
    scores = {name: score(by_task(found, name), chosen) for name in whole}
    given = sorted(((s.mean, name, s) for name, s in scores.items() if s), key=lambda row: row[:2])
    if not given:
        return
    yield markdown_table(
        "| finder | mean regret | worst task | within 0.05 | \\|log10(lr / best)\\| | steps | no answer | "
        "mean regret where it answers |",
        (_finder(name, s) for _, name, s in given),
    )
    yield f"{given[0][2].tasks} tasks; no answer counts as a regret of 1, and as not within 0.05."


def _finder(name: str, s: Score) -> str:
    return (
        f"| {name} | {s.mean:.3f} | {s.worst:.3f} ({s.worst_task}) | {s.within:.0%} | {s.log_error:.2f} | "
        f"{s.steps:.0f} | {s.failures:.0%} | {s.answered:.3f} |"
    )


def _brackets(found: list[dict[str, Any]], chosen: Mapping[str, Oracle]) -> Iterator[str]:
    for name in names_of(found):
        answers = by_task(found, name)
        b = bracket(answers, chosen)
        if b is not None and chosen.keys() <= answers.keys():
            yield (
                f"The bracket of {name}, {b.sweeps} sweeps, {b.width:.1f} decades wide (median): every rate "
                f"inside is within 0.10 of the best in {b.sound:.0%} of sweeps ({b.sound_tasks:.0%} of "
                "tasks, by most of their sweeps); the best is inside or within a factor 2 of an end in "
                f"{b.near:.0%} ({b.near_tasks:.0%} of tasks)."
            )


def _tasks(found: list[dict[str, Any]], searched: Mapping[str, Oracle]) -> str:
    ours = by_task(found, "lrfind")
    rows = []
    for task, oracle in sorted(searched.items(), key=lambda item: list(TASKS).index(item[0])):
        low, high = oracle.within(0.05)
        lines = ours.get(task, [])
        lr = median_lr(lines)
        said = "none" if lr is None else f"{lr:.2g}"
        regret = f"{mean_regret(lines, oracle):.3f}" if lines else ""
        factors = ", ".join(f"{oracle.regret(oracle.best * f):.2f}" for f in (0.25, 0.5, 2, 4))
        rows.append(
            f"| {task} | {TASKS[task].role.value} | {oracle.seeds} "
            f"| {oracle.initial:.3g} to {oracle.final:.3g} "
            f"| {oracle.best:.2g} | {low:.2g} to {high:.2g} | {factors} | {said} | {regret} |"
        )
    return markdown_table(
        "| task | for | seeds | held-out loss | best rate | within 0.05 "
        "| regret at 1/4, 1/2, 2, 4 of the best | lrfind (median) | its regret |",
        rows,
    )


def _long(
    runs: list[dict[str, Any]], found: list[dict[str, Any]], searched: Mapping[str, Oracle]
) -> Iterator[str]:
    ours = by_task(found, "lrfind")
    rows = []
    for task, oracle in oracles(runs, kind="constant", budget=LONG_BUDGET).items():
        if task not in searched:
            continue
        short = searched[task].best
        low, high = oracle.within(0.05)
        said = f"{mean_regret(ours[task], oracle):.3f}" if task in ours else ""
        rows.append(
            f"| {task} | {short:.2g} | {oracle.best:.2g} | {oracle.best / short:.2g} "
            f"| {low:.2g} to {high:.2g} | {oracle.regret(short):.3f} | {said} | {oracle.seeds} |"
        )
    if rows:
        yield (
            f"How much does the best rate depend on the budget? The best of {BUDGET} steps against that of "
            f"{LONG_BUDGET}, on a grid of 2 rates a decade, and the regret at {LONG_BUDGET} steps."
        )
        yield markdown_table(
            f"| task | best, {BUDGET} steps | best, {LONG_BUDGET} steps | factor | within 0.05 "
            "| regret of the former | regret of lrfind's | seeds |",
            rows,
        )


def _cycle(
    runs: list[dict[str, Any]], found: list[dict[str, Any]], searched: Mapping[str, Oracle]
) -> Iterator[str]:
    ours = by_task(found, "lrfind")
    cycled: dict[str, set[int]] = defaultdict(set)
    for line in runs:
        if line["kind"] == "one_cycle":
            cycled[line["task"]].add(line["seed"])
    rows = []
    for task, oracle in oracles(runs, kind="one_cycle", budget=BUDGET).items():
        if task not in searched:
            continue
        lines = ours.get(task)
        said = [f"{mean_regret(lines, oracle, factor=f):.3f}" if lines else "" for f in (1 / 3, 1, 3)]
        best = searched[task].best
        held = constant_loss(runs, task, best, seeds=cycled[task])
        rows.append(
            f"| {task} | {best:.2g} | {oracle.best:.2g} | {held:.3g} | "
            f"{oracle.final:.3g} | {' | '.join(said)} | {oracle.seeds} |"
        )
    if rows:
        yield (
            "Is the suggested rate a good peak? Regrets of lrfind's suggestion, a third of it and three "
            f"times it as the peak of torch's OneCycleLR over {BUDGET} steps, against the best of the "
            "searched peaks, 2 a decade. Both losses are held out, of the same seeds."
        )
        yield markdown_table(
            "| task | best constant rate | best peak | loss at the former | loss at the latter | a third "
            "| as it is | three times | seeds |",
            rows,
        )


def constant_loss(runs: Iterable[dict[str, Any]], task: str, lr: float, *, seeds: Collection[int]) -> float:
    """Mean held-out loss at the end of a task's runs of `BUDGET` steps at a constant rate, of some seeds."""
    key = (task, "constant", BUDGET, lr)
    chosen = [line for line in runs if (line["task"], line["kind"], line["budget"], line["lr"]) == key]
    return float(np.mean([capped(line) for line in chosen if line["seed"] in seeds]))


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--runs", type=Path, default=RUNS)
    parser.add_argument("--found", type=Path, default=FOUND)
    parser.add_argument("--table", type=Path, default=TABLE)
    args = parser.parse_args()
    page = table(read_lines(args.runs), read_lines(args.found))
    args.table.parent.mkdir(parents=True, exist_ok=True)
    args.table.write_text(page)
    print(f"{args.table} written.")


if __name__ == "__main__":
    main()
