"""Writes the tables of the README and of the site from what is recorded: `python -m benchmarks.truth.pages`.

A table stands between `<!-- NAME: made by python -m benchmarks.truth.pages -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.truth.budgets import LARGE_RUNS
from benchmarks.truth.finders import FOUND, LARGE_FOUND
from benchmarks.truth.large import compared, finder_scores
from benchmarks.truth.lines import read_lines
from benchmarks.truth.oracle import RUNS
from benchmarks.truth.oracles import oracles
from benchmarks.truth.scores import by_task, mean_regret, score
from benchmarks.truth.table import markdown_table
from benchmarks.truth.tasks import BLIND, BUDGET, DRAWN, NEW, OLD

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "docs" / "results.md")

NAMES = {
    "lrfind": "**lrfind**",
    "lrfind_three": "lrfind, `range.repeats=3`",
    "minimum_over_ten": "a tenth of the rate at lrfind's own minimum",
    "habit": "the habit: 0.1 for SGD, 0.001 for the rest",
    "torch_lr_finder": "torch-lr-finder",
    "lightning": "Lightning Tuner",
    "ignite": "ignite",
    "fastai_valley": "fastai, `valley` (its default)",
    "fastai_slide": "fastai, `slide`",
    "fastai_minimum": "fastai, `minimum`",
    "fastai_steep": "fastai, `steep`",
}
"""What a finder is called on a page."""

SHORT = ("lrfind", "fastai_minimum", "torch_lr_finder")
"""The finders in the README: ours, the best of the others, and the one that is installed most."""

_MARKED = re.compile(
    r"(<!-- (\w+): made by python -m benchmarks.truth.pages -->\n).*?\n?(<!-- end -->)", re.DOTALL
)


def finders_table() -> str:
    """Every finder on the tuning and the report tasks."""
    made = list(_finders())
    head = (
        f"| finder | mean regret, {len(OLD) + len(NEW)} tasks | where it answers | {len(OLD)} tuning tasks "
        f"| {len(NEW)} report tasks | within 0.05 | no answer | steps |"
    )
    return markdown_table(head, [_row(name, cells) for name, cells in made])


def short_table() -> str:
    """A few of them, for the README; a dash where a finder was not asked on all of the larger tasks."""
    made = dict(_finders())
    found, lines = read_lines(LARGE_FOUND), read_lines(LARGE_RUNS)
    larger = {name: f"{mean:.3f}" for name, mean, *_ in finder_scores(found, lines)}
    count = len(compared(found, lines))
    return markdown_table(
        f"| finder | mean regret | within 0.05 of the best | steps | mean regret, {count} larger tasks |",
        [
            _row(name, [made[name][0], made[name][4], made[name][6], larger.get(name, "–")])
            for name in sorted(SHORT, key=lambda name: made[name][0])
        ],
    )


def _finders() -> Iterator[tuple[str, list[str]]]:
    """The cells of each finder that was asked on all of the tasks, the least regret first."""
    found = read_lines(FOUND)
    searched = oracles(read_lines(RUNS), kind="constant", budget=BUDGET)
    everything = [*OLD, *NEW]
    scored = []
    for name in NAMES.keys() - {"lrfind_three"}:  # which stands in results/table.md
        answers = by_task(found, name)
        if not answers.keys() >= set(everything):
            continue

        def of(tasks: Collection[str], answers: dict[str, list[dict[str, Any]]] = answers) -> Any:
            return score({t: answers[t] for t in tasks}, {t: searched[t] for t in tasks})

        whole, tuning, report = of(everything), of(OLD), of(NEW)
        regrets = (whole.mean, whole.answered, tuning.mean, report.mean)
        cells = [f"{regret:.3f}" for regret in regrets]
        cells += [f"{whole.within:.0%}", f"{whole.failures:.0%}", f"{whole.steps:.0f}"]
        scored.append((whole.mean, name, cells))
    for _, name, cells in sorted(scored):
        yield name, cells


def drawn_table(tasks: Collection[str], kind: str) -> str:
    """Every finder that was asked on all of some tasks drawn by chance, the least regret first."""
    found = read_lines(FOUND)
    lines = [line for line in read_lines(RUNS) if line["task"] in tasks]
    searched = oracles(lines, kind="constant", budget=BUDGET)
    scored = []
    for name in NAMES:
        answers = {task: of for task, of in by_task(found, name).items() if task in searched}
        scores = score(answers, searched)
        if scores is not None and answers.keys() == searched.keys():
            median = float(np.median([mean_regret(of, searched[task]) for task, of in answers.items()]))
            cells = [f"{scores.mean:.3f}", f"{median:.3f}", f"{scores.worst:.3f}", f"{scores.within:.0%}"]
            cells += [f"{scores.failures:.0%}", f"{scores.steps:.0f}"]
            scored.append((scores.mean, name, cells))
    return markdown_table(
        f"| finder | mean regret, {len(searched)} {kind} tasks | median task | worst task | within 0.05 "
        "| no answer | steps |",
        [_row(name, cells) for _, name, cells in sorted(scored)],
    )


def _row(name: str, cells: list[str]) -> str:
    bold = (lambda cell: f"**{cell}**") if name == "lrfind" else str
    return f"| {NAMES[name]} | {' | '.join(map(bold, cells))} |"


def large_table() -> str:
    """Every finder on the larger tasks."""
    found, lines = read_lines(LARGE_FOUND), read_lines(LARGE_RUNS)
    count = len(compared(found, lines))
    return markdown_table(
        f"| finder | mean regret, {count} larger tasks | worst | within 0.05 | no answer | steps |",
        [
            _row(name, [f"{mean:.3f}", f"{worst:.3f}", f"{within:.0%}", f"{none:.0%}", f"{steps:.0f}"])
            for name, mean, worst, within, none, steps in finder_scores(found, lines)
        ],
    )


TABLES: dict[str, Callable[[], str]] = {
    "finders": finders_table,
    "short": short_table,
    "larger": large_table,
    "blind": partial(drawn_table, BLIND, "last drawn"),
    "drawn": partial(drawn_table, DRAWN, "drawn"),
}
"""What stands between marks, by their name."""


def filled(text: str) -> str:
    """A page with its tables made anew."""
    return _MARKED.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}\n{found[3]}", text)


def main() -> None:
    for page in PAGES:
        page.write_text(filled(page.read_text()))
        print(f"{page.relative_to(ROOT)} written.")


if __name__ == "__main__":
    main()
