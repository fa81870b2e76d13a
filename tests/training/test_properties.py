"""What holds for the smoothing of every sequence, whatever its numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrfind.training.divergence import DivergenceTest
from lrfind.training.smoothing import ExponentialAverage, centred, exponential_average

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=80)
BETAS = st.floats(0, 0.9999)
WIDTHS = st.floats(0.5, 10)


@given(VALUES, BETAS)
def test_the_average_stays_between_the_least_and_the_most_so_far(values, beta):
    found = exponential_average(values, beta)
    slack = 1e-9 * max(map(abs, values))
    assert (found >= np.minimum.accumulate(values) - slack).all()
    assert (found <= np.maximum.accumulate(values) + slack).all()


@given(st.floats(-1e300, 1e300), BETAS, st.integers(1, 80))
def test_the_average_of_a_constant_is_that_constant_to_the_last_bit(value, beta, count):
    assert (exponential_average([value] * count, beta) == value).all()


@given(VALUES, BETAS, st.floats(-1e3, 1e3), st.floats(-1e6, 1e6))
def test_the_average_is_linear(values, beta, factor, shift):
    found = exponential_average(factor * np.array(values) + shift, beta)
    wanted = factor * exponential_average(values, beta) + shift
    scale = abs(factor) * max(map(abs, values)) + abs(shift)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9 * scale)


@given(VALUES, BETAS)
def test_a_prefix_has_the_same_average(values, beta):
    whole = exponential_average(values, beta)
    half = len(values) // 2
    assert (exponential_average(values[:half], beta) == whole[:half]).all()


@given(VALUES, WIDTHS)
def test_centred_smoothing_reads_the_same_from_both_ends(values, width):
    values = np.array(values)
    forth, kept = centred(values, width)
    back, kept_back = centred(values[::-1], width)
    scale = np.abs(values).max()
    np.testing.assert_allclose(forth, back[::-1], rtol=0, atol=1e-8 * scale + 1e-12)
    np.testing.assert_allclose(kept, kept_back[::-1], rtol=1e-6, atol=1e-9)


@given(st.integers(1, 80), st.floats(-100, 100), st.floats(-100, 100), WIDTHS)
def test_centred_smoothing_keeps_every_straight_line(count, level, slope, width):
    line = level + slope * np.arange(count)
    smoothed, kept = centred(line, width)
    np.testing.assert_allclose(smoothed, line, rtol=0, atol=1e-8 * np.abs(line).max() + 1e-12)
    assert (kept > 0).all()
    assert (kept <= 1 + 1e-9).all()


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=60), st.floats(1.1, 100), st.integers(0, 10))
def test_the_divergence_test_waits_out_its_grace_and_a_loss_that_never_rises(losses, factor, grace):
    falling = DivergenceTest(factor, grace=grace)
    assert not any(falling.update(loss, loss) for loss in sorted(losses, reverse=True))
    never = DivergenceTest(None)
    assert not any(never.update(loss, loss) for loss in losses)
    waiting = DivergenceTest(factor, grace=grace)
    fired = [waiting.update(loss, loss) for loss in losses]
    assert not any(fired[: grace + 1])


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=30), st.floats(1.1, 100))
def test_it_fires_once_the_loss_is_beyond_that_many_times_any_loss_so_far(losses, factor):
    diverged = DivergenceTest(factor)
    for loss in losses:
        diverged.update(loss, loss)
    level = 2 * factor * max(losses)
    assert diverged.update(level, level)


@given(st.floats(max_value=-1e-9) | st.floats(min_value=1))
def test_a_beta_that_is_none_is_refused(beta):
    with pytest.raises(ValueError, match=r"beta must lie in \[0, 1\)"):
        ExponentialAverage(beta)
