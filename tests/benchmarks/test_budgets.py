"""The search at several budgets at once: where it walks, and what a run that is read on the way is."""

import math

import pytest

from benchmarks.truth import budgets
from benchmarks.truth.budgets import Search, next_rate, run_all
from benchmarks.truth.lines import read_lines
from benchmarks.truth.training import Trainer


def walked(search, best, *, start, seeds=1):
    """What is recorded where the loss is a parabola in log10 lr, lowest at `best[budget]`, then NaN."""
    lines = []
    for seed in range(seeds):
        while (lr := next_rate(lines, search, seed, start=start)) is not None:
            for budget in search.budgets:
                away = math.log10(lr) - best[budget]
                final = None if away > 1 else 1 + away**2
                lines.append(
                    {"task": search.task, "kind": search.kind, "budget": budget, "lr": lr, "seed": seed}
                )
                lines[-1] |= {"initial": 3.0, "final": final}
    return lines


def test_the_walk_ends_with_the_best_rate_of_every_budget_inside():
    search = Search("t", "constant", (100, 1000))
    lines = walked(search, {100: -0.5, 1000: -1.75}, start=-1.0)
    lrs = sorted({line["lr"] for line in lines})
    # Best of 1000 at 0.0178, between two half decades, of which the lower is taken: two below it, one above.
    assert lrs[0] == pytest.approx(0.001, rel=1e-3)
    assert lrs[-1] == 1.0  # one above 0.316, the best of 100
    assert 0.0177828 in lrs  # a quarter beside the best of the whole budget
    assert len(lrs) == len(lines) / 2


def test_a_start_far_away_walks_there():
    search = Search("t", "constant", (100,))
    lrs = {line["lr"] for line in walked(search, {100: -3.0}, start=0.0)}
    assert {1e-3, 3.16228e-3, 3.16228e-4, 1e-4} <= lrs


def test_further_seeds_leave_out_what_the_first_shows_to_be_hopeless():
    search = Search("t", "constant", (100,))
    lines = walked(search, {100: -1.0}, start=0.25, seeds=2)
    rates = [{line["lr"] for line in lines if line["seed"] == seed} for seed in (0, 1)]
    assert rates[1] < rates[0]
    assert rates[0] - rates[1] == {line["lr"] for line in lines if line["final"] is None}


def test_a_run_read_on_the_way_is_the_shorter_run(tmp_path):
    trainer = Trainer("curve_adam")
    twice = trainer.track(0.01, 0, checkpoints=[4, 8])
    assert twice[0].final == trainer.train(0.01, 0, budget=4).final
    assert twice[1].final == trainer.train(0.01, 0, budget=8).final != twice[0].final


def test_a_run_above_its_start_ends_and_is_not_finite_from_there_on():
    runs = Trainer("digits_mlp_sgd").track(30.0, 0, checkpoints=[2, 4, 8], hopeless=0.25)
    assert runs[0].final > runs[0].initial
    assert [run.status for run in runs[1:]] == ["hopeless", "hopeless"]
    assert all(math.isnan(run.final) for run in runs[1:])


def test_what_is_recorded_is_not_made_again(tmp_path, monkeypatch):
    path = tmp_path / "runs.jsonl"
    monkeypatch.setattr(budgets, "RUNS", tmp_path / "none")
    search = Search("curve_adam", "cosine", (6,))
    made = run_all([search], path, seeds=1)
    lines = read_lines(path)
    assert made == len(lines) >= 6
    assert {(line["kind"], line["budget"]) for line in lines} == {("cosine", 6)}
    assert run_all([search], path, seeds=1) == 0


def test_a_cosine_ends_near_no_rate_at_all():
    trainer = Trainer("scaled_linear_nesterov")
    diverging = [trainer.train(0.3, 0, budget=40, kind=kind).final for kind in ("constant", "cosine")]
    assert not diverging[0] < diverging[1]
