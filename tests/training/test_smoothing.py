"""The exponential average, the centred smoothing and the divergence test."""

import math

import numpy as np
import pytest

from lrfind.training.divergence import DivergenceTest
from lrfind.training.smoothing import ExponentialAverage, centred, exponential_average

BETAS = [0.0, 0.5, 0.9, 0.98, 0.999, 0.999999]


def naive_average(values, beta):
    """sum_k beta^(i-k) (1-beta) x_k / (1 - beta^(i+1)), by a double loop with exact sums."""
    return [
        math.fsum(beta ** (i - k) * values[k] for k in range(i + 1))
        / math.fsum(beta**j for j in range(i + 1))
        for i in range(len(values))
    ]


def fires_at(losses, factor=4.0, *, beta=0.0, grace=0):
    """The step at which the test fires, or None."""
    average = ExponentialAverage(beta)
    diverged = DivergenceTest(factor, grace=grace)
    for step, loss in enumerate(losses):
        if diverged.update(loss, average.update(loss)):
            return step
    return None


@pytest.mark.parametrize("beta", BETAS)
def test_the_average_is_the_naive_double_loop(beta):
    values = np.random.default_rng(0).normal(1.0, 2.0, 120)
    np.testing.assert_allclose(
        exponential_average(values, beta), naive_average(values, beta), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("constant", [1.0, 0.1, 2.302585, -3.7, 1e-300, 1e300, 0.0])
def test_the_average_of_a_constant_is_that_constant_to_the_last_bit(beta, constant):
    assert exponential_average([constant] * 1000, beta).tolist() == [constant] * 1000


def test_beta_zero_returns_the_values_themselves():
    values = np.random.default_rng(1).normal(size=100)
    assert exponential_average(values, 0.0).tolist() == values.tolist()


def test_the_average_stays_between_the_smallest_and_the_largest_value():
    values = np.random.default_rng(2).lognormal(0, 3, 300)
    smoothed = exponential_average(values, 0.98)
    assert smoothed.min() >= values.min()
    assert smoothed.max() <= values.max()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_the_average_is_never_finite_again_after_a_value_that_is_not(bad):
    smoothed = exponential_average([1.0, bad, 1.0, 2.0], 0.9)
    assert smoothed[0] == 1.0
    assert not np.isfinite(smoothed[1:]).any()


@pytest.mark.parametrize("beta", [-0.1, 1.0, 1.5, math.nan])
def test_a_beta_outside_its_range_is_refused(beta):
    with pytest.raises(ValueError, match=r"beta must lie in \[0, 1\)"):
        ExponentialAverage(beta)


def test_no_values_have_no_average():
    assert exponential_average([], 0.9).shape == (0,)


@pytest.mark.parametrize(("count", "width"), [(60, 2.5), (60, 1.0), (7, 2.5), (2, 1.0), (40, 30.0)])
def test_centred_is_the_weighted_least_squares_line_at_each_point(count, width):
    y = np.sin(np.arange(count) / 7) + np.random.default_rng(3).normal(0, 0.1, count)
    x = np.arange(count, dtype=float)
    expected = []
    for point in x:
        weights = np.exp(-0.5 * ((x - point) / width) ** 2) * (np.abs(x - point) <= math.ceil(5 * width))
        slope, level = np.polyfit(x - point, y, 1, w=np.sqrt(weights))
        assert math.isfinite(slope)
        expected.append(level)
    np.testing.assert_allclose(centred(y, width)[0], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("width", [1.0, 2.5, 50.0])
def test_centred_keeps_every_straight_line(width):
    y = 3.0 - 0.7 * np.arange(100.0)
    np.testing.assert_allclose(centred(y, width)[0], y, atol=1e-9)


def test_centred_does_not_lag_behind_a_symmetric_bump():
    y = np.exp(-0.5 * ((np.arange(101.0) - 50) / 6) ** 2)
    smoothed, _ = centred(y, 2.5)
    assert int(smoothed.argmax()) == 50
    np.testing.assert_allclose(smoothed, smoothed[::-1], atol=1e-12)
    assert int(exponential_average(y, 0.98).argmax()) > 55


def test_centred_of_one_point_is_the_point_and_keeps_all_its_noise():
    smoothed, left = centred(np.array([7.0]), 1.0)
    assert smoothed.tolist() == [7.0]
    assert left.tolist() == [1.0]


def test_centred_says_how_much_noise_it_leaves():
    # The smoother is linear: its matrix comes from smoothing unit vectors, its gain is each row's length.
    rows = np.stack([centred(unit, 2.5)[0] for unit in np.eye(40)], axis=1)
    np.testing.assert_allclose(centred(np.zeros(40), 2.5)[1], np.sqrt((rows**2).sum(axis=1)), rtol=1e-9)


def test_centred_takes_long_ladders_in_little_memory():
    smoothed, left = centred(np.ones(20_000), 500.0)
    np.testing.assert_allclose(smoothed, 1.0, atol=1e-9)
    assert left[10_000] < left[0] < 1


@pytest.mark.parametrize("seed", range(40))
def test_for_ordinary_positive_losses_it_is_four_times_the_lowest(seed):
    rng = np.random.default_rng(seed)
    losses = 2.3 * np.exp(np.cumsum(rng.normal(0.01, 0.12, 250)))
    smoothed = exponential_average(losses, 0.9)
    assert smoothed[: smoothed.argmin() + 1].max() < 100 * smoothed.min()
    above = [s > 4 * smoothed[: i + 1].min() for i, s in enumerate(smoothed)]
    assert fires_at(losses, beta=0.9) == (above.index(True) if any(above) else None)


def test_the_random_walks_hold_both_cases():
    ends = []
    for seed in range(20):
        losses = 2.3 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.01, 0.12, 250)))
        ends.append(fires_at(losses, beta=0.9) is None)
    assert 0 < sum(ends) < 20


