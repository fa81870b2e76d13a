"""The page of the larger tasks: regrets of made-up runs, and finders not asked on all of them."""

import math
import re

import pytest

from benchmarks.truth import large
from benchmarks.truth.budgets import Search
from benchmarks.truth.large import oracles_of, page
from lrfind.range_test.horizon import Horizon

CONSTANT = Search("large_a", "constant", (500, 1000))
COSINE = Search("large_a", "cosine", (1000,))
BEST = {("constant", 500): -1.0, ("constant", 1000): -1.5, ("cosine", 1000): -1.0}


@pytest.fixture(autouse=True)
def two_searches(monkeypatch):
    monkeypatch.setattr(large, "LARGE_SEARCHES", (CONSTANT, COSINE))
    monkeypatch.setattr(large, "steps_per_epoch", lambda tasks: dict.fromkeys(tasks, 10**6))


def the_runs():
    """Regret is the distance from the best rate in decades."""
    lines = []
    for (kind, budget), best in BEST.items():
        for half in range(-6, 1):
            loss = 1 + abs(half / 2 - best)
            lines.append(
                {"task": "large_a", "kind": kind, "budget": budget, "lr": 10 ** (half / 2), "seed": 0}
            )
            lines[-1] |= {"initial": 2.0, "final": min(loss, 2.0)}
    return lines


def an_answer(finder, lr, task="large_a", seed=100):
    return {"task": task, "finder": finder, "seed": seed, "lr": lr, "low": None, "high": None, "steps": 60}


def cells(text, first):
    (row,) = re.findall(rf"^\| {re.escape(first)} \|(.+)\|$", text, re.MULTILINE)
    return [cell.strip() for cell in row.split("|")]


def test_the_best_rate_is_that_of_the_whole_budget():
    (constant, cosine) = oracles_of(the_runs())
    assert constant[2].best == pytest.approx(10**-1.5)
    assert cosine[2].best == pytest.approx(0.1)


def test_a_finder_is_scored_by_the_regret_of_its_answers():
    found = [an_answer("lrfind", 0.1), an_answer("lrfind", 10**-1.5, seed=101), an_answer("habit", None)]
    text = page(the_runs(), found)
    assert cells(text, "lrfind") == ["0.250", "0.250", "50%", "0%", "60"]
    assert cells(text, "habit") == ["1.000", "1.000", "0%", "100%", "60"]


def test_a_finder_that_was_not_asked_on_every_task_is_left_out(monkeypatch):
    other = Search("large_b", "constant", (1000,))
    monkeypatch.setattr(large, "LARGE_SEARCHES", (CONSTANT, other))
    runs = the_runs() + [line | {"task": "large_b"} for line in the_runs()]
    found = [
        an_answer(name, 0.1, task=task) for name in ("lrfind", "ignite") for task in ("large_a", "large_b")
    ]
    text = page(runs, [*found, an_answer("habit", 0.1)])
    assert cells(text, "lrfind")[:3] == cells(text, "ignite")[:3] == ["0.500", "0.500", "0.500"]
    assert "| habit |" not in text


def test_a_task_that_one_finder_alone_was_asked_on_is_no_comparison(monkeypatch):
    other = Search("large_b", "constant", (1000,))
    monkeypatch.setattr(large, "LARGE_SEARCHES", (CONSTANT, other))
    runs = the_runs() + [line | {"task": "large_b"} for line in the_runs()]
    found = [an_answer("lrfind", 0.1), an_answer("lrfind", 0.1, task="large_b"), an_answer("habit", 0.1)]
    assert cells(page(runs, found), "lrfind") == ["0.500", "0.500", "0%", "0%", "60"]


def test_the_horizon_and_the_peak_are_those_of_the_package():
    text = page(the_runs(), [an_answer("lrfind", 0.1)])
    factor = Horizon(1000, 10**6).factor
    assert cells(text, "mean")[3:] == ["0.500", "", f"{0.5 + math.log10(factor):.3f}"]
    peak = [line for line in text.splitlines() if line.startswith("| large_a | 1,000 | 0.032 | 0.1 |")]
    assert len(peak) == 1
    assert peak[0].endswith(f"| 0.000 | {math.log10(2):.3f} | 1 |")
