"""The ladder: exact ends, even rungs, strictly rising."""

import math
from fractions import Fraction

import numpy as np
import pytest

from lrfind.range_test.ladder import Spacing, geometric, ladder, linear

ENDS = [
    (1e-7, 10.0),
    (1e-300, 1e300),
    (0.1, 0.3),
    (1e-5, 1.0),
    (5e-324, 1.0),
    (3e-3, 3.0000001e-3),
    (1.0, 1e308),
]


@pytest.mark.parametrize("num_steps", [2, 3, 100, 937])
@pytest.mark.parametrize(("start", "end"), ENDS)
@pytest.mark.parametrize("spacing", list(Spacing))
def test_both_ends_are_exact_and_every_rung_is_higher(spacing, start, end, num_steps):
    rates = ladder(spacing, start, end, num_steps)
    assert rates.shape == (num_steps,)
    assert rates.dtype == np.float64
    assert (rates[0], rates[-1]) == (start, end)
    assert (np.diff(rates) > 0).all()


@pytest.mark.parametrize(("start", "end"), [(1e-7, 10.0), (0.1, 0.3), (1e-300, 1e300)])
def test_a_geometric_ladder_rises_by_one_factor(start, end):
    rates = geometric(start, end, 50)
    log_factor = (math.log(end) - math.log(start)) / 49
    np.testing.assert_allclose(np.diff(np.log(rates)), log_factor, rtol=1e-11)


def test_a_geometric_ladder_of_powers_of_ten_is_the_powers_of_ten():
    np.testing.assert_allclose(geometric(1e-8, 10.0, 10), [10.0**k for k in range(-8, 2)], rtol=4e-15)


@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (0.1, 0.3), (1e-4, 10.0)])
def test_a_linear_ladder_is_the_exact_fractions_to_an_ulp(start, end):
    first, last = Fraction(start), Fraction(end)
    exact = [float(first + (last - first) * i / 30) for i in range(31)]
    assert (np.abs(linear(start, end, 31) - exact) <= 2 * np.spacing(exact)).all()


def test_a_linear_ladder_may_start_at_zero():
    assert linear(0.0, 1.0, 5).tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("make", [geometric, linear])
def test_a_ladder_of_two_steps_is_its_ends(make):
    assert make(0.1, 0.3, 2).tolist() == [0.1, 0.3]


@pytest.mark.parametrize("make", [geometric, linear])
@pytest.mark.parametrize(
    ("start", "end", "num_steps", "message"),
    [
        (0.1, 1.0, 1, "at least 2 steps, got 1"),
        (0.1, 1.0, 0, "at least 2 steps, got 0"),
        (0.1, 1.0, 1_000_000_000, "at most 10,000,000 steps, got 1000000000"),
        (1.0, 1.0, 10, r"start 1\.0 is not below end 1\.0"),
        (2.0, 1.0, 10, r"start 2\.0 is not below end 1\.0"),
        (0.1, math.inf, 10, "must be finite, got 0.1 and inf"),
        (math.nan, 1.0, 10, "must be finite, got nan"),
        (0.1, math.nan, 10, "must be finite, got 0.1 and nan"),
        (-1.0, 1.0, 10, r"must start .*got -1\.0"),
    ],
)
def test_arguments_that_make_no_ladder_are_refused(make, start, end, num_steps, message):
    with pytest.raises(ValueError, match=message):
        make(start, end, num_steps)


def test_a_geometric_ladder_cannot_start_at_zero():
    with pytest.raises(ValueError, match="geometric ladder must start above 0, got 0"):
        geometric(0.0, 1.0, 10)


@pytest.mark.parametrize("make", [geometric, linear])
def test_ends_too_close_for_so_many_rungs_are_refused(make):
    with pytest.raises(ValueError, match="too close"):
        make(0.1, math.nextafter(0.1, 1), 10)
