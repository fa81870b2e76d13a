"""How sure a continued sweep is of its answer."""

import math

import pytest

from lrfind.refine.results import RoundPlan, RoundResult, SeedResult
from lrfind.refine.segments import Segment, around, rungs
from lrfind.refine.verdict import (
    RefineVerdict,
    Repeats,
    common_answer,
    conclude,
    doubt,
    interrupted_later,
    with_no_learning,
)
from lrfind.suggestion import Suggestion
from lrfind.training.blind_answer import BlindAnswer
from tests.records import check_record

CLOSING = RoundPlan(around(0.7), "", "closing")


def measured(plan, loss_at):
    losses = tuple((loss_at(lr),) * iterations for _, lr, iterations in rungs(plan.segments))
    return RoundResult(plan, (SeedResult(1.0, losses),))


def alone(lr):
    if lr is None:
        return RefineVerdict(None, {"lowest": None, "safer": None}, "Nothing.")
    return RefineVerdict(Suggestion(lr, lr, lr, "safer", ""), {"lowest": lr, "safer": lr}, "Found.")


def test_a_turn_inside_its_round_leaves_no_doubt():
    assert doubt([measured(CLOSING, lambda lr: 0.1 + abs(lr - 0.72))]) is None


@pytest.mark.parametrize(
    ("loss_at", "said"),
    [
        (lambda lr: 0.1 + abs(lr - 0.8), "as good up to its end, 0.8"),
        (lambda lr: 0.1 + abs(lr - 0.6), "as good up to its end, 0.6"),
        (lambda lr: 1.5, "no rate of its last round lowered the loss"),
    ],
)
def test_a_turn_that_is_not_inside_its_round_is_doubtful(loss_at, said):
    assert said in doubt([measured(CLOSING, loss_at)])


def test_a_wide_bottom_a_long_search_and_rounds_that_disagree_are_doubtful():
    wide = RoundPlan((Segment.of(0.1, 2.0, 0.1, 2),), "")
    flat = measured(wide, lambda lr: 0.1 + max(0.4 - lr, 0) + max(lr - 1.5, 0))
    assert "as good from 0.4 to 1.5" in doubt([flat])
    inside = measured(CLOSING, lambda lr: 0.1 + abs(lr - 0.72))
    assert "it took 4 rounds" in doubt([inside] * 4)
    other = measured(wide, lambda lr: 0.1 + abs(lr - 0.3))
    assert "turn at 0.3 and at 0.72" in doubt([other, inside])


def test_who_stops_the_sweeps_that_follow_is_told_what_the_whole_one_answers():
    wide = RoundPlan((Segment.of(0.1, 2.0, 0.1, 2),), "")
    rounds = [measured(wide, lambda lr: 0.1 + max(0.4 - lr, 0) + max(lr - 1.5, 0))]
    lr = conclude(rounds).suggestion.lr
    assert interrupted_later(rounds) == (
        f"Interrupted, after a sweep that answers {lr:g}, in those that followed because {doubt(rounds)}."
    )


def test_losses_that_stay_at_equal_shares_are_said_to_show_no_learning():
    falls = [measured(CLOSING, lambda lr: 0.1 + abs(lr - 0.72))]
    found, level = conclude(falls), falls[0].level
    lowest = float(falls[0].losses.min())
    assert with_no_learning(found, [falls], BlindAnswer(1.01 * lowest)).no_learning.startswith(
        "The loss came from "
    )
    for known in (2 * lowest, 1.01 * level, math.nan):
        assert with_no_learning(found, [falls], BlindAnswer(known)) == found


def test_a_loss_that_nothing_moves_is_certain_to_answer_nothing():
    assert doubt([measured(CLOSING, lambda lr: 1.0)]) is None


def test_sweeps_agree_on_the_middle_one_in_a_bracket_that_holds_them_all():
    repeats = Repeats((0, 1, 2), (alone(0.2), alone(0.8), alone(0.4)), "it is a test")
    answer = common_answer(repeats)
    assert (answer.suggestion.low, answer.suggestion.lr, answer.suggestion.high) == (0.2, 0.4, 0.8)
    assert repeats.factor == pytest.approx(2.0)  # 0.2, 0.4, 0.8: a factor of 2 from one to the next
    assert "answer 0.2, 0.8 and 0.4 (one standard deviation is a factor of 2)" in answer.suggestion.reason
    assert answer.bracket == "where the answers of the 3 sweeps lie"  # rates between them may be worse
    assert "it is a test" in answer.verdict
    assert "lrfind verify trains at such rates" in answer.verdict
    assert "refine." not in answer.verdict  # no other sweep was found to tell more
    two = common_answer(Repeats((0, 1, 2), (alone(0.2), alone(None), alone(0.8)), "it is a test"))
    assert two.suggestion.lr == pytest.approx(math.sqrt(0.2 * 0.8), rel=5e-3)


def test_sweeps_that_answer_the_same_are_told_in_one_word():
    answer = common_answer(Repeats((0, 1, 2), (alone(0.2), alone(0.2), alone(0.2)), "it is a test"))
    assert answer.suggestion.reason.startswith("3 sweeps, each with a seed of its own, all answer 0.2. ")
    assert answer.bracket == "rates that should do nearly as well"


def test_sweeps_of_which_most_answer_nothing_answer_nothing():
    answer = common_answer(Repeats((0, 1, 2), (alone(0.2), alone(None), alone(None)), "it is a test"))
    assert answer.suggestion is None
    assert "answer 0.2, none and none: too few for a rate" in answer.verdict


def test_a_plain_sweep_that_is_not_certain_is_repeated_and_says_so(lrfind):
    ran = lrfind("refine", "seed=1")
    assert ran.code == 0, ran.err
    check_record(ran.record)
    repeats, found = ran.record["repeats"], ran.record["suggestion"]
    assert repeats["seeds"] == [1, 2, 3]
    assert {row["seed"] for row in ran.rows} == {"1", "2", "3"}
    assert ran.record["steps"] == len(ran.rows)
    assert found["lr"] == sorted(repeats["lrs"])[1]
    assert all(found["low"] <= lr <= found["high"] for lr in repeats["lrs"])
    assert repeats["reason"] in ran.out
    assert "also shows all the training before it" in ran.out


def test_rounds_that_are_given_are_not_repeated(lrfind):
    ran = lrfind("refine", "refine.rounds=1", "refine.iterations=2")
    assert "repeats" not in ran.record
    assert "seed" not in ran.rows[0]
