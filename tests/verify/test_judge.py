"""Whether a rate holds, from tables worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from lrfind.statistics import paired_noise, student_t95
from lrfind.training.blind_answer import BlindAnswer
from lrfind.training.run_set import RunSet
from lrfind.verify import judge as judging
from lrfind.verify.candidates import Candidate, Role, Trials, candidates
from lrfind.verify.config import VerifySettings
from lrfind.verify.target import Checked
from lrfind.verify.tried import Move
from lrfind.verify.verdict import conclude, concluded
from tests.verify.runs import runs_of

INF, NAN = math.inf, math.nan


def judge(finals, starts, **options):
    """The judgement of rates that are each twice the one before."""
    count = len(finals[0]) if finals and isinstance(finals[0], list) else 1
    return judging.judge(0.001 * 2.0 ** np.arange(count), finals, starts, **options)


def test_paired_seeds_hold_where_the_rates_agree_within_the_margin():
    # Drops: 2.0 on average to the best rate, whose mean is 0.3; the checked one's is 0.4, worse by 5%.
    judged = judge([[0.5, 0.3, 0.2], [0.7, 0.5, 0.4]], [2.2, 2.4], checked=1, margin=0.1)
    assert judged.start == pytest.approx(2.3)
    assert judged.drop == pytest.approx(2.0)
    assert judged.means == pytest.approx([0.6, 0.4, 0.3])
    assert judged.spreads == pytest.approx([math.sqrt(0.02)] * 3)
    assert judged.worse_by == pytest.approx([0.15, 0.05, 0.0])
    assert (judged.holds, judged.recommended, judged.best) == (True, 2, 2)
    assert (judged.better, judged.doubtful) == ((), ())
    # Both others are worse on either seed by the same, so that there is no noise to doubt it.
    assert (judged.low, judged.high) == pytest.approx((0.004 / math.sqrt(2), 0.004))
    assert judged.sensible is None


def test_a_rate_that_is_better_on_every_seed_by_more_than_the_margin_is_clearly_better():
    # Seeds differ by 0.5, but within each the third rate is lower by 0.5: pairing takes the seeds out.
    judged = judge([[1.1, 1.0, 0.5], [1.6, 1.5, 1.0], [0.6, 0.5, 0.0]], [2.0] * 3, checked=1, margin=0.1)
    assert judged.better == (2,)
    assert judged.holds is False
    assert judged.recommended == 2


def test_a_difference_within_the_noise_of_the_seeds_decides_nothing():
    # Differences 0.9, -0.2, 0.5 of a drop of 1: mean 0.4, s = 0.557, and 2.92 s / sqrt(3) = 0.94.
    judged = judge([[1.0, 0.1], [0.5, 0.7], [0.9, 0.4]], [1.4] * 3, checked=0, margin=0.1)
    assert judged.drop == pytest.approx(1.0)
    assert judged.worse_by[0] == pytest.approx(0.4)
    assert judged.holds is True
    assert judged.doubtful == (1,)
    assert paired_noise(np.array([0.9, -0.2, 0.5])) == pytest.approx(2.920 * math.sqrt(0.31) / math.sqrt(3))


def test_a_tie_holds():
    judged = judge([[0.5, 0.5, 0.5]] * 3, [1.0] * 3, checked=0, margin=0.1)
    assert (judged.holds, judged.best) == (True, 0)
    assert (judged.low, judged.high) == pytest.approx((0.001, 0.004))


@pytest.mark.parametrize(("final", "holds"), [(0.1, True), (0.0999, False)])
def test_exactly_the_margin_is_not_more_than_it(final, holds):
    # One seed: its noise is not known, and the margin decides. The drop is 1 - final.
    margin = 0.1 / 0.9
    assert judge([[0.2, final]], [1.0], checked=0, margin=margin).holds is holds


@pytest.mark.parametrize("bad", [INF, -INF])
def test_a_rate_that_diverged_on_one_seed_loses_to_any_that_did_on_none(bad):
    judged = judge([[0.9, 0.1], [0.9, bad], [0.9, 0.1]], [1.0] * 3, checked=1, margin=0.1, pinned=1)
    assert judged.diverged.tolist() == [0, 1]
    assert judged.means.tolist() == [pytest.approx(0.9), INF]
    assert math.isnan(judged.spreads[1])
    assert (judged.holds, judged.recommended, judged.sensible) == (False, 0, False)
    # And it is no better than the one that trains always, though two of its three seeds are.
    assert judge([[0.9, 0.1], [0.9, bad], [0.9, 0.1]], [1.0] * 3, checked=0, margin=0.1).holds is True


def test_a_rate_that_learnt_nothing_is_no_better_than_one_that_diverged_once():
    finals = [[2.1, INF, INF, INF], [2.2, 0.5, 0.4, 0.4], [2.1, 0.5, 0.4, 0.4]]
    judged = judge(finals, [2.0] * 3, checked=1, margin=0.05, pinned=3)
    assert judged.better == ()
    assert (judged.holds, judged.recommended, judged.sensible) == (False, None, False)


def test_how_far_a_loss_rises_above_its_start_does_not_drown_the_other_seeds():
    # Uncapped, the differences 1, 9, 40 have a standard error of 12, and a mean of 17 would be within 35.
    judged = judge([[0.0, 1.0], [0.0, 9.0], [0.0, 40.0]], [1.0] * 3, checked=0, margin=0.1, pinned=1)
    assert judged.worse_by.tolist() == [0.0, 1.0]
    assert judged.means[1] == pytest.approx(50 / 3)
    assert judged.sensible is False


def test_nothing_can_be_said_where_no_rate_lowered_the_loss():
    judged = judge([[1.0, 1.2]] * 2, [1.0] * 2, checked=0, margin=0.1, pinned=1)
    assert (judged.holds, judged.sensible, judged.recommended, judged.best) == (None, None, None, None)
    assert judged.drop == 0
    assert np.isnan(judged.worse_by).all()


def test_a_rate_that_learnt_on_fewer_seeds_is_taken_where_that_of_most_seeds_learnt_nothing():
    # The first seed gave it up for one that ended above its start later; so it did on the other seeds.
    for lost in (0.75, INF):
        judged = judge([[NAN, lost], [0.1, lost], [0.3, lost]], [0.7] * 3, checked=0, margin=0.1)
        assert judged.drop == pytest.approx(0.5)
        assert (judged.holds, judged.best, judged.recommended) == (True, 0, 0)
        assert judged.worse_by == pytest.approx([0.0, 1.0])


def test_where_every_rate_diverged_nothing_is_recommended():
    judged = judge([[INF, INF]] * 2, [1.0] * 2, checked=0, margin=0.1, pinned=0)
    assert (judged.holds, judged.recommended, judged.sensible) == (False, None, False)


def test_an_initial_loss_that_is_not_finite_leaves_nothing_to_judge():
    judged = judge([[INF, INF]], [NAN], checked=0, margin=0.1)
    assert (judged.holds, judged.recommended) == (None, None)
    assert judge([[INF, 0.1]], [NAN], checked=1, margin=0.1, pinned=0).sensible is None


def test_a_rate_that_was_given_up_is_worse_than_the_best_and_ends_the_interval():
    judged = judge([[NAN, 0.5, 0.2, NAN]], [1.0], checked=0, margin=0.1)
    assert (judged.holds, judged.recommended, judged.best) == (None, 2, 2)  # it may end within the margin
    assert judged.seeds.tolist() == [0, 1, 1, 0]
    assert math.isnan(judged.worse_by[0])
    # 0.5 is worse by more than the margin of the drop; the ends are half-way to it and to 0.008.
    assert (judged.low, judged.high) == pytest.approx((0.004 / math.sqrt(2), 0.004 * math.sqrt(2)))


def test_a_rate_that_was_left_for_want_of_steps_is_not_judged_and_does_not_widen_the_interval():
    judged = judge([[0.9, NAN, 0.2, NAN]], [1.0], checked=1, margin=0.1, left=[1])
    assert (judged.holds, judged.recommended, judged.better) == (None, 2, ())
    # Half a step down, as 0.002 may be anything and 0.001 is worse; 0.008 was given up.
    assert (judged.low, judged.high) == pytest.approx((0.004 / math.sqrt(3), 0.004 * math.sqrt(2)))
    # At the end of what was tried to its end; beyond one that was left another may be as good.
    edge = judge([[NAN, 0.2, NAN, 0.2]], [1.0], checked=1, margin=0.1, left=[0, 2])
    assert (edge.low, edge.high) == pytest.approx((0.002, 0.008))


@pytest.mark.parametrize("end", [0.45, NAN])
def test_the_interval_ends_before_a_rate_that_is_worse_by_more_than_the_margin_however_noisy(end):
    # On the two seeds of both the second is worse by 0.1 and 0.7: a mean of 0.4, noise of 1.9.
    finals = [[0.2, 0.3, 0.2, end], [0.2, 0.9, 0.2, end], [0.2, NAN, 0.2, NAN]]
    assert paired_noise(np.array([0.1, 0.7])) > 1.8
    judged = judge(finals, [1.2] * 3, checked=2, margin=0.1)
    assert (judged.low, judged.high) == pytest.approx((0.001, 0.001 * math.sqrt(2)))
    third = judge([row[1:] for row in finals], [1.2] * 3, checked=1, margin=0.1)
    assert (third.low, third.high) == pytest.approx((0.001 * math.sqrt(2), 0.002 * math.sqrt(2)))


def test_the_interval_does_not_go_on_towards_a_rate_that_diverged():
    judged = judge([[0.9, 0.2, 0.2, INF]] * 2, [1.0] * 2, checked=2, margin=0.1)
    assert (judged.low, judged.high) == pytest.approx((0.001 * math.sqrt(2), 0.004))


@pytest.mark.parametrize("beyond", [0.9, NAN])
def test_the_interval_ends_half_a_step_of_the_search_beyond_the_last_rate_inside_at_most(beyond):
    # A pinned rate may lie far away: what is between was tried by nobody.
    finals = [[0.9, 0.2, 0.2, beyond]] * 2
    far = judging.judge([1e-4, 0.2, 0.4, 40.0], finals, [1.0] * 2, checked=2, margin=0.1)
    assert (far.low, far.high) == pytest.approx((0.2 / math.sqrt(3), 0.4 * math.sqrt(3)))
    near = judging.judge([0.1, 0.2, 0.4, 1.0], finals, [1.0] * 2, checked=2, margin=0.1)
    assert (near.low, near.high) == pytest.approx((math.sqrt(0.1 * 0.2), math.sqrt(0.4 * 1.0)))


def test_rates_are_compared_on_the_seeds_of_both():
    # The third was tried on the second seed alone, where all do better: there it is worse than the second.
    judged = judge([[0.6, 0.5, NAN], [0.3, 0.2, 0.25]], [1.0, 1.0], checked=0, margin=0.1)
    assert judged.best == 1
    assert judged.worse_by == pytest.approx([0.1 / 0.65, 0.0, 0.05 / 0.65])


@pytest.mark.parametrize(("alone", "best"), [(0.19, 1), (0.1, 2)])
def test_a_rate_of_fewer_seeds_must_be_better_by_a_tenth_of_the_drop(alone, best):
    judged = judge([[0.9, 0.2, NAN], [0.9, 0.2, alone]], [1.0, 1.0], checked=0, margin=0.1)
    assert judged.best == best


@pytest.mark.parametrize("shape", ["parabola", "cliff"])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_interval_holds_the_best_rate_nine_times_in_ten(shape, seeds):
    rng = np.random.default_rng(seeds)
    grid = np.log10(3.0) / 2 * np.arange(-4, 5)  # half of the steps of a bracket
    inside, widths = [], []
    for _ in range(400):
        peak, steep = rng.uniform(-0.6, 0.6), rng.uniform(0.1, 0.6)
        away = grid - peak
        loss = steep * away**2
        if shape == "cliff":  # three times as steep above the best as below it
            loss = np.where(away > 0, 3 * loss, loss)
        noise = rng.uniform(0.005, 0.05) * rng.standard_normal((seeds, len(grid)))
        finals = 0.2 + np.minimum(loss, 0.8) + noise + 0.1 * rng.standard_normal((seeds, 1))
        judged = judging.judge(10**grid, finals, np.full(seeds, 1.5), checked=0, margin=0.1)
        inside.append(judged.low <= 10**peak <= judged.high)
        widths.append(math.log10(judged.high / judged.low))
    assert np.mean(inside) >= 0.9
    assert np.median(widths) < (1.9 if seeds == 2 else 1.0)


def test_where_the_mean_of_the_targets_is_most_of_the_fall_the_drop_is_counted_from_there():
    finals = [[0.9, 0.6, 0.4]]
    far = judge(finals, [100.0], checked=1, margin=0.1, blind=mean(0.8))
    assert (far.start, far.base, far.drop, far.lowest) == pytest.approx((100.0, 0.8, 0.4, 0.4))
    assert far.worse_by == pytest.approx(
        [1.0, 0.5, 0.0]
    )  # what does not come below the mean has learnt nothing
    assert (far.holds, judge(finals, [100.0], checked=1, margin=0.1).holds) == (False, True)
    # Where it was found and none came below it by a hundredth, nothing was learnt.
    found = judge(finals, [100.0], checked=1, margin=0.1, blind=mean(0.403))
    assert (found.base, found.drop, found.holds, found.recommended) == (100.0, 99.6, None, None)
    # Where it was not found yet, the rates are compared by how far they came.
    slow = judge([[60.0, 50.0, 40.0]], [100.0], checked=1, margin=0.1, blind=mean(1.0))
    assert (slow.base, slow.drop, slow.recommended, slow.is_on_the_way) == (100.0, 60.0, 2, True)
    # Nor where training begins below it.
    below = judge(finals, [1.0], checked=1, margin=0.1, blind=mean(1.1))
    assert (below.base, below.is_on_the_way) == (1.0, False)


@pytest.mark.parametrize(
    ("end", "level", "words"),
    [
        (
            0.2,
            0.8,
            " has 0.8; the drop is counted from there, as what lies above is learnt at nearly any rate.",
        ),
        (
            20.0,
            0.2,
            " has 0.2, and the best rate ends at 20: not even that answer was learnt, and the rates are",
        ),
        (0.2, 90.0, None),
        (0.2, INF, None),
    ],
)
def test_the_loss_of_the_mean_of_the_targets_is_told_where_it_matters(end, level, words):
    said = told([[90.0, 60.0, end]], start=100.0, blind=mean(level)).verdict
    assert ("A model that always answers the mean of the targets" in said) is (words is not None)
    assert (words or "") in said


def test_a_pinned_rate_is_compared_with_the_one_that_is_recommended():
    finals = [[0.9, 0.3, 0.1, 0.25]] * 3
    # The checked rate, 0.3, is worse than the third by 0.2 / 0.9 of the drop, and so is not recommended.
    judged = judge(finals, [1.0] * 3, checked=1, margin=0.2, pinned=3)
    assert (judged.holds, judged.recommended, judged.sensible) == (False, 2, True)
    assert judge(finals, [1.0] * 3, checked=1, margin=0.1, pinned=3).sensible is False
    assert judge(finals, [1.0] * 3, checked=1, margin=0.1, pinned=2).sensible is True


def test_a_pinned_rate_that_is_worse_within_the_noise_is_not_refused():
    judged = judge([[0.1, 1.0], [0.7, 0.5], [0.4, 0.9]], [1.4] * 3, checked=0, margin=0.1, pinned=1)
    assert (judged.sensible, judged.pinned_in_doubt) == (True, True)


def test_where_hardly_anything_was_learnt_no_rate_is_judged_but_those_that_diverged():
    # The loss falls from 2.3 by 0.4% at best; the second rate lacks half of that on every seed.
    judged = judge([[2.291, 2.2955]] * 3, [2.3] * 3, checked=0, margin=0.1, pinned=1)
    assert not judged.learnt
    assert (judged.holds, judged.sensible, judged.recommended, judged.best) == (None, None, None, None)
    assert judged.drop == pytest.approx(0.009)
    assert np.isnan([*judged.worse_by, judged.low, judged.high]).all()
    assert judge([[2.291, 2.2955]] * 3, [2.3] * 3, checked=1, margin=0.1).holds is None
    lost = judge([[2.291, INF]] * 3, [2.3] * 3, checked=1, margin=0.1, pinned=1)
    assert (lost.holds, lost.sensible, lost.recommended) == (False, False, None)
    # From 1% of the initial loss on it is a drop.
    for end, learnt in ((2.2771, False), (2.2769, True)):
        assert judge([[end]], [2.3], checked=0, margin=0.1).learnt is learnt
    assert judge([[2.2, 2.25]] * 3, [2.3] * 3, checked=0, margin=0.1, pinned=1).sensible is False


def test_quantiles_are_those_of_the_tables():
    assert [student_t95(n) for n in (1, 2, 9)] == [6.314, 2.920, 1.833]
    for degrees, table in ((10, 1.812), (15, 1.753), (30, 1.697), (120, 1.658)):
        assert student_t95(degrees) == pytest.approx(table, abs=0.02)


@pytest.mark.parametrize(
    ("finals", "starts"), [([], []), ([[]], [1.0]), ([[0.1]], [1.0, 2.0]), ([0.1], [1.0])]
)
def test_shapes_that_do_not_belong_together_are_refused(finals, starts):
    with pytest.raises(ValueError, match="do not belong to starts"):
        judge(finals, starts, checked=0, margin=0.1)


def test_candidates_rise_and_know_why_they_were_tried():
    found = candidates([0.3, 0.1, 0.3, 0.5], 0.1, Role.SUGGESTION, 0.5)
    assert [(each.lr, each.roles) for each in found] == [
        (0.1, (Role.SUGGESTION,)), (0.3, (Role.SEARCH,)), (0.5, (Role.PINNED,))
    ]  # fmt: skip
    both = candidates([0.1], 0.1004, Role.SUGGESTION, 0.1)
    assert [each.roles for each in both] == [(Role.SUGGESTION, Role.PINNED)]


def mean(loss):
    """The mean of targets as every answer."""
    return BlindAnswer(loss, "a model that always answers the mean of the targets")


def told(finals, *, role=Role.SUGGESTION, pinned=None, margin=0.1, start=1.0, **options):
    """The conclusion for the rates 0.0333, 0.1, 0.3 and a pinned one of 1."""
    tried = candidates([lr for lr in (0.0333, 0.1, 0.3, pinned) if lr], 0.1, role, pinned)
    seeds = tuple(runs_of(i, start, np.zeros((len(tried), 4)), row) for i, row in enumerate(finals))
    trials = Trials(tried, 4, seeds, **{"budget": 100} | options)
    where = trials.index([Role.PINNED])
    left = [rate for rate in range(len(tried)) if trials.is_left(rate)]
    judged = judging.judge(
        trials.lrs,
        trials.finals,
        trials.starts,
        checked=1,
        margin=margin,
        pinned=where,
        left=left,
        blind=trials.blind,
    )
    return conclude(trials, judged, before=20)


def test_a_suggestion_that_holds_is_told_with_its_horizon_and_what_it_cannot_be_told_from():
    said = told([[0.3, 0.2, 0.9]] * 3)
    assert (said.suggestion.lr, said.suggestion.rule) == (0.1, "verify")
    assert (said.suggestion.low, said.suggestion.high) == (0.0577, 0.173)
    assert said.refusal is None
    assert said.verdict == (
        "The rate of the range test holds: 0.1 ends at a held-out loss of 0.2, the lowest of the 3 rates "
        "tried."
    )
    assert said.suggestion.reason == (
        "0.1 ended lowest of the 3 rates tried after 4 steps at a constant rate (mean over 3 seeds; 1 before "
        "training). No rate tried near it is known to be as good; the bracket goes on half-way to the next."
    )
    close = told([[0.18, 0.2, 0.9]] * 3)
    assert "the best of the others, 0.0333, is better by 2.4% of the drop: more than the" in close.verdict
    assert close.suggestion.lr == 0.0333


@pytest.mark.parametrize(
    ("lower", "words"),
    [
        ([0.21, 0.2, 0.2], "on 3 seeds; the bracket goes on half-way to the next."),
        ([0.21, 0.2, NAN], "on 2 or 3 seeds; the bracket goes on half-way to the next."),
        ([0.21, NAN, NAN], "on 1 to 3 seeds; the bracket goes on half-way to the next."),
    ],
)
def test_the_interval_is_told_with_the_seeds_on_which_its_rates_were_compared(lower, words):
    said = told([[loss, 0.2, 0.9] for loss in lower])
    assert said.suggestion.reason.endswith(f"No rate tried from 0.0333 to 0.1 can be told from it {words}")
    assert (said.suggestion.low, said.suggestion.high) == (0.0333, 0.173)


def test_where_the_bracket_holds_rates_that_were_not_tried_that_is_told():
    far = told([[0.9, 0.2, NAN, 0.2]], pinned=1.0, left=frozenset({0.3})).suggestion
    assert (far.low, far.high) == (0.0577, 1.0)
    assert far.reason.endswith(
        "None tried from 0.1 to 1 ended worse by more than verify.margin=0.1 of the drop; with one seed no "
        "spread is known; the bracket goes on half-way to the next; between 0.1 and 1 none was trained to "
        "its end."
    )


def test_why_a_rate_holds_that_is_not_the_best_is_told_by_the_noise_and_the_margin():
    beyond = told([[0.18, 0.2, 0.9]] * 3)
    assert beyond.suggestion.high < 0.1
    assert "more than the noise of the seeds, but verify.margin=0.1 allows 10%." in beyond.verdict
    inside = told([[0.18, 0.2, 0.9], [0.22, 0.2, 0.9], [0.15, 0.2, 0.9]])
    assert inside.suggestion.high > 0.1
    assert "is better by 2.0% of the drop, within the noise of the seeds and verify.margin" in inside.verdict


@pytest.mark.parametrize("between", [0.9, NAN])
def test_with_one_seed_a_rate_holds_by_the_margin_and_no_spread_is_known(between):
    # A rate between the best and the one to check is worse, so that the interval ends before that.
    said = told([[0.9, 0.25, between, 0.2]], pinned=1.0)
    assert said.suggestion.low > 0.1
    assert (
        "and the best of the others, 1, is better by 6.2% of the drop, which verify.margin=0.1 allows; with "
        "one seed no spread is known."
    ) in said.verdict
    assert said.suggestion.reason.endswith(
        "No rate tried near it ended within verify.margin=0.1 of the drop; with one seed no spread is known; "
        "the bracket goes on half-way to the next."
    )
    assert "cannot be told" not in said.verdict


def test_a_rate_that_ends_lower_on_its_seeds_than_one_of_more_seeds_is_not_told_to_be_worse():
    said = told([[0.9, 0.19, 0.2], [0.9, NAN, 0.2]])
    assert said.suggestion.lr == 0.3
    assert "and 0.3, which was trained on more seeds, is not clearly better." in said.verdict


def test_losses_are_spelled_in_plain_numbers_and_a_gap_of_nothing_in_words():
    said = told([[8415.2, 9551.0, 39000.0]] * 2, start=42412.0)
    assert "0.1 ends at a held-out loss of 9550 after 4 steps" in said.verdict
    assert "42400 before training" in said.suggestion.reason
    tiny = told([[1.58e-5, 2.1e-5, 0.9]])
    assert "a held-out loss of 2.1e-5" in tiny.verdict
    assert "0.0333, is better by less than 0.1% of the drop, which" in tiny.verdict


def test_the_schedule_is_told():
    said = told([[0.3, 0.2, 0.9]] * 3, schedule="one_cycle")
    assert "after 4 steps of one_cycle with the rate as its peak (mean over 3 seeds" in said.suggestion.reason
    close = told([[0.18, 0.2, 0.9]] * 3, schedule="one_cycle")
    assert "after 4 steps of one_cycle with the rate as its peak (mean over 3 seeds" in close.verdict


def test_a_rate_that_is_better_is_suggested_instead_with_what_it_was_measured_by():
    said = told([[0.9, 0.6, 0.2]] * 3)
    assert (said.suggestion.lr, said.suggestion.low, said.suggestion.high) == (0.3, 0.173, 0.3)
    assert said.verdict == (
        "The rate of the range test does not hold: 0.1 ends at a held-out loss of 0.6 after 4 steps at a "
        "constant rate (mean over 3 seeds; 1 before training). 0.3 does: it ends at a held-out loss of 0.2, "
        "the lowest of the 3 rates tried, and better by 50% of the drop (verify.margin=0.1 allows 10%) and "
        "beyond the noise of the seeds. 0.3 is the highest rate tried; higher ones were not tried."
    )


def test_a_rate_that_did_not_come_to_its_end_is_told_so():
    said = told([[NAN, NAN, 0.2]]).verdict
    assert said.startswith(
        "The rate of the range test is not judged: 0.1 was given up after 4 of 4 steps at a constant rate, "
        "behind the best, and was not trained to its end: the budget was spent. 0.3 was, and ends"
    )
    left = told([[NAN, NAN, 0.2]], left=frozenset({0.1}), spent=True)
    assert left.verdict.startswith(
        "The rate of the range test is not judged: 0.1 was left after 4 of 4 steps at a constant rate, not "
        "behind the best, and was not trained to its end: the budget was spent. 0.3 was, and ends at a "
        "held-out loss of 0.2 after 4 steps at a constant rate (one seed; 1 before training); more "
        "verify.budget would tell whether the other holds."
    )
    assert left.suggestion.reason == (
        "0.3 is the only one of the 3 rates tried that was trained to its end, and ended lower than it began "
        "after 4 steps at a constant rate (one seed; 1 before training)."
    )
    assert (left.suggestion.low, left.suggestion.high) == (0.3, 0.3)  # no other end to compare it with


@pytest.mark.parametrize(("above", "spent"), [(NAN, True), (INF, False)])
def test_a_rate_that_alone_came_to_its_end_is_not_judged_and_has_no_interval(above, spent):
    said = told([[NAN, 0.2, above]], spent=spent, budget=35)
    more = "budget" if spent else "seeds"
    assert said.verdict.startswith(
        "The rate of the range test is not judged: 0.1 ends at a held-out loss of 0.2 after 4 steps at a "
        "constant rate (one seed; 1 before training), the only one of the 3 rates tried that was trained to "
        f"its end, and it was compared with the others only on the way, up to step 4; more verify.{more} "
        "would tell."
    )
    # No more can be said of a pinned rate, which is trained to its end whatever becomes of the others.
    pinned = told([[NAN, NAN, 0.2]], pinned=0.3)
    assert (pinned.refusal, pinned.suggestion.lr) == (None, 0.3)
    assert pinned.verdict.endswith(
        "verify.lr=0.3 is not judged: it ends at a held-out loss of 0.2 after 4 steps at a constant rate "
        "(one seed; 1 before training), the only one of the 3 rates tried that was trained to its end, and "
        "it was compared with the others only on the way, up to step 4; more verify.seeds would tell."
    )
    assert "From" not in said.suggestion.reason
    assert (said.suggestion.low, said.suggestion.high) == (0.1, 0.1)
    # Where all others diverged, or another one ended, it was compared with an end.
    assert told([[INF, 0.2, INF]]).verdict.endswith("the lowest of the 3 rates tried.")
    assert told([[NAN, 0.2, 0.9]]).verdict.endswith("the lowest of the 3 rates tried.")


def test_a_rate_with_a_lower_mean_in_the_table_is_on_other_seeds_and_that_is_told():
    # 0.3 ended at 0.25 on the seed where all do well, where 0.1 ended at 0.2; the mean of 0.1 is 0.3.
    said = told([[0.9, 0.2, 0.25], [0.9, 0.4, NAN]])
    assert said.verdict.endswith(", the lowest of the 3 rates tried on the seeds that they share.")
    assert "ended lowest of the 3 rates tried on the seeds that they share after" in said.suggestion.reason
    fewer = told([[0.9, 0.2, 0.19], [0.9, 0.4, NAN]])
    assert fewer.verdict.endswith(", the lowest of the 3 rates tried but for those of fewer seeds.")
    same = told([[0.9, 0.2, 0.35], [0.9, 0.4, NAN]])
    assert same.verdict.endswith(", the lowest of the 3 rates tried.")


def test_a_rate_that_was_left_lower_than_any_came_to_its_end_leaves_it_open_which_is_better():
    tried = candidates([0.03, 0.1, 0.3], 0.1, Role.SUGGESTION, None)
    runs = RunSet.untrained(np.ones(3), read_at=(0, 2, 4), num_steps=4, seed=0)
    runs.readings[:] = [[1, 0.9, NAN], [1, 0.8, 0.5], [1, 0.4, NAN]]
    runs.steps_taken[:] = [2, 4, 2]
    runs.finished[:] = [False, True, False]
    moves = tuple(Move(0, lr, to) for lr, to in ((0.1, 2), (0.3, 2), (0.03, 2), (0.1, 4)))
    left = Trials(tried, 4, (runs,), moves=moves, budget=10, spent=True, left=frozenset({0.03, 0.3}))
    assert left.ahead == (0.3, 0.4)
    assert replace(left, left=frozenset({0.03})).ahead is None  # what was given up was behind
    settings = VerifySettings(steps=4)
    judgement, verdict = concluded(settings, Checked(0.1, Role.SUGGESTION), left, interrupted=False)
    assert judgement.holds is None
    assert verdict.suggestion.lr == 0.1
    assert (
        "(one seed; 1 before training), and 0.3 was lower already, at 0.4, when the budget was spent; more "
        "verify.budget would tell which is better."
    ) in verdict.verdict
    # Where what came to its end learnt nothing, that one is named too.
    little = replace(
        left, seeds=(replace(runs, readings=np.array([[1, 0.9, NAN], [1, 1, 1], [1, 0.4, NAN]])),)
    )
    judgement, verdict = concluded(settings, Checked(0.1, Role.SUGGESTION), little, interrupted=False)
    assert (judgement.holds, verdict.suggestion) == (None, None)
    assert verdict.verdict == (
        "No rate that was trained for 4 steps learnt anything, but 0.3 had come from 1 to 0.4 when the "
        "budget was spent: raise verify.budget."
    )
    # The rate to check may be the one that was left, and is no other than itself.
    checked = candidates([0.03, 0.1, 0.3], 0.3, Role.SUGGESTION, None)
    _, verdict = concluded(
        settings, Checked(0.3, Role.SUGGESTION), replace(left, candidates=checked), interrupted=False
    )
    assert "0.3 was left after 2 of 4 steps" in verdict.verdict
    assert "lower already" not in verdict.verdict


def test_a_search_that_ended_with_its_budget_says_so():
    said = told([[0.3, 0.2, 0.9]], spent=True, budget=35).verdict
    assert said.endswith("The search ended with its budget, after 32 of 35 steps.")
    for budget in (36, 39):
        assert (
            f"after 32 of {budget} steps: what is left does not pay for two rates on another seed, which "
            "take 8."
        ) in told([[0.3, 0.2, 0.9]], spent=True, budget=budget).verdict
    assert "budget" not in told([[0.3, 0.2, 0.9]]).verdict


def test_a_pinned_rate_that_is_refused_is_told_with_both_losses_the_margin_and_what_to_pin():
    said = told([[0.3, 0.2, 0.3, 0.8]] * 3, pinned=1.0)
    assert said.refusal == (
        "verify.lr=1 is not a sensible learning rate for this task: it ends at a held-out loss of 0.8 "
        "after 4 steps at a constant rate (mean over 3 seeds; 1 before training), and 0.1 ends at 0.2, worse "
        "by 75% of the drop (verify.margin=0.1 allows 10%) and beyond the noise of the seeds. Pin 0.1 "
        "instead."
    )
    assert said.verdict.endswith(said.refusal)
    few = told([[0.3, 0.2, 0.3, 0.5], [0.3, 0.2, 0.3, 0.7]], pinned=1.0).refusal  # of which t says nothing
    assert "(verify.margin=0.1 allows 10%) on every seed. Pin 0.1 instead." in few
    diverged = told([[0.3, 0.2, 0.3, 0.8], [0.3, 0.2, 0.3, INF]], pinned=1.0).refusal
    assert "it diverged on 1 of 2 seeds within 4 steps at a constant rate (mean over 2 seeds" in diverged
    assert diverged.endswith("and 0.1 ends at 0.2. Pin 0.1 instead.")


def test_a_pinned_rate_that_is_sensible_is_told_so():
    said = told([[0.3, 0.2, 0.3, 0.24]] * 3, pinned=1.0)
    assert said.refusal is None
    assert said.verdict.endswith(
        "verify.lr=1 is sensible: it ends at a held-out loss of 0.24, worse than 0.1 by 5.0% of the drop; "
        "verify.margin=0.1 allows 10%."
    )
    assert told([[0.3, 0.2, 0.3, 0.1]] * 3, pinned=1.0).verdict.endswith("is sensible: no rate ends lower.")


def test_where_all_diverged_no_rate_is_recommended():
    said = told([[INF, INF, INF]])
    assert said.suggestion is None
    assert said.verdict == (
        "No rate can be recommended: the 3 rates from 0.0333 to 0.3 all diverged within 4 steps at a "
        "constant rate (one seed; 1 before training)."
    )
    assert told([[INF, INF, INF]], spent=True).verdict.endswith(
        "The budget is spent: raise verify.budget to let the search go on."
    )


def test_where_the_best_diverged_on_a_seed_none_is_recommended():
    said = told([[INF, INF, 0.2], [INF, INF, INF]])
    assert said.suggestion is None
    assert "of the 3 rates from 0.0333 to 0.3, 0.3 ends lowest, but diverged on 1 of 2 seeds" in said.verdict


@pytest.mark.parametrize("pinned", [None, 1.0])
@pytest.mark.parametrize(
    ("finals", "ends"),
    [
        ([2.4, 2.2991, 2.2992], "has not lowered the held-out loss, which is 2.3 before training"),
        ([2.2985, 2.2982, 2.2978], "has lowered the held-out loss by 0.057%, from 2.299 to 2.298: less"),
        ([2.29, 2.2899, 2.29], "has lowered the held-out loss by 0.4%, from 2.3 to 2.29: less"),
        ([2.2985, 2.2985, 2.27615], "has lowered the held-out loss by 0.99%, from 2.3 to 2.28: less"),
    ],
)
def test_where_nothing_was_learnt_one_sentence_says_so_and_nothing_of_single_rates(finals, ends, pinned):
    row = [*finals, max(finals)][: 3 if pinned is None else 4]
    said = told([row], start=2.2991, pinned=pinned, spent=True)
    assert (said.suggestion, said.refusal) == (None, None)
    count, last = (3, "0.3") if pinned is None else (4, "1")
    little = " than 1% is not told from nothing" if ends.endswith("less") else ""
    assert said.verdict == (
        f"{'Too little' if little else 'Nothing'} was learnt at any rate tried: after 4 steps the best of "
        f"the {count} rates from 0.0333 to {last} {ends}{little}. The budget ended the search: raise "
        "verify.budget to try further rates, and verify.steps where learning takes longer; "
        "else see whether the labels belong to the inputs, and whether the optimizer moves what the loss "
        "comes from. A model that is trained already has nowhere to fall."
    )


def test_what_is_had_without_a_look_at_the_inputs_is_not_learnt():
    # The labels are random: from 2.6 the model comes to answers that are all alike, and no further.
    finals = [[2.4, 2.31, 2.4]] * 3
    assert told(finals, start=2.6).suggestion.lr == 0.1
    blind = BlindAnswer(2.303, "a model that always answers the shares of the classes")
    said = told(finals, start=2.6, blind=blind)
    assert said.suggestion is None
    assert (
        "has lowered the held-out loss from 2.6 to 2.31, where a model that always answers the shares of the "
        "classes has 2.3: less than 1% below that is not told from nothing."
    ) in said.verdict
    for end, learnt, base in ((2.28, False, 2.6), (2.279, True, 2.303)):  # 2.303 less 1%
        judged = judging.judge([0.1], [[end]], [2.6], checked=0, margin=0.1, blind=blind)
        assert (judged.learnt, judged.drop) == (learnt, pytest.approx(base - end))


def test_a_checked_rate_that_diverged_where_nothing_was_learnt_is_told_so():
    said = told([[1.0, INF, 1.1]])
    assert (
        "has not lowered the held-out loss, which is 1 before training. 0.1 diverged. Where learning takes "
        "longer" in said.verdict
    )


def test_a_loss_that_was_not_finite_before_training_is_told_and_blames_no_rate():
    said = told([[INF, INF, INF]], start=NAN)
    assert said.suggestion is None
    assert "the held-out loss was not finite before any update" in said.verdict
    assert "with bf16 or fp16 try precision=fp32" in said.verdict


@pytest.mark.parametrize("role", [Role.SUGGESTION, Role.GIVEN])
def test_seeds_that_do_not_agree_are_told(role):
    said = told([[0.9, 0.8, 0.1], [0.9, 0.2, 0.4], [0.9, 0.7, 0.2]], role=role)
    assert "in the mean, but the seeds do not agree on it. Raise verify.seeds" in said.verdict
    # Though chance may be the cause of it, a rate that is worse by 43% is not among those to choose from.
    assert (said.suggestion.lr, said.suggestion.low) == (0.3, 0.173)
    assert said.verdict.startswith(
        "The rate of the range test holds" if role is Role.SUGGESTION else "The given rate holds"
    )


@pytest.mark.parametrize(
    ("whose", "name"), [("refine", "The rate of refine holds"), ("", "The given rate holds")]
)
def test_a_suggestion_is_named_by_what_made_it(whose, name):
    assert told([[0.3, 0.2, 0.9]] * 3, whose=whose).verdict.startswith(name)


@pytest.mark.parametrize("spent", [False, True])
def test_of_one_seed_it_is_told_with_each_share_that_no_spread_is_known(spent):
    for pinned in (None, 1.0):
        row = [0.9, 0.6, 0.2] + [0.8] * (pinned is not None)
        said = told([row], spent=spent, pinned=pinned)
        assert "noise" not in said.verdict + said.suggestion.reason
        assert "0.3 does: it ends at a held-out loss of 0.2, the lowest of the" in said.verdict
        allowed = "of the drop (verify.margin=0.1 allows 10%); with one seed no spread is known."
        assert f"rates tried, and better by 50% {allowed}" in said.verdict
        assert (said.refusal or "").endswith(f", worse by 75% {allowed} Pin 0.3 instead." if pinned else "")


def test_where_the_best_rate_is_the_last_on_one_side_it_is_told():
    upper, lower = told([[0.9, 0.6, 0.2]], spent=True).verdict, told([[0.2, 0.6, 0.9]]).verdict
    assert "0.3 is the highest rate tried; more verify.budget would try higher ones." in upper
    assert "0.0333 is the lowest rate tried; lower ones were not tried." in lower
    assert "not tried" not in told([[0.9, 0.2, 0.6]], spent=True).verdict


def test_a_run_that_was_cut_off_is_not_judged():
    tried = (Candidate(0.1, (Role.GIVEN,)),)
    whole = runs_of(0, 1.0, np.zeros((1, 4)), [0.5])
    cut = runs_of(1, 2.0, [[0.0, 0.0, NAN, NAN]], [NAN])
    trials = Trials(tried, 4, (whole, cut))
    assert trials.finals.tolist() == [[0.5], [pytest.approx(NAN, nan_ok=True)]]
    assert trials.starts.tolist() == [1.0, 2.0]
    assert trials.steps == 6
    assert trials.stops.tolist() == [4]


@pytest.mark.parametrize(
    ("worse", "better"), [((0.21, 0.32), True), ((0.19, 0.32), False), ((0.12, 0.6), False)]
)
def test_on_two_seeds_a_rate_that_is_worse_by_twice_the_margin_on_both_is_clearly_worse(worse, better):
    finals = np.array([[1.0, 1.0 + worse[0]], [1.0, 1.0 + worse[1]]])
    found = judging.judge([0.1, 0.2], finals, [2.0, 2.0], checked=1, pinned=1, margin=0.1)
    assert (found.holds, found.sensible) == ((False, False) if better else (True, True))
    assert found.pinned_in_doubt == (not better)
