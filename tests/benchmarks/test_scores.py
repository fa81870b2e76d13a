"""Scores against tables that can be worked out by hand."""

import numpy as np
import pytest

from benchmarks.truth.oracles import Oracle, capped, oracle_of, oracles
from benchmarks.truth.scores import bracket, mean_regret, median_lr, score
from benchmarks.truth.table import constant_loss, table


def run(lr, seed, final, *, initial=3.0, task="digits_mlp_sgd", kind="constant", budget=300):
    return {
        "task": task,
        "kind": kind,
        "budget": budget,
        "lr": lr,
        "seed": seed,
        "initial": initial,
        "final": final,
        "status": "completed",
        "seconds": 0.1,
    }


def answer(lr, low=None, high=None, *, steps=50, finder="lrfind", seed=100, task="digits_mlp_sgd"):
    line = {"task": task, "finder": finder, "seed": seed, "lr": lr, "low": low, "high": high}
    return {**line, "steps": steps, "seconds": 0.1, "why": ""}


# Two seeds; means 3, 2, 1, 3: the last one diverged once, and once ended above its start.
RUNS = [run(0.01, 0, 3.0), run(0.1, 0, 2.2), run(1.0, 0, 0.8), run(10.0, 0, None)]
RUNS += [run(0.01, 1, 3.0), run(0.1, 1, 1.8), run(1.0, 1, 1.2), run(10.0, 1, 50.0)]
ORACLE = Oracle(np.array([0.01, 0.1, 1.0, 10.0]), np.array([1.0, 0.5, 0.0, 1.0]), 1.0, 3.0, 1.0, 2)


def test_a_run_that_diverged_or_made_it_worse_has_learnt_nothing():
    assert [capped(run(1, 0, final)) for final in (None, 50.0, 3.0, 2.0)] == [3.0, 3.0, 3.0, 2.0]


def test_regret_is_the_share_of_what_the_best_rate_learns():
    oracle = oracle_of(RUNS)
    assert oracle.lrs.tolist() == [0.01, 0.1, 1.0, 10.0]
    assert oracle.regrets.tolist() == pytest.approx([1.0, 0.5, 0.0, 1.0])
    assert (oracle.best, oracle.initial, oracle.final, oracle.seeds) == (1.0, 3.0, 1.0, 2)


def test_a_rate_with_fewer_seeds_is_compared_on_the_seeds_it_has():
    third = [run(0.1, 2, 4.5, initial=6.0), run(1.0, 2, 4.0, initial=6.0)]
    oracle = oracle_of([*RUNS, *third])
    # At 0.1, of three seeds: (8.5 - 6) / (12 - 6), each a sum over them; at the ends, of two.
    assert oracle.regrets.tolist() == pytest.approx([1.0, 2.5 / 6, 0.0, 1.0])
    assert (oracle.seeds, oracle.initial, oracle.final) == (3, 4.0, 2.0)


def test_a_seed_whose_runs_are_still_being_made_does_not_count():
    for begun in (run(0.1, 2, 0.0), run(0.01, 2, 0.0), run(1.0, 2, 0.0)):
        oracle = oracle_of([*RUNS, begun])
        assert (oracle.best, oracle.seeds) == (1.0, 2)
        assert oracle.regrets.tolist() == pytest.approx([1.0, 0.5, 0.0, 1.0])


def test_regret_between_rates_is_linear_in_the_logarithm_and_constant_beyond_the_ends():
    assert ORACLE.regret(10**-0.5) == pytest.approx(0.25)
    assert ORACLE.regret(1e-9) == ORACLE.regret(1e3) == 1.0
    assert ORACLE.regret(None) == 1.0


def test_brackets_are_judged_at_their_ends_and_at_every_rate_between():
    assert ORACLE.worst_inside(0.1, 1.0) == 0.5
    assert ORACLE.worst_inside(0.9, 1.1) == pytest.approx(np.log10(1.1))
    assert ORACLE.worst_inside(0.1, 10.0) == 1.0
    assert ORACLE.near(0.2, 0.5)
    assert not ORACLE.near(0.2, 0.49)
    assert ORACLE.near(2.0, 5.0)
    assert ORACLE.within(0.5) == (0.1, 1.0)
    assert ORACLE.within(0.05) == (1.0, 1.0)


