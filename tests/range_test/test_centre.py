"""The project's own rule on lines whose valley is known, and on paired curves."""

import dataclasses
import math

import numpy as np
import pytest

from lrfind.range_test.centre import centre, less, middle_half, valley_sides
from lrfind.range_test.curve import Curve
from lrfind.range_test.curve_smoothing import smoothed_curve
from lrfind.range_test.ladder import geometric
from lrfind.range_test.reading import Rule, read
from lrfind.range_test.shape import EVIDENT, Shape
from lrfind.range_test.smoothed_curve import SmoothedCurve
from lrfind.suggestion import Status
from lrfind.training.smoothing import exponential_average

LRS = geometric(1e-5, 10.0, 60)
LOG = np.log10(LRS)


def plain(values, *, momentum=0.0):
    """A line with those values, paired, that starts at 2."""
    values = np.asarray(values, dtype=np.float64)
    return SmoothedCurve(
        LRS[: len(values)], values, values, values, values, 0.0, 0 * values, start=2.0, momentum=momentum
    )


# 2 up to 1e-3, down to 1 at 1e-1, up to 3 at 10: the fall is 1, and from 10**-1.5 to 10**-0.75 three quarters
# of it are there.
VEE = np.interp(LOG, [-5, -3, -1, 1], [2.0, 2.0, 1.0, 3.0])


def test_the_valley_of_a_line_of_straight_pieces():
    left, right = valley_sides(plain(VEE))
    # Its lowest point is the one of the ladder next to 1e-1, not 1e-1 itself.
    assert math.log10(left) == pytest.approx(-1.5, abs=0.06)
    assert math.log10(right) == pytest.approx(-0.75, abs=0.06)


def test_the_answer_is_the_middle_of_the_valley_and_the_bracket_its_middle_half():
    smoothed = plain(VEE)
    left, right = valley_sides(smoothed)
    low, high = middle_half(smoothed)
    assert centre(smoothed) == pytest.approx(math.sqrt(left * right))
    assert low == pytest.approx(left**0.75 * right**0.25)
    assert high == pytest.approx(left**0.25 * right**0.75)


@pytest.mark.parametrize(("momentum", "factor"), [(0.0, 1.0), (0.5, math.sqrt(0.5)), (0.99, 0.1)])
def test_momentum_moves_answer_and_bracket_down_by_the_root_of_what_it_forgets_a_step(momentum, factor):
    still, moving = plain(VEE), plain(VEE, momentum=momentum)
    assert centre(moving) == pytest.approx(factor * centre(still))
    assert np.allclose(middle_half(moving), factor * np.array(middle_half(still)))


@pytest.mark.parametrize(("depth", "power"), [(0.01, 0.025), (0.1, 0.25), (0.2, 0.5), (0.9, 0.5)])
def test_momentum_counts_less_where_the_loss_hardly_falls(depth, power):
    line = 2 - 2 * depth * (2 - VEE) / (2 - VEE.min())
    assert less(plain(line, momentum=0.9)) == pytest.approx(0.1**power)


@pytest.mark.parametrize("depth", [0.01, 0.25, 0.5, 1.0])
def test_batches_that_come_again_count_as_far_as_the_loss_falls(depth):
    line = plain(2 - 2 * depth * (2 - VEE) / (2 - VEE.min()))
    again = dataclasses.replace(line, epoch_share=0.25)
    assert less(line) == 1
    assert less(again) == pytest.approx(max(0.15, 0.25 ** (2 * depth)))
    # Of epochs shorter than a sixth of the ladder nothing was measured.
    shorter = [dataclasses.replace(line, epoch_share=share) for share in (1 / 6, 0.01)]
    assert less(shorter[0]) == less(shorter[1]) == pytest.approx(max(0.15, 6 ** (-2 * depth)))


def test_a_dip_before_the_fall_is_not_where_the_valley_begins():
    dipped = VEE.copy()
    dipped[5:8] = 1.2
    assert valley_sides(plain(dipped)) == valley_sides(plain(VEE))


def test_a_line_that_ends_before_it_turns_ends_the_valley():
    assert valley_sides(plain(VEE[:35]))[1] == pytest.approx(LRS[34])


@pytest.mark.parametrize("values", [np.full(20, 2.0), np.linspace(2, 3, 20), np.full(20, 2.5)])
def test_where_nothing_falls_there_is_no_valley(values):
    assert valley_sides(plain(values)) is None
    assert centre(plain(values)) is None
    assert middle_half(plain(values)) is None


