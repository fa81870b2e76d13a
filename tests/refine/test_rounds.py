"""Coarse to fine, on synthetic rounds whose answer is known."""

import math

import numpy as np
import pytest

from lrfind.refine.minimum import valley
from lrfind.refine.results import RoundPlan, RoundResult, SeedResult
from lrfind.refine.rounds import MOST_ROUNDS, next_round, run_rounds
from lrfind.refine.segments import Segment, around, rungs, table
from lrfind.refine.verdict import conclude
from lrfind.suggestion import Status

LEVEL = 0.1
FIRST = RoundPlan(table(), "")


def measured(plan, loss_at, *, level=LEVEL, seeds=1, **more):
    """A round whose loss at each rate is given; it ends with the first that is not finite."""
    tracks = []
    for seed in range(seeds):
        losses = []
        for _, lr, iterations in rungs(plan.segments):
            loss = loss_at(lr) if seeds == 1 else loss_at(lr, seed)
            losses.append((loss,) * iterations)
            if not math.isfinite(loss):
                break
        tracks.append(SeedResult(level, tuple(losses)))
    return RoundResult(plan, tuple(tracks), **more)


def falls_until(turn, *, rises=True):
    """Falls with the logarithm of the rate until the turn, then rises, or stays."""

    def loss(lr):
        below = max(math.log(turn / lr), 0.0)
        above = max(math.log(lr / turn), 0.0) if rises else 0.0
        return LEVEL * (0.1 + 0.1 * below + above)

    return loss


def test_the_chapters_own_path():
    # Round 1 falls through 0.1, 0.16, 0.25 and 0.4, and is level from there on.
    one = measured(FIRST, lambda lr: LEVEL * (0.1 + max(0.5 - lr, 0)))
    second = next_round([one], iterations=10)
    assert second.span == (0.4, 1.1)
    assert rungs(second.segments)[1][1] == 0.42
    assert "still falling at 0.4" in second.reason
    assert "go on from 0.4 with a finer step" in second.reason
    # Round 2 turns at about 0.74.
    two = measured(second, lambda lr: LEVEL * (0.1 + abs(lr - 0.74)))
    third = next_round([one, two], iterations=10)
    assert third.span == (0.6, 0.8)
    assert (
        third.reason
        == "The loss turned at about 0.74: look around 0.7 by smaller steps, between its neighbours in the "
        "table, 0.6 and 0.8."
    )
    # Round 3 ends at about 0.8, of which 0.75 is the safer value.
    three = measured(third, lambda lr: LEVEL * (0.1 + 1000 * (lr - 0.8) ** 4))
    assert next_round([one, two, three], iterations=10) is None
    answer = conclude([one, two, three])
    assert answer.suggestion.lr == 0.75
    assert answer.rules == {"lowest": 0.8, "safer": 0.75}
    assert answer.suggestion.low <= 0.75 < answer.suggestion.high == 0.8
    assert "0.8" in answer.suggestion.reason


def test_a_sharp_turn_in_the_table_is_closed_in_on_at_once():
    plan = next_round([measured(FIRST, falls_until(0.03))], iterations=7)
    assert plan.span == (0.02, 0.04)
    assert plan.kind == "closing"
    assert {iterations for _, _, iterations in rungs(plan.segments)} == {7}


def test_a_loss_that_falls_to_the_end_is_followed_above_it():
    plan = next_round([measured(FIRST, falls_until(5))], iterations=10)
    assert plan.span == (2, 20)
    assert "still falling at 1.1: all of these are too small" in plan.reason


def test_a_loss_that_rises_from_the_first_rate_is_followed_below_it():
    plan = next_round([measured(FIRST, lambda lr: LEVEL * (0.5 + math.log10(lr / 1e-4)))], iterations=10)
    assert plan.span == (1e-6, 1e-4)
    assert "all of these are too large" in plan.reason


def test_a_loss_that_no_rate_moves_is_followed_above():
    plan = next_round([measured(FIRST, lambda lr: LEVEL)], iterations=10)
    assert plan.span == (2, 20)
    assert "No rate up to 1.1 moved the loss" in plan.reason


def noisy(rng, loss_at):
    """A round of single batches: every iteration has noise of its own, and so has the level."""
    losses = tuple(
        tuple(loss_at(lr) + 0.003 * rng.standard_normal(iterations)) for _, lr, iterations in rungs(table())
    )
    return RoundResult(FIRST, (SeedResult(LEVEL + 0.003 * rng.standard_normal(), losses),))


