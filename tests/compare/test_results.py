"""What is read from a comparison, against tables written by hand."""

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest

from lrfind.compare.budget import Budget
from lrfind.compare.plan import grid_around
from lrfind.compare.report import compare_lines
from lrfind.compare.results import Comparison, Edge, Judge, boundaries, cells_of, winners
from lrfind.compare.scaling import Exponent, scaling_of
from lrfind.compare.scaling_words import _exponent
from lrfind.compare.verdict import conclude
from lrfind.errors import ConfigError
from lrfind.training.baseline import UNKNOWN, Baseline
from lrfind.training.run_set import RunSet
from tests.screen import shown

BUDGET = Budget(1000, 1, 100)
LRS = (0.1, 0.2, 0.4, 0.8, 1.6)


def run_of(
    losses, *, size=16, seed=0, lrs=LRS, accuracies=None, optimizer="SGD", finished=True, baseline=UNKNOWN
):
    runs = RunSet.untrained(lrs, read_at=BUDGET.steps(size), seed=seed)
    runs = dataclasses.replace(runs, baseline=baseline)
    runs.readings[:, 0] = losses
    if accuracies is not None:
        runs.accuracies[:, 0] = accuracies
    runs.diverged[:] = np.isnan(runs.readings[:, 0])
    runs.finished[:] = finished
    return optimizer, size, runs


def bowl(best, *, size, seed=0, noise=0.0, lrs=LRS, optimizer="SGD"):
    """A loss with its minimum at a rate: the squared distance in log2."""
    losses = [math.log2(lr / best) ** 2 + 1 + noise * (i % 2) for i, lr in enumerate(lrs)]
    return run_of(losses, size=size, seed=seed, lrs=lrs, optimizer=optimizer)


def comparison(*runs, judge=Judge.LOSS, planned=None):
    return Comparison(cells_of(runs, judge), BUDGET, judge, len(runs) if planned is None else planned)


@pytest.mark.parametrize("batch_size", [1, 7, 16, 128, 999])
def test_every_batch_size_sees_the_same_samples_to_within_one_batch_at_each_reading(batch_size):
    budget = Budget.of(epochs=10, samples=None, readings=None, pool=1617)
    assert budget.readings == 10
    for j, step in enumerate(budget.steps(batch_size), start=1):
        assert 0 <= 1617 * j - step * batch_size < batch_size
        assert budget.epoch(j - 1) == j


def test_a_budget_in_samples_is_read_ten_times_and_knows_no_epochs_without_a_pool():
    budget = Budget.of(epochs=10, samples=500, readings=None, pool=None)
    assert budget.steps(10) == tuple(range(5, 51, 5))
    assert budget.epoch(3) is None
    assert budget.words == "500 samples"
    assert Budget.of(epochs=1.5, samples=None, readings=None, pool=10).words == "1.5 epochs"


def test_a_budget_that_cannot_be_is_refused():
    with pytest.raises(
        ConfigError, match=r"compare\.epochs needs data whose end is known.*compare\.samples="
    ):
        Budget.of(epochs=10, samples=None, readings=None, pool=None)
    with pytest.raises(ConfigError, match=r"compare\.readings=10 is more than the steps"):
        Budget.of(epochs=None, samples=100, readings=None, pool=None).steps(50)


def test_a_grid_is_a_factor_apart_and_meets_the_rates_of_another():
    assert grid_around(0.1, count=5, factor=2.0) == [0.025, 0.05, 0.1, 0.2, 0.4]
    assert grid_around(0.1, count=4, factor=2.0) == [0.05, 0.1, 0.2, 0.4]
    assert grid_around(0.35, count=3, factor=2.0, through=0.1) == [0.2, 0.4, 0.8]


def test_the_best_rate_has_the_lowest_mean_and_lies_between_its_neighbours():
    runs = [bowl(0.4, size=16, seed=seed) for seed in range(3)]
    best = comparison(*runs).cells[0].best
    assert (best.lr, best.edge) == (0.4, Edge.NONE)
    assert (best.low, best.high) == pytest.approx((math.sqrt(0.08), math.sqrt(0.32)))


def test_the_interval_ends_before_a_rate_that_diverged_with_any_seed():
    seeds = [[3, 2, 1, 4, 4], [3, 2, 1, math.nan, 4]]
    measured = comparison(*(run_of(losses, seed=seed) for seed, losses in enumerate(seeds)))
    best = measured.cells[0].best
    assert (best.lr, best.low, best.high) == pytest.approx((0.4, math.sqrt(0.08), 0.4))
    said = conclude(measured, 16)
    assert said.suggestion.high == 0.4
    assert "lies between 0.283 and 0.4." in said.verdict
    between_two = comparison(run_of([3, math.nan, 1, math.nan, 4]))
    best = between_two.cells[0].best
    assert (best.low, best.high) == (0.4, 0.4)
    assert "The rates beside 0.4 did worse." in conclude(between_two, 16).verdict


