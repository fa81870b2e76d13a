"""Means over seeds of which some were not read."""

import math

import numpy as np

from lrfind.statistics import known_mean


def test_what_is_not_finite_is_left_out_and_of_nothing_there_is_no_mean():
    values = np.array([[1.0, 2.0, math.nan], [3.0, math.inf, math.nan]])
    assert known_mean(values)[:2].tolist() == [2.0, 2.0]
    assert math.isnan(known_mean(values)[2])