@pytest.mark.parametrize("factor", [1.5, 2.0, 4.0, 10.0])
def test_it_fires_above_the_factor_and_not_at_it(factor):
    assert fires_at([1.0, factor], factor) is None
    assert fires_at([1.0, factor * (1 + 1e-12)], factor) == 1


def test_without_a_factor_it_never_fires():
    assert fires_at([1.0, 1e3, 1e300, -1e300, 1e300], None) is None


def test_a_negative_loss_does_not_stop_at_once_and_does_stop_when_it_climbs_back_four_times_its_fall():
    falling = [-0.5 * i for i in range(41)]
    assert fires_at(falling) is None
    climb = [-20.0 + 5 * i for i in range(40)]
    step = fires_at(falling + climb)
    # It fell by 20 to -20: out of bounds above -20 + 3 * 20 = 40, first met by 45.
    assert step is not None
    assert (falling + climb)[step] == 45.0


def test_a_loss_that_crosses_zero_is_judged_by_its_fall():
    losses = list(np.linspace(2, -0.01, 50))
    assert fires_at([*losses, 1.5, 2.0, 4.0]) is None
    assert fires_at([*losses, 7.0]) == 50


def test_a_negative_level_far_below_zero_is_its_own_scale():
    assert fires_at([-100.0, -100.5, -99.0, -101.0, 100.0]) is None
    assert fires_at([-100.0, -101.0, 203.0]) == 2


def test_a_loss_learnt_by_heart_does_not_stop_at_the_first_ripple():
    losses = [2.0 * 0.5**i for i in range(40)]
    assert fires_at([*losses, 1e-6, 1e-4, 1e-2]) is None
    assert fires_at([*losses, 0.1]) == 40


def test_the_first_steps_do_not_decide():
    losses = [0.01] + [1.0] * 30
    assert fires_at(losses) == 1
    assert fires_at(losses, beta=0.98, grace=10) is None


def test_a_rise_within_the_grace_steps_is_seen_right_after_them_only_where_it_goes_on():
    losses = [2.0**i for i in range(20)]
    assert fires_at(losses, grace=5) == 8  # the first step after grace is the lowest: 32; above 128 at 256


def test_noise_about_zero_seldom_stops_the_test_after_the_grace_steps():
    alarms = sum(
        fires_at(np.random.default_rng(seed).normal(0, 1, 100), beta=0.98, grace=10) is not None
        for seed in range(200)
    )
    assert alarms <= 6


@pytest.mark.parametrize("factor", [1.0, 0.5, -4.0, math.nan])
def test_a_stop_factor_of_one_or_less_is_refused(factor):
    with pytest.raises(ValueError, match="stop factor must be greater than 1"):
        DivergenceTest(factor)