def test_a_score_counts_each_task_once_and_no_answer_as_one():
    other = Oracle(np.array([0.1, 1.0]), np.array([0.0, 0.2]), 0.1, 1.0, 0.1, 5)
    answers = {"a": [answer(1.0), answer(None, steps=30)], "b": [answer(1.0), answer(0.1)]}
    found = score(answers, {"a": ORACLE, "b": other})
    assert found.mean == pytest.approx((0.5 + 0.1) / 2)
    assert found.answered == pytest.approx((0.0 + 0.2 + 0.0) / 3)
    assert (found.worst, found.worst_task) == (0.5, "a")
    assert found.within == pytest.approx(0.5)
    assert found.log_error == pytest.approx((0 + 1 + 0) / 3)
    assert found.steps == pytest.approx((40 + 50) / 2)
    assert found.failures == pytest.approx(0.25)
    assert (found.tasks, found.sweeps) == (2, 4)


def test_a_finder_that_never_answers_has_a_regret_of_one():
    found = score({"a": [answer(None)]}, {"a": ORACLE})
    assert (found.mean, found.within, found.failures) == (1.0, 0.0, 1.0)
    assert np.isnan(found.answered)
    assert score({"unknown": [answer(1.0)]}, {"a": ORACLE}) is None


def test_brackets_are_counted_by_sweep_and_by_task():
    answers = {"a": [answer(1.0, 0.9, 1.1), answer(1.0, 0.1, 10.0), answer(1.0, 0.1, 1.0)]}
    found = bracket(answers, {"a": ORACLE})
    assert found.sound == pytest.approx(1 / 3)  # the ends of the first are off by 0.02 and 0.04
    assert (found.sound_tasks, found.near, found.near_tasks, found.sweeps) == (0.0, 1.0, 1.0, 3)
    assert found.width == pytest.approx(1.0)
    assert bracket({"a": [answer(1.0)]}, {"a": ORACLE}) is None


def test_means_over_answers():
    lines = [answer(0.1), answer(1.0), answer(None)]
    assert mean_regret(lines, ORACLE) == pytest.approx((0.5 + 0 + 1) / 3)
    assert mean_regret([answer(0.1)], ORACLE, factor=10) == pytest.approx(0)
    assert median_lr(lines) == pytest.approx(10**-0.5)
    assert median_lr([answer(None)]) is None


def test_a_constant_rate_is_compared_with_a_cycle_on_the_same_seeds():
    assert constant_loss(RUNS, "digits_mlp_sgd", 1.0, seeds={0}) == 0.8
    assert constant_loss(RUNS, "digits_mlp_sgd", 1.0, seeds={0, 1}) == pytest.approx(1.0)


def test_kinds_and_budgets_are_kept_apart():
    lines = [*RUNS, run(1.0, 0, 0.1, kind="one_cycle"), run(1.0, 0, 0.1, budget=1500)]
    assert oracles(lines, kind="constant", budget=300)["digits_mlp_sgd"].final == pytest.approx(1.0)
    assert oracles(lines, kind="one_cycle", budget=300)["digits_mlp_sgd"].seeds == 1


def test_the_page_tells_every_part_in_tables_of_whole_rows():
    cycle = [run(lr, 0, final, kind="one_cycle") for lr, final in ((0.1, 2.0), (1.0, 1.0))]
    long = [run(lr, 0, final, budget=1500) for lr, final in ((0.1, 0.5), (1.0, 1.0))]
    found = [answer(1.0, 0.9, 1.1), answer(0.1, finder="habit"), answer(None, finder="fastai_slide")]
    page = table([*RUNS, *cycle, *long], found)
    assert "| lrfind | 0.000 | 0.000 (digits_mlp_sgd) | 100% | 0.00 | 50 | 0% | 0.000 |" in page
    assert "| habit | 0.500 |" in page
    assert "| fastai_slide | 1.000 |" in page
    assert "| digits_mlp_sgd | 1 | 0.1 | 0.1 |" in page  # the best of 1500 steps is a tenth
    heads = {}
    for line in page.splitlines():
        if line.startswith("|"):
            width = line.replace("\\|", "").count("|")
            assert heads.setdefault("width", width) == width, line
        else:
            heads.clear()
    assert table([], []).startswith("# ")
