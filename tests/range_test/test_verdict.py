"""What a curve shows, in words: each shape on curves made for it, and how often noise is taken for one."""

import math
import re

import numpy as np
import pytest

from lrfind.range_test.curve import Curve
from lrfind.range_test.curve_smoothing import smoothed_curve
from lrfind.range_test.ladder import geometric
from lrfind.range_test.reading import Rule, read
from lrfind.range_test.shape import Shape, shape_of
from lrfind.range_test.verdict import doubted, finding
from lrfind.suggestion import Status
from lrfind.training.divergence import DivergenceTest
from lrfind.training.smoothing import ExponentialAverage

LOG = np.linspace(-5, 1, 100)
LRS = geometric(1e-5, 10.0, 100)


def sweep_of(losses, *, beta=0.98, factor=4.0, skip_start=10, skip_end=5):
    """The curve that the sweep would have made of these losses, stops and all."""
    average, diverged = ExponentialAverage(beta), DivergenceTest(factor, grace=skip_start)
    smoothed, status = [], Status.COMPLETED
    for loss in losses:
        smoothed.append(average.update(float(loss)))
        if not math.isfinite(loss):
            status = Status.NONFINITE
            break
        if diverged.update(float(loss), smoothed[-1]):
            status = Status.DIVERGED
            break
    taken = len(smoothed)
    return Curve(
        geometric(1e-5, 10.0, len(losses))[:taken],
        np.asarray(losses[:taken], dtype=np.float64),
        np.array(smoothed),
        status,
        len(losses),
        skip_start=skip_start,
        skip_end=skip_end,
    )


def shape(losses, **options):
    curve = sweep_of(losses, **options)
    return shape_of(curve, smoothed_curve(curve))


def verdict(curve, smoothed, shape):
    return " ".join(filter(None, finding(curve, smoothed, shape)))


def said(losses, **options):
    curve = sweep_of(losses, **options)
    smoothed = smoothed_curve(curve)
    return verdict(curve, smoothed, shape_of(curve, smoothed))


def healthy(seed=None, noise=0.05):
    fall = 2.3 - 2 / (1 + np.exp(-(LOG + 2) / 0.35)) + np.exp(6 * np.maximum(LOG, 0)) - 1
    return fall if seed is None else fall + np.random.default_rng(seed).normal(0, noise, 100)


def logistic(centre):
    return 2.3 - 2 / (1 + np.exp(-(LOG - centre) / 0.35))


FLAT = np.full(100, 2.3)
SHOOTING_UP = 2.3 * np.exp(np.linspace(0, 30, 100))


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        (healthy(), Shape.HEALTHY),
        (logistic(0.5), Shape.FALLS_TO_END),
        (FLAT, Shape.FLAT),
        (np.zeros(100), Shape.FLAT),
        (SHOOTING_UP, Shape.DIVERGES_AT_ONCE),
        (np.linspace(2, 2.5, 100), Shape.DIVERGES_AT_ONCE),
        ([math.nan, 1.0, 1.0], Shape.NEVER_FINITE),
        ([math.inf, 1.0, 1.0], Shape.NEVER_FINITE),
        ([2.3, math.nan, 1.0], Shape.DIVERGES_AT_ONCE),
        ([2.3, 3.0, 4.0, math.inf], Shape.DIVERGES_AT_ONCE),
        ([2.3, 2.2, 2.1], Shape.TOO_FEW_STEPS),
        (-SHOOTING_UP[::-1] / SHOOTING_UP.max(), Shape.DIVERGES_AT_ONCE),
        (healthy() - 50, Shape.HEALTHY),
    ],
)
def test_a_curve_made_for_a_shape_has_it(losses, expected):
    assert shape(losses) is expected


def test_two_steps_are_too_few():
    assert shape([2.3, 2.2], skip_start=0, skip_end=0) is Shape.TOO_FEW_STEPS


def test_a_fall_that_ends_in_a_nan_has_turned():
    losses = logistic(-1.0)
    losses[80] = math.nan
    assert shape(losses) is Shape.HEALTHY