def test_a_plateau_ends_the_search_and_is_not_followed_to_ever_smaller_rates():
    rng = np.random.default_rng(0)
    ended = 0
    for _ in range(100):
        rounds = [noisy(rng, lambda lr: LEVEL if lr < 0.5 else LEVEL + lr)]
        plan = next_round(rounds, iterations=10)
        ended += plan is None
        assert plan is None or plan.span[0] >= 1e-4
    assert ended >= 98
    answer = conclude(rounds)
    assert answer.suggestion is None
    assert "lowered the loss by more than its noise. Hold each rate longer" in answer.verdict


@pytest.mark.parametrize("above", [LEVEL, 2 * LEVEL, math.nan])
def test_rates_above_which_nothing_lowered_the_loss_are_not_tried_again(above):
    def loss(lr):
        return LEVEL * (1 - 0.4 * lr) if lr < 2.5 else above

    def measure(plan):
        status = Status.NONFINITE if plan.span[1] > 2.5 and math.isnan(above) else Status.COMPLETED
        return measured(plan, loss, status=status)

    first = RoundPlan((Segment.of(0.1, 0.9, 0.1, 3), Segment.of(1, 2, 1, 3)), "")
    rounds = list(run_rounds(measure, [first], limit=None, iterations=10))[-1]
    assert [each.plan.span for each in rounds] == [(0.1, 2), (3, 30), (0.03, 3), (1, 3)]
    assert 2.3 <= conclude(rounds).suggestion.lr <= 2.4


@pytest.mark.parametrize("above", [lambda lr: 2 * LEVEL, lambda lr: LEVEL * (0.4 + 0.1 * lr)])
def test_a_loss_still_falling_below_rates_that_did_no_better_is_closed_in_on(above):
    one = measured(FIRST, lambda lr: LEVEL * (1 - 0.8 * lr))
    two = measured(next_round([one], iterations=10), above)
    three = measured(next_round([one, two], iterations=10), lambda lr: LEVEL * (1 - 0.4 * lr))
    assert [each.plan.span for each in (two, three)] == [(2, 20), (0.02, 2)]
    plan = next_round([one, two, three], iterations=10)
    assert plan.reason.startswith(
        "The loss was still falling at 2, and no higher rate did better: look around 2 "
    )


def test_where_the_last_round_shows_nothing_an_earlier_one_answers_and_it_is_said():
    one = measured(FIRST, falls_until(0.03))
    closing = next_round([one], iterations=10)
    rounds = [one, measured(closing, lambda lr: LEVEL)]
    answer = conclude(rounds)
    assert answer.suggestion == conclude([one]).suggestion
    assert answer.round == 1
    assert answer.verdict.startswith("Round 1 was lowest at 0.03, with a loss of 0.01, 0.1 at the start")
    assert (
        "The answer is that of round 1, for a later one has none. Round 2: no rate from 0.02 to 0.04 lowered"
    ) in answer.verdict
    assert conclude([one, one]).round == 2


def test_a_loss_that_is_not_finite_at_the_first_rate_is_followed_below():
    plan = next_round([measured(FIRST, lambda lr: math.nan, status=Status.NONFINITE)], iterations=10)
    assert plan.span == (1e-6, 1e-4)


def test_a_loss_that_was_not_finite_before_any_update_ends_the_search():
    rounds = [measured(FIRST, lambda lr: math.nan, level=math.nan, status=Status.NONFINITE)]
    assert next_round(rounds, iterations=10) is None
    answer = conclude(rounds)
    assert answer.suggestion is None
    assert "not finite from the start" in answer.verdict
    assert "with bf16 or fp16 try precision=fp32" in answer.verdict


def test_rates_from_the_first_nonfinite_loss_on_are_not_read():
    def loss(lr):
        return math.inf if lr >= 0.5 else falls_until(0.3)(lr)

    rounds = [measured(FIRST, loss, status=Status.NONFINITE)]
    assert valley(rounds[0]).lowest == 0.3
    assert next_round(rounds, iterations=10).span == (0.2, 0.4)
    assert "at 0.5 it was no longer finite" in conclude(rounds).verdict


@pytest.mark.parametrize(
    ("turn", "said"), [(2, "still as low at its last rate, 0.8"), (0.3, "first rate, 0.6")]
)
def test_a_closing_round_that_the_user_named_is_followed_by_a_wider_one_where_the_turn_lies_outside(
    turn, said
):
    named = RoundPlan(around(0.7), "", "closing")
    rounds = [measured(named, falls_until(turn))]
    plan = next_round(rounds, iterations=10)
    assert plan.span == (0.07, 7)
    assert said in plan.reason
    found = run_rounds(lambda plan: measured(plan, falls_until(turn)), [named], limit=None, iterations=10)
    rounds = list(found)[-1]
    assert rounds[1].plan == plan
    assert 0.85 * turn <= conclude(rounds).suggestion.lr <= 1.01 * turn