def test_an_interval_that_goes_to_the_end_of_the_grid_is_open_there():
    seeds = [[3, 2, 1.2, 1.0, 1.1], [3, 2, 1.2, 1.1, 1.0], [3, 2, 1.2, 0.8, 1.0]]
    measured = comparison(*(run_of(losses, seed=seed) for seed, losses in enumerate(seeds)))
    best = measured.cells[0].best
    assert (best.lr, best.edge, best.high) == (0.8, Edge.NONE, 1.6)
    text = [line.text for line in shown(compare_lines(measured, conclude(measured, 16), []))]
    assert "(bracket 0.566 to >1.6: where the best one may lie)" in text[0]
    equal = run_of([3, 2, 1, 0.5, 0.6], accuracies=[0.9, 0.9, 0.9, 1.0, 1.0])
    said = conclude(comparison(equal, judge=Judge.ACCURACY), 16)
    assert said.verdict.endswith("The best lies between 0.566 and 1.6, or above.")


def test_accuracy_judges_and_the_loss_decides_between_equals():
    losses, right = [0.5, 0.3, 0.4, 0.6, 2.0], [0.9, 0.95, 0.95, 0.9, 0.96]
    best = comparison(run_of(losses, accuracies=right), judge=Judge.ACCURACY).cells[0].best
    assert best.lr == 1.6
    assert best.edge is Edge.HIGH
    best = (
        comparison(run_of(losses, accuracies=[0.9, 0.95, 0.95, 0.9, 0.9]), judge=Judge.ACCURACY).cells[0].best
    )
    assert best.lr == 0.2


def test_a_rate_that_diverged_with_one_seed_cannot_be_best():
    runs = [run_of([3, 2, 1, 1.5, 3]), run_of([3, 2, math.nan, 1.5, 3], seed=1)]
    assert comparison(*runs).cells[0].best.lr == 0.8
    gone = [run_of([math.nan] * 5)]
    assert comparison(*gone).cells[0].best is None
    advice = conclude(comparison(*gone), 16)
    assert advice.suggestion is None
    assert "compare.lrs=[0.001,0.00333,0.01]" in advice.verdict


def test_resampled_winners_follow_the_seeds():
    # With two seeds a quarter of the draws is the first alone, a quarter the second alone.
    errors = np.array([[0.0, 1.0, 5.0], [2.0, 1.2, 5.0]])
    won = winners(errors)
    assert set(won.tolist()) == {0, 1}
    assert np.mean(won == 1) == pytest.approx(0.25, abs=0.03)
    assert winners(errors).tolist() == won.tolist()


def test_boundaries_lie_half_way_on_a_log_axis():
    assert boundaries((1.0, 4.0, 16.0)) == (1.0, 2.0, 8.0, 16.0)


@pytest.mark.parametrize(("power", "right", "wrong"), [(1.0, 0, 1), (0.5, 1, 0)])
def test_the_exponent_of_rates_that_follow_a_rule_is_that_of_the_rule(power, right, wrong):
    lrs = tuple(0.01 * 2**k for k in range(10))
    sizes = (4, 16, 64)
    runs = [bowl(0.04 * (size / 4) ** power, size=size, lrs=lrs, seed=s) for size in sizes for s in range(3)]
    scaling = scaling_of(comparison(*runs).of("SGD"))
    assert scaling.exponent.value == pytest.approx(power)
    assert scaling.exponent.low < power < scaling.exponent.high
    assert scaling.exponent.doubling[0] == pytest.approx(2**power)
    assert scaling.rules[right].holds == (16, 64)
    assert scaling.rules[right].fails_at is None
    assert scaling.rules[wrong].fails_at == 16
    assert scaling.rules[wrong].predicted == pytest.approx(0.04 * 4 ** (1.5 - power))


def test_a_grid_cannot_tell_rules_apart_that_differ_by_less_than_its_step():
    # From batch size 4 to 5 the linear rule is a quarter more; the next rate that was tried is twice as much.
    scaling = scaling_of(comparison(bowl(0.4, size=4), bowl(0.4, size=5)).of("SGD"))
    assert [rule.fails_at for rule in scaling.rules] == [None, None]