def curve(effects, start, *, status=Status.COMPLETED, **others):
    """A paired curve: `effects[i]` is what the rate of step i did to the loss, `start` the untrained loss."""
    did = np.concatenate([[0.0], effects])[: len(effects)]
    losses = start + did
    smoothed = exponential_average(losses, 0.98)
    return Curve(LRS[: len(losses)], losses, smoothed, status, 60, start_losses=start, **others)


def test_the_batch_cancels_to_the_last_digit_that_the_losses_hold():
    rng = np.random.default_rng(0)
    effects = VEE - 2
    calm = smoothed_curve(curve(effects, np.full(60, 5.0)))
    noisy = smoothed_curve(curve(effects, 5.0 + rng.normal(0, 3, 60)))
    assert np.allclose(noisy.values - noisy.start, calm.values - calm.start, atol=1e-12)


def test_with_noise_of_the_batch_larger_than_the_fall_the_answer_is_the_same():
    rng = np.random.default_rng(1)
    calm = read(curve(VEE - 2, np.full(60, 5.0)), rule=Rule.CENTRE)
    noisy = read(curve(VEE - 2, 5.0 + rng.normal(0, 3, 60)), rule=Rule.CENTRE)
    assert noisy.suggestion == calm.suggestion
    assert noisy.shape is Shape.HEALTHY


def test_the_reason_names_the_valley_and_the_momentum():
    suggestion = read(curve(VEE - 2, np.full(60, 4.0), momentum=0.9), rule=Rule.CENTRE).suggestion
    assert "is lower, since its middle (" in suggestion.reason
    assert "is multiplied by 0.32 for momentum" in suggestion.reason
    assert f"{suggestion.lr:g}" in suggestion.reason
    assert suggestion.low < suggestion.lr < suggestion.high


def test_accuracies_are_paired_too():
    start = np.full(60, 0.1) + np.random.default_rng(2).choice([0, 0.1], 60)
    did = np.concatenate([[0.0], 0.4 * (2 - VEE)])[:60]
    losses = np.ones(60)
    paired = Curve(
        LRS,
        losses,
        losses,
        Status.COMPLETED,
        60,
        accuracies=start + did,
        start_losses=losses,
        start_accuracies=start,
    )
    smoothed = smoothed_curve(paired)
    assert smoothed.start == pytest.approx(1 - start[1:].mean())
    assert np.allclose(smoothed.raw, smoothed.start - did[1 : len(smoothed) + 1])


def test_where_accuracies_are_read_short_epochs_go_by_what_the_loss_has_lost():
    losses, start = np.concatenate([[2.0], 2 - 0.5 * (2 - VEE)])[:60], np.full(60, 2.0)
    of_losses = Curve(LRS, losses, losses, Status.COMPLETED, 60, start_losses=start, epoch_steps=15)
    right = 0.1 + 0.89 * (start - losses) / 0.5  # nearly all answers, where the loss is down by a quarter
    of_answers = dataclasses.replace(of_losses, accuracies=right, start_accuracies=np.full(60, 0.1))
    lines = [smoothed_curve(each) for each in (of_losses, of_answers)]
    assert lines[1].share_lost > 3 * lines[0].share_lost
    assert less(lines[1]) == less(lines[0]) == pytest.approx(0.25 ** (2 * lines[0].share_lost))


@pytest.mark.parametrize("seed", range(40))
def test_wandering_that_grows_with_the_rate_is_no_fall(seed):
    # What a model with nothing to learn does: no mean, and a noise that grows as the two models part.
    wandering = np.random.default_rng(seed).normal(0, 1, 60) * LRS
    reading = read(curve(wandering, np.full(60, 5.0)), rule=Rule.CENTRE)
    assert reading.suggestion is None or reading.smoothed.evidence < 1.5 * EVIDENT


def test_wandering_is_rarely_taken_for_a_fall():
    answered = 0
    for seed in range(300):
        wandering = np.random.default_rng(1000 + seed).normal(0, 1, 60) * LRS
        answered += read(curve(wandering, np.full(60, 5.0)), rule=Rule.CENTRE).suggestion is not None
    assert answered <= 6


@pytest.mark.parametrize(
    ("steps", "share", "shape"),
    [(60, 0.009, Shape.HEALTHY), (180, 0.009, Shape.NEVER_FALLS), (180, 0.03, Shape.HEALTHY)],
)
def test_on_a_slow_ladder_a_fall_by_less_than_a_hundredth_takes_more_evidence(steps, share, shape):
    lrs, lowest, reach = geometric(1e-5, 10.0, steps), 5 * steps // 6 - 1, 2 * steps // 5
    signs = np.ones(steps)
    signs[lowest - reach + 1 : lowest][: {60: 5, 180: 25}[steps]] = -1
    effects = -signs * lrs * 2.5 * 2 * share / lrs[lowest]
    effects[lowest + 1 :] = 9.0
    start = np.full(steps, 2.5)
    losses = start + np.concatenate([[0.0], effects])[:steps]
    reading = read(Curve(lrs, losses, losses, Status.DIVERGED, steps, start_losses=start), rule=Rule.CENTRE)
    falls = reach - 2 * {60: 5, 180: 25}[steps]
    assert 2.4 < falls / math.sqrt(reach) < 3
    assert reading.smoothed.evidence == pytest.approx(falls / math.sqrt(reach))
    assert reading.shape is shape
    assert (reading.smoothed.share_lost < 0.01) == (share < 0.01)