def test_a_closing_round_that_the_user_named_is_followed_by_a_finer_one_where_the_turn_lies_inside():
    named = RoundPlan(around(0.7), "", "closing")

    def loss(lr):
        return LEVEL * (0.1 + 10 * abs(lr - 0.73))

    plan = next_round([measured(named, loss)], iterations=10)
    assert plan.span == (0.71, 0.75)
    assert rungs(plan.segments)[1][1] - rungs(plan.segments)[0][1] < 0.0099
    assert next_round([measured(named, loss), measured(plan, loss)], iterations=10) is None


def test_a_closing_round_in_which_nothing_moved_is_followed_by_a_wider_one():
    named = RoundPlan(around(0.7), "", "closing")
    plan = next_round([measured(named, lambda lr: LEVEL)], iterations=10)
    assert plan.span == (0.07, 7)
    assert "no rate of it lowered the loss" in plan.reason


def test_no_round_is_measured_twice():
    for turn in (0.05, 0.61, 0.68, 0.7, 0.73, 0.79, 0.95, 3.0, 8.0):
        named = RoundPlan(around(0.7), "", "closing")
        found = run_rounds(
            lambda plan, t=turn: measured(plan, falls_until(t)), [named], limit=None, iterations=10
        )
        rounds = list(found)[-1]
        plans = [each.plan.segments for each in rounds]
        assert len(set(plans)) == len(plans)
        assert 0.84 * turn <= conclude(rounds).suggestion.lr <= 1.01 * turn


def test_one_lucky_rate_is_not_taken_for_the_turn():
    def loss(lr):
        return 0.0 if lr == 0.005 else falls_until(0.3)(lr)

    assert valley(measured(FIRST, loss)).lowest == 0.3


def test_noise_widens_what_is_as_good():
    rng = np.random.default_rng(0)
    plan = RoundPlan(around(0.7), "", "closing")
    seen = valley(measured(plan, lambda lr: 0.01 + 0.001 * rng.standard_normal()))
    assert seen.high > seen.low + 0.05
    assert seen.learned


def test_mean_and_spread_over_seeds_in_closed_form():
    found = measured(FIRST, lambda lr, seed: lr + seed, seeds=3)
    assert found.losses == pytest.approx(found.lrs + 1)
    assert found.spread == pytest.approx(np.ones(len(found.lrs)))
    assert found.by_seed.shape == (3, len(found.lrs))


def test_a_rate_that_one_seed_did_not_survive_has_no_mean():
    plan = RoundPlan(around(0.7), "", "closing")
    found = measured(plan, lambda lr, seed: math.inf if seed == 1 and lr > 0.75 else lr, seeds=2)
    assert np.isfinite(found.losses).sum() == 16
    assert not np.isfinite(found.losses[-1])


def test_the_loss_at_a_rate_is_the_mean_over_the_second_half_of_its_iterations():
    assert SeedResult(1.0, ((9.0, 9.0, 1.0, 3.0),)).at_rates().tolist() == [2.0]
    assert SeedResult(1.0, ((9.0,),)).at_rates().tolist() == [9.0]


def test_the_search_finds_any_turn_by_itself():
    for turn in (3e-5, 7e-4, 0.02, 0.3, 0.85, 6.0, 40.0):
        rounds = list(run_rounds(lambda plan, t=turn: measured(plan, falls_until(t)), [FIRST], limit=None,
                              iterations=10))[-1]  # fmt: skip
        assert len(rounds) <= MOST_ROUNDS
        suggestion = conclude(rounds).suggestion
        assert 0.85 * turn <= suggestion.lr <= 1.01 * turn
        assert suggestion.low <= suggestion.lr <= suggestion.high


@pytest.mark.parametrize(
    ("loss_at", "lr", "bracket", "said"),
    [
        (lambda lr: LEVEL * (1 - lr), 0.9, (0.849, 0.9), "; that is its last rate, and a larger one"),
        (lambda lr: LEVEL * lr if lr < 0.3 else LEVEL, 0.1, (0.1, 0.141), "; that is its first rate, and a"),
        (
            lambda lr: LEVEL * (1 - lr) if lr < 0.55 else math.inf,
            0.5,
            (0.447, 0.5),
            "; at 0.6 it was no longer",
        ),
    ],
)
def test_a_single_best_rate_has_a_bracket_half_way_to_those_beside_it(loss_at, lr, bracket, said):
    answer = conclude([measured(RoundPlan((Segment.of(0.1, 0.9, 0.1, 3),), ""), loss_at)])
    suggestion = answer.suggestion
    assert (suggestion.lr, (suggestion.low, suggestion.high)) == (lr, bracket)
    assert "No other rate was as good." in suggestion.reason
    assert said in answer.verdict


