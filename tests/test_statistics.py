"""Means over seeds of which some were not read; where a parabola is lowest."""

import math

import numpy as np
import pytest

from lrfind.statistics import known_mean, lowest_of_parabola


def test_what_is_not_finite_is_left_out_and_of_nothing_there_is_no_mean():
    values = np.array([[1.0, 2.0, math.nan], [3.0, math.inf, math.nan]])
    assert known_mean(values)[:2].tolist() == [2.0, 2.0]
    assert math.isnan(known_mean(values)[2])


@pytest.mark.parametrize("lowest", [1.6, 2.0, 3.1])
def test_a_parabola_is_lowest_at_its_vertex(lowest):
    x = np.array([1.0, 2.0, 5.0])
    assert lowest_of_parabola(x, 3 * (x - lowest) ** 2 - 7) == pytest.approx(lowest)


def test_its_lowest_point_is_at_most_half_of_the_way_to_a_neighbour():
    x = np.array([1.0, 2.0, 5.0])
    assert lowest_of_parabola(x, (x - 1) ** 2) == 1.5
    assert lowest_of_parabola(x, (x - 9) ** 2) == 3.5


def test_a_line_and_what_opens_downwards_have_no_lowest_point():
    x = np.array([1.0, 2.0, 5.0])
    assert lowest_of_parabola(x, np.full(3, 0.1)) is None
    assert lowest_of_parabola(x, -(x**2)) is None