def test_an_interrupted_sweep_is_interrupted_whatever_it_shows():
    curve = sweep_of(healthy())
    stopped = Curve(curve.lrs, curve.losses, curve.smoothed, Status.INTERRUPTED, 100)
    assert shape_of(stopped, smoothed_curve(stopped)) is Shape.INTERRUPTED


def test_only_a_fall_answers():
    assert {each for each in Shape if each.answers} == {Shape.HEALTHY}


# --- the end of the fall


def paired(shares, *, start=2.0, lrs=None):
    """A paired sweep without noise; shares of the start's loss that are left after each rate."""
    lrs = geometric(1e-5, 10.0, len(shares)) if lrs is None else lrs
    losses = start * np.concatenate([[1.0], np.asarray(shares)[:-1]])
    return Curve(lrs, losses, losses, Status.COMPLETED, len(lrs), start_losses=np.full(len(lrs), start))


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("end", [2e-5, 1e-4, 1e-2, 10.0])
@pytest.mark.parametrize("depth", [1e-4, 0.5])
def test_what_falls_as_a_power_of_the_rate_has_not_turned(power, end, depth):
    lrs = geometric(1e-5, end, 60)
    curve = paired(1 - depth * (lrs / end) ** power, lrs=lrs)
    smoothed = smoothed_curve(curve)
    assert shape_of(curve, smoothed) is Shape.FALLS_TO_END
    # Levels that differ are not spelt the same.
    high, low = re.search(
        "from ([^ ]+) to ([^ ]+), and did not turn", verdict(curve, smoothed, Shape.FALLS_TO_END)
    ).groups()
    assert float(high) > float(low)


@pytest.mark.parametrize(("rise", "expected"), [(0.1, Shape.FALLS_TO_END), (0.6, Shape.HEALTHY)])
def test_a_turn_needs_a_rise_of_weight(rise, expected):
    lrs = geometric(1e-5, 1e-2, 60)
    far = np.minimum(lrs / 1e-3, 1)
    curve = paired(1 - 0.1 * far + 0.1 * rise * np.maximum(np.log10(lrs / 1e-3), 0), lrs=lrs)
    assert shape_of(curve, smoothed_curve(curve)) is expected


def test_a_lone_high_point_at_the_end_is_no_turn():
    lrs = geometric(1e-5, 1e-2, 60)
    shares = 1 - 0.5 * lrs / 1e-2
    shares[-2] = 0.95
    assert shape_of(paired(shares, lrs=lrs), smoothed_curve(paired(shares, lrs=lrs))) is Shape.FALLS_TO_END


@pytest.mark.parametrize(("last", "expected"), [(1.9, Shape.FALLS_TO_END), (2.1, Shape.HEALTHY)])
def test_a_last_loss_of_twice_the_start_is_a_turn_however_short_the_ladder(last, expected):
    shares = 1 - 0.3 * np.linspace(0, 1, 20) ** 6
    shares[-2] = last
    assert shape_of(paired(shares), smoothed_curve(paired(shares))) is expected


def test_a_loss_that_stays_at_a_floor_is_healthy_and_is_not_said_to_rise():
    shares = np.interp(np.linspace(-5, 1, 60), [-5, -3, -1.5, 1], [1, 1, 0.4, 0.4])
    curve = paired(shares)
    smoothed = smoothed_curve(curve)
    assert shape_of(curve, smoothed) is Shape.HEALTHY
    assert "did not clearly rise after it, up to 10" in verdict(curve, smoothed, Shape.HEALTHY)


# --- false alarms, over seeds


@pytest.mark.parametrize("noise", [1e-6, 0.01, 0.1])
def test_a_flat_loss_with_noise_seldom_looks_like_a_fall(noise):
    shapes = [shape(FLAT + np.random.default_rng(seed).normal(0, noise, 100)) for seed in range(200)]
    assert sum(each.answers for each in shapes) <= 4
    assert sum(each is Shape.FLAT for each in shapes) >= 190


