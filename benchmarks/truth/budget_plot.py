"""Draws regret against training steps spent, of every method, from the recorded results.

    python -m benchmarks.truth.budget_plot             writes docs/pictures/regret.png, prints what it shows
    python -m benchmarks.truth.budget_plot --out FILE

Nothing is trained. Rings are of searches that were run and not simulated.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.truth.finders import FOUND
from benchmarks.truth.lines import read_lines
from benchmarks.truth.oracle import RUNS
from benchmarks.truth.oracles import oracles
from benchmarks.truth.searches import SEARCHES
from benchmarks.truth.tasks import APART, BLIND, BUDGET, DRAWN, NEW, OLD
from benchmarks.truth.verified import VERIFIED
from lrfind.plotting.axes import log_axis
from lrfind.plotting.draw import draw, png
from lrfind.plotting.page import Entry, Key, Page, Row
from lrfind.plotting.panel import (
    BLUE,
    DARK,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    Layer,
    Line,
    Panel,
    Points,
    Shape,
    above,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.truth.oracles import Oracle

PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "regret.png"

GROUPS = {
    "34 known tasks": (*OLD, *NEW),
    "14 tasks kept apart": tuple(APART),
    "42 drawn tasks, seen since": tuple(DRAWN),
    "14 tasks of the last draw": tuple(BLIND),
}
"""What each panel shows."""

_GREY = "#808080"

LOOKS: dict[str, tuple[str, str, Shape]] = {
    "verify": ("lrfind verify", VERMILLION, Shape.DOT),
    "verified": ("the same, run and not simulated", VERMILLION, Shape.RING),
    "lrfind": ("lrfind", BLUE, Shape.DOT),
    "optuna": ("Optuna, TPE and Hyperband", PURPLE, Shape.DOT),
    "random": ("random search", GREEN, Shape.DOT),
    "decade": ("a rate a decade", ORANGE, Shape.DOT),
    "half_decade": ("two rates a decade", SKY, Shape.DOT),
    "fastai_valley": ("fastai, torch-lr-finder, ignite, Lightning", _GREY, Shape.DOT),
}
"""Name, colour and mark of a method."""

_OTHER_FINDERS = ("fastai_valley", "torch_lr_finder", "ignite", "lightning")

_LOW, _HIGH = 0.003, 1.0
"""Ends of the axis of regret; what is lower stands at the lower end."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A method at a budget: what it costs and what it is worth.

    Attributes:
        method: Its name.
        steps: Mean training steps.
        regret: Mean over the tasks.
        tasks: How many tasks.
    """

    method: str
    steps: float
    regret: float
    tasks: int


def spots(names: Iterable[str], known: dict[str, Oracle]) -> list[Spot]:
    """Every method at every budget, on these tasks; a method that was not run on all of them is left out."""
    names = set(names)
    lines = [(f"{line['finder']}", 0, line) for line in read_lines(FOUND)]
    lines += [(line["method"], line["budget"], line) for line in read_lines(SEARCHES)]
    lines += [("verified", line["budget"], line) for line in read_lines(VERIFIED)]
    regrets: dict[tuple[str, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    steps: dict[tuple[str, int], list[int]] = defaultdict(list)
    for method, budget, line in lines:
        if line["task"] in names:
            regrets[method, budget][line["task"]].append(known[line["task"]].regret(line["lr"]))
            steps[method, budget].append(line["steps"])
    return [
        Spot(method, float(np.mean(steps[method, budget])), _mean_of_means(by_task), len(by_task))
        for (method, budget), by_task in sorted(regrets.items())
        if len(by_task) == len(names)
    ]


def _mean_of_means(by_task: dict[str, list[float]]) -> float:
    return float(np.mean([np.mean(each) for each in by_task.values()]))


def panel(title: str, found: list[Spot]) -> Panel:
    """One group of tasks."""
    layers: list[Layer] = []
    for method, (_, colour, shape) in LOOKS.items():
        if method == "fastai_valley":
            chosen = [spot for spot in found if spot.method in _OTHER_FINDERS]
        else:
            chosen = sorted((spot for spot in found if spot.method == method), key=lambda spot: spot.steps)
        x = np.array([spot.steps for spot in chosen])
        y = np.clip(np.array([spot.regret for spot in chosen]), _LOW, _HIGH)
        if method not in ("fastai_valley", "verified") and len(x) > 1:
            layers.append(Line(x, y, colour, width=1.6 if method == "verify" else 1.0))
        layers.append(Points(x, y, colour, shape=shape, size=6.0 if method == "verified" else 4.0))
    layers.append(above(title, colour=DARK))
    return Panel(
        log_axis(45, 6000, "training steps in all"),
        log_axis(_LOW, _HIGH, "mean regret"),
        tuple(layers),
        2.7,
        2.6,
        grid="both",
    )


def page(found: dict[str, list[Spot]]) -> Page:
    """The picture."""
    nothing = np.empty(0)
    shown = {spot.method for each in found.values() for spot in each}
    entries = tuple(
        Entry(name, Points(nothing, nothing, colour, shape=shape, size=4.0))
        for method, (name, colour, shape) in LOOKS.items()
        if method in shown
    )
    panels = [panel(title, each) for title, each in found.items()]
    rows = (Row(tuple(panels[i : i + 2]), 0.32, 0.48, gap=0.75) for i in range(0, len(panels), 2))
    title = f"What a search for the learning rate of {BUDGET}-step runs is worth"
    return Page(title, (*rows, Key(entries, columns=2)), left=0.62)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=PICTURE, help="where the picture is written")
    args = parser.parse_args()
    known = oracles(read_lines(RUNS), kind="constant", budget=BUDGET)
    found = {title: spots(names, known) for title, names in GROUPS.items()}
    for title, each in found.items():
        print(f"\n{title}\n")
        print("| method | steps | mean regret |\n|---|---|---|")
        for spot in each:
            print(f"| {spot.method} | {spot.steps:,.0f} | {spot.regret:.4f} |")
    args.out.write_bytes(png(draw(page(found))))


if __name__ == "__main__":
    main()
