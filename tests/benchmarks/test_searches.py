"""Searches on recorded curves: what is read in between, and what each method makes of it."""

import importlib.util
import math

import pytest

from benchmarks.truth import budget_plot
from benchmarks.truth.oracles import Oracle
from benchmarks.truth.searches import BUDGETS, grid, optuna_search, random_search, verify
from benchmarks.truth.simulated import simulated_tasks

READ = (0, 25, 50, 75, 100, 150, 200, 250, 300)


def curve(lr, final, *, seed=100, diverged_at=None):
    """A run whose held-out loss falls on a straight line from 2."""
    losses = [2 + (final - 2) * step / 300 for step in READ]
    if diverged_at is not None:
        losses = [loss if step <= diverged_at else None for loss, step in zip(losses, READ, strict=True)]
    return {
        "task": "t", "seed": seed, "lr": lr, "steps": 300 if diverged_at is None else diverged_at,
        "diverged": diverged_at is not None, "losses": losses, "seconds": 0.1,
    }  # fmt: skip


RATES = {1e-4: 1.8, 1e-3: 1.0, 1e-2: 0.2, 1e-1: 0.8}


def recorded():
    lines = [curve(lr, final) for lr, final in RATES.items()] + [curve(1.0, 2.0, diverged_at=10)]
    return simulated_tasks(lines)["t"][100]


def test_losses_are_read_in_between_along_the_log_of_the_rate_and_along_the_steps():
    task = recorded()
    assert task.initial == 2.0
    assert task.loss(1e-2, 300) == (pytest.approx(0.2), 300)
    assert task.loss(10**-2.5, 300)[0] == pytest.approx((1.0 + 0.2) / 2)
    assert task.loss(1e-2, 110)[0] == pytest.approx(2 - 1.8 * 110 / 300)
    assert task.loss(1e-9, 300)[0] == pytest.approx(1.8)


def test_nearer_to_a_rate_that_diverged_a_run_diverges_and_nearer_to_the_other_it_has_lost_a_part():
    task = recorded()
    assert task.loss(0.5, 300) == (math.inf, 10)
    assert task.loss(10**-0.75, 300)[0] == pytest.approx(0.75 * 0.8 + 0.25 * 2.0)


def test_every_method_stays_within_its_budget_and_finds_the_best_decade():
    answer = {"lr": 1e-3, "steps": 60}
    found = list(verify([recorded()], answer, 0.1))
    assert [budget for _, budget, _, _ in found] == list(BUDGETS)
    assert all(steps <= budget for _, budget, _, steps in found)
    assert found[-1][2] == pytest.approx(1e-2, rel=1.0)
    assert next(iter(verify([recorded()], {"lr": None, "steps": 60}, 0.01)))[2] == pytest.approx(1e-2, rel=2)
    one, _ = grid("decade", list(RATES))([recorded()])
    assert one == ("decade", 1200, 1e-2, 1200)
    drawn = list(random_search([recorded()]))
    assert all(steps <= budget for _, budget, _, steps in drawn)
    assert [lr for _, budget, lr, _ in drawn if budget == 5000] == pytest.approx([0.01] * 10, rel=3)


@pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="optuna is not installed")
@pytest.mark.filterwarnings("ignore")  # of what optuna calls experimental
def test_optuna_is_told_of_the_readings_and_stays_within_the_budget():
    found = list(optuna_search([recorded()]))
    assert [budget for _, budget, _, _ in found] == list(BUDGETS) * 5
    assert all(steps <= budget for _, budget, _, steps in found)
    assert [lr for _, budget, lr, _ in found if budget == 5000] == pytest.approx([0.01] * 5, rel=3)


def test_the_picture_is_made_of_all_that_is_recorded_and_can_be_drawn():
    from lrfind.plotting.draw import draw, png

    spots = [budget_plot.Spot("verify", 900.0, 0.02, 3), budget_plot.Spot("lightning", 97.0, 0.6, 3)]
    page = budget_plot.page({"some": spots, "others": spots})
    assert [placed.entry.text for placed in page.entries] == ["lrfind verify"]
    assert png(draw(page)).startswith(b"\x89PNG")


def test_a_method_that_was_not_run_on_all_tasks_has_no_spot(monkeypatch, tmp_path):
    import numpy as np

    for name in ("FOUND", "SEARCHES", "VERIFIED"):
        monkeypatch.setattr(budget_plot, name, tmp_path / name)
    lines = [
        '{"task": "a", "method": "verify", "budget": 500, "lr": 0.1, "steps": 400}',
        '{"task": "b", "method": "verify", "budget": 500, "lr": null, "steps": 480}',
        '{"task": "a", "method": "random", "budget": 500, "lr": 0.1, "steps": 300}',
    ]
    (tmp_path / "SEARCHES").write_text("\n".join(lines))
    known = Oracle(np.array([0.01, 0.1, 1]), np.array([0.5, 0.0, 1]), best=0.1, initial=1, final=0, seeds=2)
    assert budget_plot.spots(["a", "b"], {"a": known, "b": known}) == [
        budget_plot.Spot("verify", 440.0, 0.5, 2)
    ]