def test_evidence_of_a_steady_fall_is_the_root_of_the_number_of_points():
    # A fall in proportion to the rate: every term of the sum is the same.
    smoothed = plain(2 - LRS[:40])
    smoothed = dataclasses.replace(smoothed, reach=24)
    assert smoothed.evidence == pytest.approx(math.sqrt(24))


def test_flat_paired_losses_are_flat():
    reading = read(curve(np.zeros(60), 5 + np.random.default_rng(3).normal(0, 1, 60)), rule=Rule.CENTRE)
    assert reading.shape is Shape.FLAT
    assert reading.suggestion is None


def test_a_curve_that_stops_at_its_first_steps_is_read_without_a_crash():
    for steps in range(1, 8):
        effects = np.linspace(0, 5, steps)
        reading = read(curve(effects, np.full(steps, 2.0), status=Status.DIVERGED), rule=Rule.CENTRE)
        assert reading.suggestion is None
        assert reading.verdict


def test_a_loss_that_reaches_zero_is_never_read_as_negative_and_its_batches_do_not_come_back():
    # A regression learnt to nothing: the loss of a batch is its start loss times what is left.
    rng = np.random.default_rng(4)
    start = 5.0 * np.exp(rng.normal(0, 0.5, 60))
    left = np.concatenate([[1.0], np.interp(LOG, [-5, -3, -1, 0, 1], [1.0, 1.0, 0.0, 0.0, 3.0])])[:60]
    losses = start * left
    smoothed = exponential_average(losses, 0.98)
    smoothed = smoothed_curve(Curve(LRS, losses, smoothed, Status.COMPLETED, 60, start_losses=start))
    assert (smoothed.raw >= 0).all()
    assert (smoothed.values >= 0).all()
    flat = (smoothed.lrs > 0.2) & (smoothed.lrs < 0.6)
    assert smoothed.raw[flat].max() < 0.02 * smoothed.start


def test_a_batch_that_is_not_finite_for_the_untrained_model_either_is_the_datas_fault():
    start = np.full(30, 5.0)
    start[-1] = math.nan
    effects = (VEE - 2)[:30]
    reading = read(curve(effects, start, status=Status.NONFINITE), rule=Rule.CENTRE)
    assert reading.shape is Shape.BAD_BATCH
    assert reading.suggestion is None
    assert "not the learning rate: look for NaN or infinities in the data" in reading.verdict


def test_losses_whose_first_two_differ_are_read_without_pairing_and_it_is_said():
    noisy = 5 + np.random.default_rng(5).normal(0, 0.5, 60)
    losses = np.concatenate([[5.3], noisy[1:]])
    pair = Curve(LRS, losses, losses, Status.COMPLETED, 60, start_losses=noisy)
    assert not pair.paired
    reading = read(pair, rule=Rule.CENTRE)
    assert reading.smoothed.start is None
    assert "as if range.paired were false" in reading.verdict


def test_a_fall_that_goes_on_to_the_end_of_the_ladder_answers_nothing():
    effects = np.interp(LOG, [-5, -1, 1], [0.0, 0.0, -2.0])
    reading = read(curve(effects, np.full(60, 5.0)), rule=Rule.CENTRE)
    assert reading.shape is Shape.FALLS_TO_END
    assert reading.suggestion is None
    assert "Raise range.end_lr" in reading.verdict


def test_a_fall_that_has_ended_before_the_ladder_did_answers():
    effects = np.interp(LOG, [-5, -2, 0, 1], [0.0, 0.0, -2.0, -2.0]) - 1e-6 * np.arange(60)
    reading = read(curve(effects, np.full(60, 5.0)), rule=Rule.CENTRE)
    assert reading.shape is Shape.HEALTHY


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e150])
def test_the_scale_of_the_loss_does_not_matter(scale):
    plain_one = read(curve(VEE - 2, np.full(60, 5.0)), rule=Rule.CENTRE).suggestion
    scaled = read(curve(scale * (VEE - 2), scale * np.full(60, 5.0)), rule=Rule.CENTRE).suggestion
    assert scaled == plain_one
