"""Which part of curves the frame shows."""

import math

import numpy as np
import pytest

from lrfind.plotting.limits import ceiling_of, loss_limits, outcome_limits

NONE = np.empty(0)


def test_a_divergence_does_not_blow_up_the_frame_even_where_the_loss_falls_again():
    losses = np.array([2.0, 1.8, 1.5, 900.0, 40.0, 1.0, 0.9])
    low, high = loss_limits(losses, losses, NONE, start=2.0)
    assert low == pytest.approx(0.9)
    assert 2.0 <= high <= ceiling_of(2.0, losses) < 3
    assert loss_limits(losses, losses, NONE)[1] > 100


def test_a_start_that_is_not_known_changes_nothing():
    losses = np.array([2.0, 1.5, 1.0, 1.2])
    assert loss_limits(losses, losses, NONE, start=math.nan) == loss_limits(losses, losses, NONE)


def test_losses_that_only_diverge_still_have_a_frame():
    losses = np.array([50.0, 500.0, math.inf])
    low, high = loss_limits(losses, losses, NONE, start=2.0)
    assert low < high


@pytest.mark.parametrize("start", [2.0, -2.0, 0.0])
def test_the_ceiling_is_above_the_start(start):
    assert ceiling_of(start, np.array([start - 1.0, math.nan, math.inf])) == pytest.approx(start + 0.3)


def test_where_curves_end_and_how_the_best_came_there_is_shown():
    slow, best = np.linspace(9, 5, 14), np.linspace(9, 1, 14)
    low, high = outcome_limits([slow, best], [best], rising=False)
    # The first seventh of the best one's way may lie above the frame.
    assert (low, high) == pytest.approx((1.0, best[2]))
    assert outcome_limits([-slow, -best], [-best], rising=True) == pytest.approx((-best[2], -1.0))


def test_one_that_hardly_learned_may_be_left_out():
    curves = [np.full(2, float(end)) for end in (1, 1.1, 1.2, 1.3, 100)]
    assert outcome_limits(curves, [], rising=False, outside=0.25)[1] == pytest.approx(1.3)
    assert outcome_limits(curves, [], rising=False)[1] == 100


def test_of_nothing_the_frame_is_from_zero_to_one():
    assert outcome_limits([], [], rising=True) == (0.0, 1.0)
