"""The law of the falling rate is the one put in, and the package's figures are those of the runs."""

import numpy as np
import pytest

from benchmarks.truth.budgets import BUDGET_RUNS, SMALL_BUDGETS
from benchmarks.truth.falls import Fall, Law, chosen, falls_of, fit, middle
from benchmarks.truth.finders import FOUND
from benchmarks.truth.laws import LAWS, PEAKS, page, peak_of
from benchmarks.truth.lines import read_lines
from benchmarks.truth.oracle import RUNS
from benchmarks.truth.oracles import Oracle, oracles
from benchmarks.truth.scores import by_task, mean_regret
from benchmarks.truth.searches import SEARCHES
from benchmarks.truth.tasks import BUDGET
from lrfind.range_test import horizon, peaks
from lrfind.schedules.peaks import STEPS, TASKS, TIMES
from lrfind.verify.peaks import PEAKS as SEARCHED


def a_fall(law, per_epoch, name="t"):
    middles = {budget: 0.1 * law.factor(budget, per_epoch) for budget in (300, 600, 1500, 6000)}
    return Fall(name, per_epoch, middles)


def an_oracle(regrets, best):
    lrs = np.logspace(-3, 0, len(regrets))
    return Oracle(lrs, np.array(regrets), best=float(lrs[best]), initial=2.0, final=1.0, seeds=1)


def test_a_law_that_was_put_in_comes_out():
    law = Law(0.3, 20, 0.0, 3)
    falls = [a_fall(law, per_epoch) for per_epoch in (5, 40, 10_000)]
    found = fit(falls, 20)
    assert found.exponent == pytest.approx(0.3)
    assert found.spread == pytest.approx(0)
    assert found.tasks == 3


def test_an_exponent_of_its_own_is_the_slope():
    assert a_fall(Law(0.3, 20, 0.0, 1), 1e9).exponent == pytest.approx(0.3)


def test_the_spread_is_that_of_the_exponents_that_are_left():
    falls = [a_fall(Law(exponent, 20, 0.0, 1), 1e9) for exponent in (0.1, 0.5)]
    found = fit(falls, 20)
    assert found.exponent == pytest.approx(0.3)
    assert found.spread == pytest.approx(np.std([0.1, 0.5], ddof=1))


def test_the_law_of_the_package_is_the_law_of_the_benchmark():
    law = Law(horizon.EXPONENT, horizon.PASSES, horizon.SPREAD, horizon.TASKS)
    for steps in (100, 300, 900, 5000, 10**6):
        for per_epoch in (3, 30, 3000):
            ours = horizon.Horizon(steps, per_epoch).factor
            assert ours == pytest.approx(law.factor(steps, per_epoch))


def test_the_passes_are_those_of_least_regret():
    law = Law(0.2, 20, 0.0, 2)
    falls = [a_fall(law, 20, "small"), a_fall(law, 10_000, "large")]
    # Only the rate that the law gives is good at the end.
    longest = {}
    for fall in falls:
        lrs = np.logspace(-4, 0, 401)
        away = np.abs(np.log10(lrs / fall.middles[6000]))
        best = float(lrs[np.argmin(away)])
        longest[fall.task] = Oracle(lrs, np.clip(away, 0, 1), best=best, initial=2.0, final=1.0, seeds=1)
    assert chosen(falls, longest).passes == 20


def test_the_middle_is_that_of_the_good_rates_around_the_best():
    flat = an_oracle([1, 0.02, 0.0, 0.01, 0.02, 1, 0], 2)  # the last is good, too, but apart
    assert middle(flat) == pytest.approx(10**-1.75, rel=0.02)
    assert middle(an_oracle([1, 1, 0, 1, 1, 1, 1], 2)) == pytest.approx(1e-2, rel=0.02)


def test_the_figures_of_the_package_are_those_of_the_runs():
    lines, found = read_lines(BUDGET_RUNS), by_task(read_lines(FOUND), "lrfind")
    law = chosen(falls_of(lines), oracles(lines, kind="constant", budget=max(SMALL_BUDGETS)))
    assert law.exponent == pytest.approx(horizon.EXPONENT, abs=0.005)
    assert law.spread == pytest.approx(horizon.SPREAD, abs=0.005)
    assert (law.passes, law.tasks) == (horizon.PASSES, horizon.TASKS)
    assert max(SMALL_BUDGETS) == horizon.LAST
    assert horizon.STEPS == STEPS == BUDGET
    constant = oracles(read_lines(RUNS), kind="constant", budget=BUDGET)
    assert set(PEAKS) == set(peaks.PEAKS)
    for kind in PEAKS:
        peak, told = peak_of(kind, lines, constant, found), peaks.PEAKS[kind]
        assert peak.mean_regret(TIMES) - peak.mean_regret(peak.factor) < 0.002  # its neighbour is as good
        assert len(peak.ratios) == TASKS
        # The suggestions change a little with the rule: a mean is good to 0.01.
        assert peak.mean_regret(TIMES) == pytest.approx(told.mean_regret, abs=0.01)
        assert peak.mean_regret(1) == pytest.approx(told.constant, abs=0.01)
        assert peak.share_within(TIMES) == pytest.approx(told.within, abs=0.05)


def test_the_peaks_that_go_with_a_searched_rate_are_what_the_runs_show():
    searches = [line for line in read_lines(SEARCHES) if line["method"] == "verify"]
    for kind in PEAKS:
        known = oracles(read_lines(BUDGET_RUNS), kind=kind, budget=BUDGET)
        told, means = SEARCHED[kind], {}
        assert len(known) == TASKS
        for budget in (1000, 2000):
            lines = [line for line in searches if line["budget"] == budget]
            for factor in (1, TIMES):
                regrets = [
                    mean_regret([line for line in lines if line["task"] == task], oracle, factor=factor)
                    for task, oracle in known.items()
                ]
                means[budget, factor] = np.mean(regrets)
        assert means[2000, TIMES] == pytest.approx(told.mean_regret, abs=0.01)
        assert means[2000, 1] == pytest.approx(told.constant, abs=0.01)
        assert means[1000, TIMES] < means[1000, 1]


def test_the_page_is_made_of_the_runs():
    written = page(read_lines(BUDGET_RUNS), read_lines(RUNS), read_lines(FOUND))
    assert LAWS.read_text().split("\n\n")[:6] == written.split("\n\n")[:6]  # the rest moves with the rule
