"""The line that the rules read: effects paired with causes, cuts in the right place, no cliff and no NaN."""

import math

import numpy as np
import pytest

from lrfind.range_test.curve import Curve
from lrfind.range_test.curve_smoothing import smoothed_curve
from lrfind.range_test.ladder import geometric, linear
from lrfind.range_test.smoothed_curve import SmoothedCurve
from lrfind.suggestion import Status
from lrfind.training.smoothing import exponential_average


def curve(losses, *, lrs=None, status=Status.COMPLETED, planned=None, beta=0.9, **others):
    losses = np.asarray(losses, dtype=np.float64)
    lrs = geometric(1e-5, 10.0, planned or len(losses))[: len(losses)] if lrs is None else lrs
    smoothed = exponential_average(losses, beta)
    return Curve(lrs, losses, smoothed, status, planned or len(losses), **others)


def test_a_loss_is_paired_with_the_rate_of_the_step_before():
    smoothed = smoothed_curve(curve(range(20)))
    assert smoothed.raw.tolist() == list(range(1, 20))
    assert smoothed.lrs.tolist() == geometric(1e-5, 10.0, 20)[:19].tolist()


@pytest.mark.parametrize("status", [Status.DIVERGED, Status.NONFINITE])
def test_skipped_steps_are_cut_off_without_shifting_the_rest(status):
    losses = np.arange(30.0)
    if status is Status.NONFINITE:
        losses[-1] = math.nan
    smoothed = smoothed_curve(curve(losses, status=status, planned=50, skip_start=4, skip_end=3))
    rates = geometric(1e-5, 10.0, 50)
    last = 27 if status is Status.DIVERGED else 26
    assert smoothed.raw.tolist() == list(range(5, last))
    assert smoothed.lrs.tolist() == rates[4 : last - 1].tolist()
    assert smoothed.averaged.tolist() == exponential_average(losses, 0.9)[5:last].tolist()


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.INTERRUPTED])
def test_the_end_is_skipped_only_where_the_sweep_stopped_early(status):
    assert smoothed_curve(curve(range(30), status=status, skip_end=5)).raw[-1] == 29


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_is_not_on_the_line(bad):
    smoothed = smoothed_curve(curve([1.0, 0.9, 0.8, 0.7, bad], status=Status.NONFINITE))
    assert smoothed.raw.tolist() == [0.9, 0.8, 0.7]
    assert np.isfinite(smoothed.values).all()
    assert np.isfinite(smoothed.averaged).all()
    assert np.isfinite([smoothed.noise, smoothed.plateau, *smoothed.smoothed_noise]).all()


@pytest.mark.parametrize(
    ("losses", "others"),
    [
        ([], {}),
        ([1.0], {}),
        ([math.nan], {"status": Status.NONFINITE}),
        ([1.0, math.nan], {"status": Status.NONFINITE}),
        ([1.0, 2.0, 3.0], {"skip_start": 3}),
        ([1.0, 2.0, 3.0], {"skip_start": 10}),
        ([1.0, 2.0, 3.0], {"skip_end": 10, "status": Status.DIVERGED}),
        ([1.0, 2.0, 3.0], {"skip_start": 2, "skip_end": 2, "status": Status.DIVERGED}),
    ],
)
def test_a_line_can_be_empty(losses, others):
    smoothed = smoothed_curve(curve(losses, planned=10, **others))
    assert (
        len(smoothed)
        == len(smoothed.lrs)
        == len(smoothed.raw)
        == len(smoothed.values)
        == len(smoothed.averaged)
        == 0
    )


def test_a_rate_of_zero_has_no_logarithm_and_is_left_out():
    smoothed = smoothed_curve(curve(range(11), lrs=linear(0.0, 1.0, 11)))
    np.testing.assert_allclose(smoothed.lrs, np.arange(1, 10) / 10)
    assert smoothed.raw.tolist() == list(range(2, 11))
    assert np.isfinite(smoothed.log10_lrs).all()


def test_accuracy_is_read_as_the_share_of_wrong_answers():
    accuracies = np.linspace(0.1, 0.9, 12)
    smoothed = smoothed_curve(curve(np.ones(12), accuracies=accuracies))
    np.testing.assert_allclose(smoothed.raw, 1 - accuracies[1:])


def test_a_straight_line_keeps_its_values_and_its_slope_per_decade():
    lrs = geometric(1e-5, 10.0, 100)
    effects = 3.0 - 0.25 * np.log10(lrs[:-1])
    smoothed = smoothed_curve(curve(np.concatenate([[5.0], effects])))
    np.testing.assert_allclose(smoothed.values, effects, atol=1e-9)
    np.testing.assert_allclose(smoothed.slopes, -0.25, atol=1e-9)
    assert smoothed.noise < 1e-12


def test_the_cliff_after_the_divergence_does_not_leak_to_the_left():
    base = np.concatenate([np.full(60, 2.0), np.linspace(2.0, 0.5, 30)])
    low = smoothed_curve(curve([*base, 0.6, 1.0, 3.0], planned=100))
    high = smoothed_curve(curve([*base, 0.6, 1e3, 1e12], planned=100))
    assert high.values.max() <= 2.0 + 1.5 + 1.0
    assert abs(low.lowest - high.lowest) <= 2
    np.testing.assert_allclose(low.values[:75], high.values[:75], atol=1e-3)


def test_the_noise_is_estimated_whatever_the_trend_and_the_cliff():
    estimates = []
    for seed in range(30):
        losses = np.linspace(3, 1, 200) + np.random.default_rng(seed).normal(0, 0.05, 200)
        losses[-5:] = 1e6
        estimates.append(smoothed_curve(curve(losses)).noise)
    assert np.mean(estimates) == pytest.approx(0.05, rel=0.1)


def test_the_noise_of_a_smoothed_value_is_what_it_varies_by():
    values, said = [], []
    for seed in range(300):
        smoothed = smoothed_curve(curve(np.random.default_rng(seed).normal(2, 0.1, 100)))
        values.append(smoothed.values)
        said.append(smoothed.smoothed_noise)
    for point in (0, 3, 50, -1):
        assert np.std(values, axis=0)[point] == pytest.approx(np.mean(said, axis=0)[point], rel=0.15)


def test_the_plateau_is_the_median_of_the_first_tenth():
    losses = np.arange(101.0)
    losses[1] = 1e9
    assert smoothed_curve(curve(losses)).plateau == 6.5


def test_the_line_is_of_one_length():
    smoothed = smoothed_curve(curve(np.random.default_rng(0).normal(2, 0.1, 40), skip_start=7))
    assert isinstance(smoothed, SmoothedCurve)
    assert {
        len(smoothed),
        len(smoothed.lrs),
        len(smoothed.raw),
        len(smoothed.values),
        len(smoothed.averaged),
    } == {32}