def test_an_end_that_is_as_good_is_named():
    def loss_at(lr):
        return LEVEL * max(1 - lr, 0.2 + 0.01 * max(lr - 0.8, 0))

    answer = conclude([measured(RoundPlan((Segment.of(0.1, 0.9, 0.1, 3),), ""), loss_at)])
    assert "; it is as good up to 0.9, its last rate, and a larger one may be better still." in answer.verdict


def test_given_rounds_are_run_as_they_are_and_no_more():
    given = [FIRST, RoundPlan(around(0.5), "")]
    rounds = list(run_rounds(lambda plan: measured(plan, falls_until(0.3)), given, limit=None, iterations=10))
    assert [each.plan for each in rounds[-1]] == given
    rounds = list(run_rounds(lambda plan: measured(plan, falls_until(0.3)), given, limit=3, iterations=10))
    assert len(rounds[-1]) == 3


def test_a_limit_ends_the_search():
    rounds = list(run_rounds(lambda plan: measured(plan, falls_until(40)), [FIRST], limit=1, iterations=10))[
        -1
    ]
    assert len(rounds) == 1
    answer = conclude(rounds)
    assert answer.suggestion is not None
    assert "a larger one may be better still" in answer.verdict


def test_an_interrupted_search_gives_no_rate():
    rounds = [measured(FIRST, falls_until(0.3), status=Status.INTERRUPTED)]
    answer = conclude(rounds)
    assert answer.suggestion is None
    assert answer.verdict.startswith("Interrupted in round 1")
    assert conclude([], interrupted=True).verdict.startswith("Interrupted")


def test_a_flat_loss_gives_no_rate_and_says_what_to_do():
    answer = conclude([measured(FIRST, lambda lr: LEVEL)])
    assert answer.suggestion is None
    assert "refine.iterations" in answer.verdict


def halved(loss_at, kept, *, seeds=1):
    """A round of restarted rates in which halving dropped all but those kept, after 2 of 8 iterations."""
    plan = RoundPlan((Segment.of(0.1, 0.9, 0.1, 8),), "")
    tracks = []
    for seed in range(seeds):
        stay = [lr in kept(seed) for _, lr, _ in rungs(plan.segments)]
        losses = tuple(
            (LEVEL, *(loss_at(lr) for _ in range(7 if stays else 1)))
            for stays, (_, lr, _) in zip(stay, rungs(plan.segments), strict=True)
        )
        tracks.append(SeedResult(LEVEL, losses, tuple(not stays for stays in stay)))
    return RoundResult(plan, tuple(tracks), restarted=True)


def test_rates_that_halving_dropped_are_not_read_however_low_they_look():
    # The dropped ones look best by far, for their few steps were read otherwise.
    found = halved(lambda lr: 0.001 if lr < 0.5 else 0.1 * abs(lr - 0.7) + 0.01, lambda seed: (0.6, 0.7, 0.8))
    seen = valley(found)
    assert (seen.lowest, seen.low, seen.high) == (0.7, 0.6, 0.8)
    assert (seen.falling, seen.beyond, seen.at_start, seen.at_end) == (0.5, 0.9, False, False)
    answer = conclude([found])
    assert answer.suggestion.lr == 0.7  # not 0.65, half a step below, which nobody trained at
    assert "Of the 3 rates that were trained in full 0.7 was lowest." in answer.suggestion.reason
    sharp = halved(lambda lr: 0.1 * abs(lr - 0.8) + 0.01, lambda seed: (0.7, 0.8))
    reason = conclude([sharp]).suggestion.reason
    assert reason.startswith("Of the 2 rates that were trained in full 0.8 was lowest")
    assert "  " not in reason


def test_a_rate_is_read_only_where_no_seed_dropped_it():
    found = halved(
        lambda lr: 0.1 * abs(lr - 0.7) + 0.01, lambda seed: (0.6, 0.7) if seed else (0.6, 0.8), seeds=2
    )
    assert found.lrs[found.whole].tolist() == [0.6]
    assert conclude([found]).suggestion.lr == 0.6


def test_seeds_that_agree_on_no_rate_end_the_search_without_an_answer():
    found = halved(lambda lr: 0.1 * abs(lr - 0.7) + 0.01, lambda seed: (0.6,) if seed else (0.8,), seeds=2)
    assert next_round([found], iterations=8) is None
    answer = conclude([found])
    assert answer.suggestion is None
    assert "refine.halving" in answer.verdict