def test_one_accident_on_the_way_does_not_end_a_rule():
    lrs = tuple(0.01 * 2**k for k in range(10))
    runs = [bowl(best, size=size, lrs=lrs) for size, best in ((4, 0.04), (16, 0.64), (64, 0.16))]
    linear, root = scaling_of(comparison(*runs).of("SGD")).rules
    assert (root.holds, root.fails_at) == ((16, 64), None)
    assert (linear.holds, linear.fails_at) == ((), 16)


def test_a_rule_that_no_batch_size_contradicts_but_all_together_do_is_said_to_be_contradicted():
    lrs = tuple(0.01 * 2**k for k in range(10))
    runs = [bowl(0.04 * 2**k, size=4 * 2**i, lrs=lrs) for i, k in enumerate((0, 1, 1, 1, 1, 2, 3))]
    measured = comparison(*runs)
    scaling = scaling_of(measured.of("SGD"))
    assert scaling.exponent.high < 0.5
    assert scaling.rules[1].fails_at is None
    assert not scaling.moves[-1].excludes(0.5)
    power, spread = scaling.exponent.words
    said = conclude(measured, 4).verdict
    assert power == "B^0.39"
    assert (
        "The square-root rule, drawn from 0.04 at batch size 4, is contradicted by no batch size alone, but "
        f"by all together: its power, 0.5, lies outside {spread}."
    ) in said


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        (1, "rests on one seed, which shows nothing of luck: no rule is refuted by it, compare.seeds=5"),
        (
            3,
            "whose range is narrower than it should be: take it for a hint, compare.seeds=5",
        ),
        (5, ""),
    ],
)
def test_a_contradiction_of_few_seeds_is_called_a_hint(seeds, said):
    lrs = tuple(0.01 * 2**k for k in range(10))
    runs = [bowl(0.16, size=size, lrs=lrs, seed=seed) for size in (4, 64) for seed in range(seeds)]
    verdict = conclude(comparison(*runs), 4).verdict
    assert "batch size 4, is contradicted at batch size 64, where it says 2.56." in verdict
    assert ("How the best rate moves rests on" in verdict) is bool(said)
    assert said in verdict


def test_a_best_at_the_edge_is_left_out_of_the_fit_and_contradicts_no_rule():
    runs = [bowl(0.2, size=4), bowl(0.4, size=8), bowl(9.0, size=64)]
    measured = comparison(*runs)
    scaling = scaling_of(measured.of("SGD"))
    assert scaling.exponent.batch_sizes == (4, 8)
    assert scaling.rules[0].fails_at is None
    assert "left out of that" in conclude(measured, 8).verdict
    advice = conclude(measured, 64)
    assert "1.6 is the highest rate tried" in advice.verdict
    assert "widen compare.lrs, to 3.2 at least" in advice.verdict


@pytest.mark.parametrize("lrs", [(0.1,), (0.1, 0.2)])
def test_fewer_than_three_rates_say_nothing_of_how_the_best_one_moves(lrs):
    runs = [bowl(0.1, size=size, seed=seed, lrs=lrs) for size in (16, 32, 64) for seed in range(2)]
    advice = conclude(comparison(*runs), 16)
    assert (advice.scalings["SGD"].exponent, advice.scalings["SGD"].rules) == (None, ())
    assert "cannot be said, for that takes 3 rates at least: widen compare.lrs." in advice.verdict
    assert "as far as was measured" not in advice.verdict
    assert ("Only one rate was tried, and nothing tells" in advice.verdict) is (len(lrs) == 1)
    assert ("It is the only rate tried at batch size 16" in advice.suggestion.reason) is (len(lrs) == 1)


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (1e-9, 0.5, "may as well not move"),
        (0.006, 0.5, "does rise with the batch"),
        (-0.5, -1e-9, "may as well not move"),
        (-0.5, -0.006, "falls as the batch grows"),
    ],
)
def test_an_exponent_is_told_from_zero_as_it_is_shown(low, high, says):
    assert says in _exponent(Exponent((low + high) / 2, low, high, (16, 32)))[1]


def test_a_loss_that_is_not_finite_to_begin_with_is_not_the_rates_doing():
    gone = comparison(run_of([math.nan] * 5))
    assert "Every rate diverged, down to 0.1" in conclude(gone, 16).verdict
    verdict = conclude(gone, 16, starts_finite=False).verdict
    assert verdict.startswith("Nothing can be said: the loss was not finite before any update. Look for NaN")
    assert verdict.endswith("(log of 0); with bf16 or fp16 try precision=fp32.")