@pytest.mark.parametrize("make", ["normal", "exponential"])
def test_noise_as_large_as_the_loss_seldom_looks_like_a_fall(make):
    shapes = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        losses = np.abs(rng.normal(2.3, 1.0, 100)) if make == "normal" else rng.exponential(2.3, 100)
        shapes.append(shape(losses))
    assert sum(each.answers for each in shapes) <= 10
    assert sum(each is Shape.TOO_NOISY for each in shapes) >= 180


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.2])
def test_a_clear_fall_is_always_seen(noise):
    assert {shape(healthy(seed, noise)) for seed in range(100)} == {Shape.HEALTHY}


def test_a_short_clear_fall_is_seen():
    losses = np.concatenate([np.linspace(2.3, 0.5, 15), [0.6, 1.0, 2.0, 5.0, 20.0]])
    assert shape(losses, skip_start=2, skip_end=1) is Shape.HEALTHY


# --- what is said


def test_a_curve_that_falls_by_less_than_a_slower_sweep_asks_for_is_not_called_healthy():
    fall = 2.3 - healthy()
    assert said(2.3 - 0.05 * fall).startswith("Weak: the loss fell from 2.3 to 2.2")


def test_a_fall_that_shows_no_learning_is_not_called_healthy():
    assert doubted(said(healthy())).startswith("Doubtful: the loss fell from 2.3 to 0.3")
    assert doubted("Weak: the loss fell.") == "Weak: the loss fell."


def test_a_healthy_curve_is_told_from_where_to_where_it_fell():
    text = said(healthy())
    assert text.startswith("Healthy: the loss fell from 2.3 to 0.3")
    assert text.endswith(f"and the test ended at {sweep_of(healthy()).lrs[-1]:.3g}.")


def test_the_rate_from_which_on_nothing_was_learnt_is_told_before_the_one_that_ended_the_test():
    curve = sweep_of(healthy())
    smoothed = smoothed_curve(curve)
    assert smoothed.climb[0] < curve.lrs[-1]
    assert f"rose above its start at {smoothed.climb[0]:.3g}, and the test ended at" in said(healthy())


def test_a_healthy_curve_that_ran_to_the_end_rose_again():
    losses = 2.0 + 0.5 * (LOG + 1) ** 2
    assert said(losses, skip_start=0).startswith("Healthy: the loss fell from")
    assert "rose again" in said(losses, skip_start=0)


def test_a_curve_that_became_nan_says_where():
    losses = logistic(-2.0)
    losses[80] = math.nan
    assert f"no longer finite at {geometric(1e-5, 10.0, 100)[80]:.3g}" in said(losses)


def test_a_fall_that_the_drawn_line_does_not_show_is_told_of_the_average_in_which_it_was_found():
    # Noise with far outliers, which the line leaves out and the average does not.
    shares = 1 + 0.01 * np.random.default_rng(1274).standard_t(1.5, 60) * np.geomspace(1e-3, 1, 60)
    shares[-8:] += np.linspace(0, 2, 8)
    curve = paired(shares)
    smoothed = smoothed_curve(curve)
    assert smoothed.drawn[smoothed.lowest_drawn] > smoothed.plateau
    told = verdict(curve, smoothed, shape_of(curve, smoothed))
    high, low = re.search(r"^Weak: the loss fell from (.+) to (.+) on average over neighbour", told).groups()
    assert float(high) == smoothed.plateau > float(low)
    assert float(low) == pytest.approx(smoothed.values[smoothed.lowest], rel=0.005)


def test_with_accuracy_it_is_the_share_of_wrong_answers_that_fell():
    plain = sweep_of(healthy(), factor=None)
    wrong = np.clip(healthy() / 2.5, 0, 1)
    curve = Curve(
        plain.lrs, plain.losses, plain.smoothed, plain.status, 100, accuracies=1 - wrong, skip_start=10
    )
    smoothed = smoothed_curve(curve)
    assert "the share of wrong answers fell" in verdict(curve, smoothed, shape_of(curve, smoothed))


