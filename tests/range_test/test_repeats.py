"""Several sweeps: their median step by step, whatever stopped each, and the spread of their answers."""

import dataclasses
import math

import numpy as np
import pytest

from lrfind.range_test.curve import Curve
from lrfind.range_test.ladder import geometric
from lrfind.range_test.repeats import Repeats, median_curve
from lrfind.statistics import geometric_deviation
from lrfind.suggestion import Status
from lrfind.training.smoothing import exponential_average

LRS = geometric(1e-5, 10.0, 60)


def curve(losses, *, start=None, status=Status.COMPLETED, **others):
    losses = np.asarray(losses, dtype=np.float64)
    n = len(losses)
    start = None if start is None else np.asarray(start, dtype=np.float64)
    return Curve(LRS[:n], losses, losses, status, 60, start_losses=start, momentum=0.9, **others)


def test_the_median_of_one_sweep_is_that_sweep():
    only = curve([1, 2, 3])
    assert median_curve([only], beta=0.9) is only


def test_the_median_is_taken_step_by_step():
    found = median_curve([curve([1, 5, 2]), curve([2, 4, 9]), curve([3, 6, 1])], beta=0.9)
    assert found.losses.tolist() == [2, 5, 2]
    assert found.smoothed.tolist() == exponential_average([2, 5, 2], 0.9).tolist()
    assert found.lrs.tolist() == LRS[:3].tolist()
    assert (found.planned_steps, found.momentum) == (60, 0.9)


def test_of_paired_sweeps_it_is_the_median_of_what_training_did():
    # What training left: 0.9, 0 and 1/7 of the level at the second step, whatever the levels.
    curves = [curve([10, 9], start=[10, 10]), curve([2, 0], start=[2, 2]), curve([7, 1], start=[7, 7])]
    found = median_curve(curves, beta=0.9)
    level = np.median([10, 10, 2, 2, 7, 7])
    assert found.start_losses.tolist() == [level, level]
    assert found.losses.tolist() == [level, level / 7]
    # Losses that can be negative have no such shares: -1, -2 and -6 are taken as they are.
    below = [
        dataclasses.replace(each, losses=each.losses - 20, start_losses=each.start_losses - 20)
        for each in curves
    ]
    found = median_curve(below, beta=0.9)
    assert found.losses.tolist() == [level - 20, level - 22]


def test_a_sweep_that_stopped_counts_as_bad_from_there_on():
    curves = [
        curve([2, 1, 1, 1]),
        curve([2, 2, 2], status=Status.DIVERGED),
        curve([2, math.nan], status=Status.NONFINITE),
    ]
    found = median_curve(curves, beta=0.9)
    assert found.losses.tolist() == [2, 2, 2]  # at the last step two of three have stopped
    assert found.status is Status.DIVERGED


def test_one_interrupt_interrupts_the_whole():
    curves = [curve([2, 1]), curve([2, 1]), curve([2], status=Status.INTERRUPTED)]
    assert median_curve(curves, beta=0.9).status is Status.INTERRUPTED


def test_accuracies_are_paired_and_a_stop_counts_as_no_right_answer():
    def one(right, at_start, status=Status.COMPLETED):
        n = len(right)
        right, at_start = np.array(right), np.array(at_start)
        return curve(np.ones(n), start=np.ones(n), status=status, accuracies=right, start_accuracies=at_start)

    curves = [one([0.1, 0.5], [0.1, 0.2]), one([0.3, 0.9], [0.3, 0.1]), one([0.2], [0.2], Status.DIVERGED)]
    found = median_curve(curves, beta=0.9)
    level = np.median([0.1, 0.2, 0.3, 0.1, 0.2])
    assert found.accuracies.tolist() == pytest.approx([level, level + 0.3])


@pytest.mark.parametrize(
    ("lrs", "factor"), [([0.1, 0.1, 0.1], 1.0), ([0.1, 1.0], math.exp(math.log(10) / 2**0.5))]
)
def test_the_spread_is_the_geometric_standard_deviation(lrs, factor):
    assert geometric_deviation(lrs) == pytest.approx(factor)


def test_of_fewer_than_two_answers_there_is_no_spread():
    assert geometric_deviation([0.1, None]) is None
    assert Repeats((0, 1, 2), (), (0.1, None, None)).factor is None
    assert Repeats((0, 1, 2), (), (0.1, None, 0.1)).factor == pytest.approx(1.0)


def test_where_accuracies_are_read_losses_are_still_paired_with_the_losses_of_their_own_start():
    start, losses = np.full(3, 2.0), [2.0, 1.5, 1.0]
    known = {"accuracies": np.array([0.1, 0.3, 0.6]), "start_accuracies": np.full(3, 0.1)}
    curves = [curve(losses, start=start, **known) for _ in range(3)]
    found = median_curve(curves, beta=0.9)
    assert found.losses.tolist() == pytest.approx(losses)
    assert found.accuracies.tolist() == pytest.approx([0.1, 0.3, 0.6])
    assert found.paired
