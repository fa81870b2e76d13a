"""Ticks, labels and limits of the axes."""

import numpy as np
import pytest

from lrfind.plotting.axes import linear_axis, log_axis


def test_decades_are_the_ticks_of_a_wide_log_axis():
    axis = log_axis(1e-7, 10, "lr")
    assert axis.ticks == (1e-6, 1e-4, 1e-2, 1.0)
    assert axis.tick_labels == ("10⁻⁶", "10⁻⁴", "10⁻²", "10⁰")
    assert axis.fraction(axis.limits[0]) == 0
    assert axis.fraction(1e-3) == pytest.approx(0.5)


def test_one_decade_is_labelled_at_one_two_and_five():
    assert log_axis(0.01, 0.1, "lr").tick_labels == ("0.01", "0.02", "0.05", "0.1")


def test_a_narrow_panel_has_fewer_labels():
    assert log_axis(2e-3, 0.8, "lr", max_labels=5).tick_labels == ("0.003", "0.01", "0.03", "0.1", "0.3")


@pytest.mark.parametrize(("low", "high"), [(0.3, 0.4), (1e-10, 100), (1e-3, 1e-3), (0.9, 1.1), (1e-30, 1e30)])
def test_every_log_axis_has_some_ticks_within_its_limits(low, high):
    axis = log_axis(low, high, "lr")
    assert 2 <= len(axis.ticks) <= 8
    assert all(axis.limits[0] <= tick <= axis.limits[1] for tick in axis.ticks + axis.minor_ticks)
    assert len(set(axis.tick_labels)) == len(axis.ticks)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 1, ("0.0", "0.2", "0.4", "0.6", "0.8", "1.0")),
        (0, 99, ("0", "20", "40", "60", "80", "100")),
        (0, 2.5e7, ("0", "5e6", "1e7", "1.5e7", "2e7", "2.5e7")),
        (-2e-6, 2e-6, ("−2e-6", "−1e-6", "0", "1e-6", "2e-6")),
    ],
)
def test_a_linear_axis_is_labelled_with_round_numbers(low, high, labels):
    assert linear_axis(low, high, "x").tick_labels == labels


def test_iterations_are_whole_numbers():
    assert linear_axis(0, 1, "iteration", whole=True).tick_labels == ("0", "1")


def test_a_tick_is_not_alone_and_never_rounded_to_another_number():
    assert linear_axis(0.0093, 0.093, "epoch", intervals=4).tick_labels == ("0.02", "0.04", "0.06", "0.08")
    assert linear_axis(24.5, 25.5, "step", whole=True).tick_labels == ("25",)


def test_an_axis_knows_what_lies_within_it():
    axis = log_axis(0.01, 1.0, "lr")
    assert axis.holds(np.array([0.001, 0.01, 1.0, 2.0, np.nan])).tolist() == [False, True, True, False, False]


def test_a_bare_axis_keeps_its_ticks_and_says_nothing():
    axis = linear_axis(0, 1, "loss")
    assert (axis.bare.ticks, axis.bare.limits) == (axis.ticks, axis.limits)
    assert (axis.bare.label, set(axis.bare.tick_labels)) == ("", {""})