@pytest.mark.parametrize(
    ("accuracies", "last"),
    [
        (np.full(100, 0.1), Shape.FLAT),
        (np.random.default_rng(0).integers(0, 3, 100) / 4, Shape.TOO_NOISY),
    ],
)
def test_an_accuracy_that_does_not_move_is_told_to_move_later_than_the_loss(accuracies, last):
    plain = sweep_of(FLAT)
    curve = Curve(plain.lrs, plain.losses, plain.smoothed, plain.status, 100, accuracies=accuracies)
    smoothed = smoothed_curve(curve)
    assert shape_of(curve, smoothed) is last
    told = verdict(curve, smoothed, last)
    assert told.endswith(
        "An accuracy moves later than the loss: range.metric=loss shows more in as many steps."
    )
    assert "the loss varies" not in told
    assert "accuracy" not in said(FLAT)


def test_where_accuracies_are_read_it_is_the_loss_that_diverged():
    wrong = np.clip(logistic(-1.0) / 2.5, 0, 1)
    losses = np.where(np.arange(100) < 90, 2.3, 1e9)
    curve = Curve(LRS, losses, losses, Status.DIVERGED, 120, accuracies=1 - wrong)
    smoothed = smoothed_curve(curve)
    assert verdict(curve, smoothed, Shape.HEALTHY).endswith(", and the loss diverged at 10.")


@pytest.mark.parametrize(
    ("losses", "says"),
    [
        (logistic(0.5), ["fell to the end of the ladder (10)", "did not turn", "Raise range.end_lr"]),
        (FLAT, ["Flat", "Raise range.end_lr"]),
        (SHOOTING_UP, ["rose from the start", "Lower range.start_lr"]),
        (np.random.default_rng(0).exponential(2.3, 100), ["Too noisy", "batch_size", "range.num_steps"]),
        ([math.nan, 1.0], ["not finite from the start", "with bf16 or fp16 try precision=fp32"]),
        ([2.3, 2.2, 2.1], ["Too few steps: 3 were taken", "range.num_steps", "range.skip_start"]),
    ],
)
def test_what_is_wrong_is_said_with_the_key_to_change(losses, says):
    text = said(losses)
    assert [part for part in says if part not in text] == []


@pytest.mark.parametrize(
    ("end", "far"),
    [(0.01, "to 10, the default, or beyond"), (10.0, "by a factor of 10 or more")],
)
def test_how_far_a_ladder_is_to_go_is_said_by_where_it_ended(end, far):
    for losses in (logistic(0.5), FLAT):
        curve = Curve(LRS * (end / 10), losses, losses, Status.COMPLETED, 100)
        smoothed = smoothed_curve(curve)
        assert f"Raise range.end_lr {far}" in verdict(curve, smoothed, shape_of(curve, smoothed))


def test_an_explosion_in_the_steps_that_are_not_read_is_told_of_what_is_read_after_it():
    """The first rates are far too high, and without a control nothing that is read shows it."""
    exploded = [2.3, 264.0, 61.0, 82.0, 30.0, 9.0, 5.0, 4.0, 3.0, 2.6]
    level = np.full(90, 2.45)
    flat = said(np.concatenate([exploded, level]), factor=None)
    assert flat.startswith("The loss shot up to 264 at the first rates, which are not read")
    assert "Lower range.start_lr, by a factor of 100 or more." in flat
    assert "end_lr" not in flat
    valley = said(np.concatenate([exploded, 2.45 - np.sin(np.linspace(0, np.pi, 90))]), factor=None)
    assert valley.startswith("Healthy")
    assert "But at the first rates, which are not read, the loss had shot up to 264:" in valley
    assert "shot up" not in said(np.concatenate([[2.3] * 10, level]), factor=None)
    assert "shot up" not in said(np.concatenate([exploded, level]), factor=None, skip_start=0)


def test_a_rise_that_nobody_sees_is_called_flat():
    """On rates far too low the last loss can lie above all others by what a float rounds."""
    losses = np.where(np.arange(60) < 40, 2.3, 2.3 + 1e-5)
    made = Curve(
        geometric(1e-9, 1e-7, 60), losses, losses, Status.COMPLETED, 60, start_losses=np.full(60, 2.3)
    )
    line = smoothed_curve(made)
    assert shape_of(made, line) is Shape.NEVER_FALLS
    assert verdict(made, line, Shape.NEVER_FALLS).startswith("Flat: no rate up to 1e-7 moved the loss. Raise")
    risen = np.where(np.arange(60) < 40, 2.3, 2.5)
    made = Curve(geometric(1e-9, 1e-7, 60), risen, risen, Status.COMPLETED, 60, start_losses=np.full(60, 2.3))
    assert "and then rose" in verdict(made, smoothed_curve(made), Shape.NEVER_FALLS)