def test_rates_that_learn_nothing_are_not_compared():
    chance = Baseline(2.3, 0.1, 1000)
    right = [0.1, 0.104, 0.1, 0.09, 0.1]
    runs = [
        run_of([2.31, 2.3, 2.29, math.nan, math.nan], seed=seed, accuracies=right, baseline=chance)
        for seed in range(2)
    ]
    measured = comparison(*runs, judge=Judge.ACCURACY)
    advice = conclude(measured, 16)
    assert measured.cells[0].best is None
    assert (advice.suggestion, measured.diverged) == (None, False)
    assert advice.verdict == (
        "No rate learnt anything in 10 epochs of training: the held-out loss ends at 2.29 at best, with "
        "10.4% of the samples right at most. Before training, or for answers that ignore the inputs, these "
        "are 2.3 and 10.0%. Where learning takes longer, raise compare.epochs; else see whether the labels "
        "belong to the inputs, and whether the optimizer moves what the loss comes from."
    )


@pytest.mark.parametrize(
    ("losses", "left"),
    [
        ([2.3, 2.3, 2.3, 2.3, 3], ""),  # from one that does nothing to one that does harm
        (
            [2.31, 2.3, 2.3, 2.3, 2.299],
            "The loss ends lowest at the highest rate, 1.6: higher ones are left to try. ",
        ),
        ([2.6, 3, 4, 5, 6], "Even the lowest rate, 0.1, did harm: lower ones are left to try. "),
    ],
)
def test_where_nothing_is_learnt_other_rates_are_named_only_where_some_are_left_to_try(losses, left):
    measured = comparison(*(run_of(losses, seed=seed, baseline=Baseline(2.3)) for seed in (0, 1)))
    said = f"Before training it is 2.3. {left}Where learning takes longer"
    assert said in conclude(measured, 16).verdict
    assert "left to try" not in conclude(dataclasses.replace(measured, grid=5), 16).verdict


def test_an_optimizer_that_learns_nothing_is_named_and_another_is_suggested():
    runs = [
        run_of([3, 2, 1, 2, 3], size=4, baseline=Baseline(3.0)),
        run_of([3, 3, 3, 3, 3], size=4, optimizer="Adam", baseline=Baseline(3.0)),
        run_of([3, 3, 3, 3, 3], size=8, baseline=Baseline(3.0)),
    ]
    advice = conclude(comparison(*runs), 4)
    assert advice.about == ("SGD", 4)
    assert "best of the optimizers at batch size 4; with Adam no rate learnt anything." in advice.verdict
    # The batch size of the config is one at which nothing was learnt: the best of the others is suggested.
    assert conclude(comparison(*runs), 8).about == ("SGD", 4)


def test_the_suggestion_is_for_the_configured_batch_size_or_else_the_best_of_all():
    runs = [run_of([3, 2, 1, 2, 3], size=4), run_of([3, 1.5, 2, 2, 3], size=16)]
    assert conclude(comparison(*runs), 16).suggestion.lr == 0.2
    assert conclude(comparison(*runs), 64).about == ("SGD", 4)


def test_rates_that_the_seeds_do_not_tell_apart_are_named_and_one_seed_is_called_one_seed():
    runs = [bowl(0.3, size=4, seed=s, noise=n) for s, n in enumerate((0.2, -0.2, 0.1))]
    assert "At batch size 4, 3 seeds do not tell 0.2 from 0.4." in conclude(comparison(*runs), 4).verdict
    assert "One seed cannot say" in conclude(comparison(bowl(0.4, size=4)), 4).suggestion.reason


@pytest.mark.parametrize("seeds", [1, 3])
def test_rates_with_as_many_right_answers_are_called_equal_and_lie_in_the_bracket(seeds):
    losses, right = [0.5, 0.3, 0.4, 0.6, 2.0], [0.9, 1.0, 1.0, 0.9, 1.0]
    runs = [run_of(losses, accuracies=right, seed=seed) for seed in range(seeds)]
    said = conclude(comparison(*runs, judge=Judge.ACCURACY), 16)
    assert said.suggestion.lr == 0.2
    # From half way between 0.1 and 0.2 to half way between 0.4 and 0.8, which lies between two equals.
    assert (said.suggestion.low, said.suggestion.high) == pytest.approx((0.1414, 0.5657), rel=5e-3)
    assert "0.4 and 1.6 have as many samples right as 0.2, whose loss is lower" in said.verdict
    assert "did worse" not in said.verdict
    assert "0.4 and 1.6 have as many right, and a higher loss." in said.suggestion.reason
    by_loss = conclude(comparison(*runs), 16)
    assert "as many" not in by_loss.verdict
    assert by_loss.suggestion.high == pytest.approx(0.2828, rel=5e-3)


