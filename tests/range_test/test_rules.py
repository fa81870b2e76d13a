"""The rules of others on curves whose answers are known."""

import math

import numpy as np
import pytest

from lrfind.range_test.ladder import geometric
from lrfind.range_test.rules import falling, gugger, minimum, slide, steepest, valley
from lrfind.range_test.smoothed_curve import SmoothedCurve

STEPS = 100
LRS = geometric(1e-5, 10.0, STEPS)
LOG = np.log10(LRS)
PER_STEP = 6 / (STEPS - 1)  # decades


def plain(values, lrs=None):
    """A line with those values and no smoothing in between."""
    values = np.asarray(values, dtype=np.float64)
    return SmoothedCurve(
        LRS[: len(values)] if lrs is None else lrs, values, values, values, values, 0.0, 0 * values
    )


def fall_and_cliff(log_lr, *, centre=-2.0, width=0.35, cliff=0.0):
    """A logistic fall from 2.3 to 0.3, steepest at `centre`, and an exponential cliff from `cliff` on."""
    fall = 2.3 - 2.0 / (1 + np.exp(-(log_lr - centre) / width))
    return fall + np.exp(12 * np.maximum(log_lr - cliff, 0)) - 1


def decades(a, b):
    return abs(math.log10(a) - math.log10(b))


def test_steepest_is_the_middle_of_a_logistic_fall():
    assert decades(steepest(plain(fall_and_cliff(LOG))), 1e-2) <= PER_STEP


def test_steepest_is_taken_over_the_logarithm_and_not_over_the_rate():
    # Against the rate itself the fall would be steepest at the left end, where a step is smallest.
    values = 1.0 - 0.001 * (LOG + 5) - 1 / (1 + np.exp(-(LOG - 0) / 0.1))
    assert decades(steepest(plain(values)), 1.0) <= PER_STEP


def test_steepest_does_not_look_right_of_the_lowest_point():
    values = np.concatenate([np.linspace(2, 1, 40), [9.0, 5.0, 1.5]])
    assert steepest(plain(values)) <= LRS[39]


def test_minimum_is_a_tenth_of_the_bottom_of_a_parabola():
    values = (LOG + 1.5) ** 2
    bottom = LRS[np.argmin(np.abs(LOG + 1.5))]
    assert minimum(plain(values)) == pytest.approx(bottom / 10, rel=1e-12)


def test_gugger_is_where_a_parabola_falls_half_as_fast_as_at_its_fastest():
    # Slope 2 (x - b): fastest where the bracket begins, half of that halfway from there to the bottom.
    values = (LOG + 1.0) ** 2
    low, high = falling(plain(values))
    assert decades(gugger(plain(values)), (low * high) ** 0.5) <= 1.5 * PER_STEP


def test_gugger_is_right_of_the_steepest_on_a_logistic_fall_by_what_the_logistic_says():
    # s(1 - s) is half of its greatest where s = (1 + sqrt(1/2)) / 2, at x = width ln(s / (1 - s)).
    s = (1 + math.sqrt(0.5)) / 2
    expected = -2.0 + 0.35 * math.log(s / (1 - s))
    assert decades(gugger(plain(fall_and_cliff(LOG, cliff=5))), 10**expected) <= 1.5 * PER_STEP


@pytest.mark.parametrize("rule", [steepest, minimum, gugger])
def test_a_line_that_only_rises_has_no_such_rate(rule):
    assert rule(plain(np.linspace(1, 2, 30))) is None


def longest_fall(values):
    """Length of the longest strictly falling subsequence, O(n^2)."""
    length = [1] * len(values)
    for i in range(len(values)):
        for j in range(i):
            if values[i] < values[j]:
                length[i] = max(length[i], length[j] + 1)
    return max(length, default=0), length


@pytest.mark.parametrize("seed", range(20))
def test_valley_is_the_middle_of_a_longest_fall(seed):
    rng = np.random.default_rng(seed)
    values = np.round(np.cumsum(rng.normal(-0.05, 0.3, 60)), 1)  # with ties
    longest, ending_at = longest_fall(values)
    _, starting_at = longest_fall(-values[::-1])
    starting_at = starting_at[::-1]
    # Every pair of ends that some longest fall has gives a middle.
    ends = [i for i in range(60) if ending_at[i] == longest]
    starts = [i for i in range(60) if starting_at[i] == longest]
    middles = {(a + b) // 2 for a in starts for b in ends if a < b}
    answer = valley(plain(values))
    assert np.flatnonzero(answer == LRS)[0] in middles


def test_valley_of_one_unbroken_fall_is_its_middle_to_a_step():
    values = np.concatenate([np.linspace(2.0, 2.3, 30), np.linspace(2.29, 0.5, 41), np.linspace(0.6, 3, 20)])
    assert np.flatnonzero(valley(plain(values)) == LRS)[0] in (49, 50)


def test_valley_needs_three_points_that_fall():
    assert valley(plain([3.0, 2.0])) is None
    assert valley(plain([1.0, 1.0, 1.0, 1.0])) is None
    assert valley(plain([1.0, 2.0, 3.0, 4.0])) is None
    assert valley(plain([3.0, 2.0, 1.0])) == LRS[1]


def slid(values, lrs):
    """An interval of 15 steps, or a third of the line, slid leftwards from the end until its slopes agree."""
    n = len(values)
    slope = [
        (values[min(i + 1, n - 1)] - values[max(i - 1, 0)]) / (min(i + 1, n - 1) - max(i - 1, 0))
        for i in range(n)
    ]
    length = min(15, n // 3)
    for right in reversed(range(length, n)):
        if abs(slope[right] - slope[right - length]) < 0.005:
            return lrs[right - length]
    return None


@pytest.mark.parametrize("num_points", [6, 20, 45, 46, 99])
def test_slide_is_where_the_slopes_at_the_ends_of_the_interval_agree(num_points):
    log = np.linspace(-5, 1, num_points)
    for values in (
        fall_and_cliff(log),
        fall_and_cliff(log, cliff=-1),
        np.random.default_rng(num_points).normal(2, 0.02, num_points).cumsum(),
    ):
        assert slide(plain(values)) == slid(values, LRS)


def test_slide_is_none_where_the_slopes_never_agree_or_there_are_too_few_points():
    assert slide(plain(0.01 * np.arange(60.0) ** 3)) is None
    assert slide(plain([1.0, 2.0])) is None


def test_the_bracket_of_a_piecewise_line_is_where_a_tenth_of_the_fall_is_done_and_where_it_turns():
    values = np.interp(LOG, [-5, -3, -1, 1], [2.0, 2.0, 1.0, 3.0])
    low, high = falling(plain(values))
    assert decades(low, 10 ** (-3 + 0.1 * 2)) <= PER_STEP
    assert decades(high, 1e-1) <= PER_STEP


def test_the_bracket_starts_after_the_last_time_the_loss_was_up():
    values = np.interp(LOG, [-5, -4, -3.5, -3, -1, 1], [2.0, 1.5, 2.0, 2.0, 1.0, 3.0])
    low, _ = falling(plain(values))
    assert low > 1e-3


def test_the_bracket_of_a_line_that_only_rises_is_its_first_rate():
    assert falling(plain(np.linspace(1, 2, 20))) == (LRS[0], LRS[0])