def test_the_share_of_noise_of_a_level_of_zero_is_no_division_by_zero():
    losses = np.random.default_rng(1).choice([-1.0, 0.0, 1.0], 100)
    assert said(losses, factor=None).startswith(("Too noisy", "Healthy", "The loss"))


def test_a_start_that_is_far_too_high_is_told_before_all_else():
    """The loss explodes within a few steps and then falls from up there: that is no noise."""
    start = np.full(60, 2.3)
    losses = np.concatenate(
        [[2.3, 5.5, 1e3, 1e8, 1e14], np.geomspace(1e12, 30, 25), np.geomspace(30, 1e4, 30)]
    )
    average = ExponentialAverage(0.98)
    smoothed = np.array([average.update(float(loss)) for loss in losses])
    curve = Curve(geometric(10, 1e4, 60), losses, smoothed, Status.COMPLETED, 60, start_losses=start)
    line = smoothed_curve(curve)
    shape = shape_of(curve, line)
    assert shape is Shape.DIVERGES_AT_ONCE
    assert verdict(curve, line, shape).startswith(
        "The loss rose from the start and never fell below it: even the first"
    )


def test_a_fall_after_an_explosion_at_the_first_rates_is_told_as_the_line_shows_it():
    start = np.full(60, 2.3)
    losses = np.concatenate([[2.3, 14, 12, 9.5], np.geomspace(9, 1.0, 16), np.geomspace(1.0, 4.0, 40)])
    made = Curve(geometric(0.1, 10, 60), losses, losses, Status.COMPLETED, 60, start_losses=start)
    line = smoothed_curve(made)
    shape = shape_of(made, line)
    assert shape is Shape.DIVERGES_AT_ONCE
    low = f"{line.drawn.min():.3g} near {line.lrs[np.argmin(line.drawn)]:.3g}"
    assert f"rose from the start, and fell below it (2.3) only after that, to {low}:" in verdict(
        made, line, shape
    )


def test_a_dip_before_an_early_rise_is_no_rise_from_the_start():
    losses = np.concatenate([2.0 + 0.06 * np.tile([0, 1, -1], 3), [2.0, 2.6, 2.9, 3.1], np.full(47, 3.2)])
    made = Curve(geometric(1e-5, 10, 60), losses, losses, Status.COMPLETED, 60, start_losses=np.full(60, 2.0))
    line = smoothed_curve(made)
    shape = shape_of(made, line)
    text = verdict(made, line, shape)
    assert shape is Shape.DIVERGES_AT_ONCE
    fell = 2 - line.drawn.min() > 0.02
    assert ("rose soon" in text, "rose from the start" in text) == (fell, not fell)


def test_a_dip_that_may_be_chance_is_told_where_the_line_shows_it():
    rng = np.random.default_rng(2)
    dip = 0.5 * rng.normal(0, 1, 60) * np.geomspace(1e-3, 1, 60)
    dip[50:] = 9.0
    start = np.full(60, 2.5)
    losses = start + np.concatenate([[0.0], dip])[:60]
    made = Curve(geometric(1e-5, 10.0, 60), losses, losses, Status.DIVERGED, 60, start_losses=start)
    reading = read(made, rule=Rule.CENTRE)
    line = reading.smoothed
    low, where = line.drawn[line.lowest_drawn], line.lrs[line.lowest_drawn]
    assert reading.shape is Shape.NEVER_FALLS
    assert (
        f"The loss fell from 2.5 to {low:.3g} near {where:.3g}, but no more steadily than by chance, and then"
        in reading.verdict
    )
    assert "or lower range.start_lr" not in reading.verdict  # it rose far above the first rates