def test_an_interrupted_comparison_suggests_nothing_and_says_how_to_go_on():
    cut = run_of([1, 2, math.nan, math.nan, math.nan], seed=1, finished=False)
    measured = comparison(bowl(0.4, size=4), cut, planned=4)
    advice = conclude(measured, 4)
    assert advice.suggestion is None
    assert "after 1 of 4 runs" in advice.verdict
    assert "compare.resume" in advice.verdict
    assert len(measured.cells) == 1


def test_optimizers_are_told_apart():
    runs = [bowl(0.4, size=4), bowl(0.2, size=4, optimizer="Adam", lrs=tuple(lr for lr in LRS))]
    advice = conclude(comparison(*runs), 4)
    assert set(advice.scalings) == {"SGD", "Adam"}
    assert "SGD came out best of the optimizers at batch size 4; Adam is behind." in advice.verdict


def test_optimizers_within_the_spread_of_the_seeds_are_told_apart_from_those_behind():
    losses = {"SGD": (1.0, 1.1, 0.9), "Adam": (1.1, 0.95, 1.0), "Lion": (1.5, 1.6, 1.4)}
    runs = [
        run_of([3, 2, end, 2, 3], size=4, seed=seed, optimizer=name)
        for name, ends in losses.items()
        for seed, end in enumerate(ends)
    ]
    runs += [run_of([math.nan] * 5, size=4, seed=seed, optimizer="Rprop") for seed in range(3)]
    said = conclude(comparison(*runs), 4).verdict
    assert said.endswith(
        "SGD came out best of the optimizers at batch size 4; Adam is within the spread of the seeds; Lion "
        "is behind; with Rprop every rate diverged."
    )


def test_an_optimizer_that_is_best_at_an_end_is_not_beaten_yet():
    runs = [
        bowl(0.4, size=4),
        run_of([3, 3, 3, 2.5, 2], size=4, optimizer="Adam"),
        run_of([2, 2.5, 3, 3, 3], size=4, optimizer="Lion"),
        run_of([2, 1.9, 3, 3, 3], size=4, optimizer="Rprop"),
    ]
    said = conclude(comparison(*runs), 4).verdict
    assert said.endswith(
        "Adam, Lion and Rprop are behind. Adam did best at 1.6, the highest of the rates tried, Lion at 0.1, "
        "the lowest: they may do better beyond, so widen compare.lrs, to 0.05 and 3.2 at least."
    )
    laid = dataclasses.replace(comparison(*runs), grid=5)
    assert conclude(laid, 4).verdict.endswith("they may do better beyond, so raise compare.num_lrs, to 9.")
    assert "may do better" not in conclude(comparison(runs[0], runs[3]), 4).verdict


def test_a_best_at_an_end_of_a_grid_is_left_by_more_rates():
    laid = dataclasses.replace(comparison(bowl(9.0, size=4)), grid=5)
    assert "a higher one may be better still: raise compare.num_lrs, to 9." in conclude(laid, 4).verdict


def test_of_several_optimizers_a_sentence_each_says_how_the_best_rate_moves():
    runs = [
        bowl(0.1 * (size / 4) ** power, size=size, seed=seed, optimizer=name, lrs=(0.025, 0.05, *LRS))
        for name, power in (("SGD", 1.0), ("Adam", 0.0))
        for size in (4, 8, 16)
        for seed in range(2)
    ]
    said = conclude(comparison(*runs), 4).verdict
    assert "SGD: the best rate goes as B^1.00 (nine in ten resamples: " in said
    assert ", times 2 when the batch is doubled, which contradicts the square-root rule. " in said
    assert (
        ", times 1 when the batch is doubled, which contradicts the linear and the square-root rule." in said
    )
    assert "drawn from" not in said
    one = [bowl(0.1, size=size, seed=seed, optimizer=name, lrs=(0.1,)) for name in ("SGD", "Adam")
           for size in (4, 8) for seed in range(2)]  # fmt: skip
    assert (
        "How the best rate of SGD and Adam moves with the batch size cannot be said: widen compare.lrs."
        in conclude(comparison(*one), 4).verdict
    )


def test_the_epoch_of_a_reading_is_exact():
    budget = Budget(54000 * 10, 10, 54000)
    assert [budget.epoch(j) for j in range(10)] == [float(Fraction(j + 1)) for j in range(10)]
