"""The drawn line: through the measurements on both sides of a cliff, and smooth where they are noise."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.truth.sweeps import recorded
from lrfind.range_test.curve import Curve
from lrfind.range_test.drawn_line import NEIGHBOURS, drawn_line
from lrfind.range_test.ladder import geometric
from lrfind.range_test.plot import range_panel
from lrfind.range_test.reading import Rule, read
from lrfind.suggestion import Status

STEPS = np.arange(60.0)
FALL = 2.3 - 1.0 / (1 + np.exp(-(STEPS - 40) / 2.5))
CLIFF = np.where(STEPS >= 48, 4.0 + STEPS - 48, FALL)
"""A clean valley, and from one step to the next a cliff."""


@pytest.mark.parametrize("deviation", [0.0, 0.02, 0.05])
def test_a_valley_before_a_cliff_is_followed_within_the_noise_on_both_sides(deviation):
    noise = np.random.default_rng(0).normal(0, 1, 60) * deviation
    line = drawn_line(CLIFF + noise, np.full(60, deviation), 2.3, 2.0)
    near = slice(36, 56)
    assert np.abs(line - CLIFF)[near].max() < 0.06 + 1.5 * deviation
    assert np.abs(line - CLIFF)[:36].max() < 0.02 + deviation


def test_the_height_of_the_cliff_does_not_reach_the_line_before_it():
    high = np.where(STEPS >= 48, 1e3, FALL)
    lines = [drawn_line(each, np.zeros(60), 2.3, 2.0)[:48] for each in (CLIFF, high)]
    np.testing.assert_allclose(*lines, rtol=1e-9)


def test_where_there_is_nothing_but_noise_the_line_is_steady():
    raw = 2.3 + np.random.default_rng(1).normal(0, 0.1, 400)
    line = drawn_line(raw, np.full(400, 0.1), 2.3, 2.0)
    assert line.std() < 0.55 * raw.std()
    assert abs(line.mean() - raw.mean()) < 0.01


def test_a_straight_line_keeps_its_values():
    raw = 3 - 0.05 * STEPS
    np.testing.assert_allclose(drawn_line(raw, np.full(60, 1.0), 3.0, 2.0), raw, atol=0.02)


def test_a_long_ladder_is_worked_out_in_parts_to_the_same_bits(monkeypatch):
    noise = np.random.default_rng(2).normal(0, 0.05, 60)
    whole = drawn_line(CLIFF + noise, np.full(60, 0.05), 2.3, 3.0)
    monkeypatch.setattr(sys.modules[drawn_line.__module__], "_AT_ONCE", 7 * 25)
    assert drawn_line(CLIFF + noise, np.full(60, 0.05), 2.3, 3.0).tobytes() == whole.tobytes()


@pytest.mark.parametrize("raw", [[], [1.0], [1.0, 2.0], [2.0, 2.0, 2.0], [0.0, 0.0, 0.0]])
def test_few_points_and_equal_ones_stay_as_they_are(raw):
    raw = np.array(raw)
    assert drawn_line(raw, np.zeros(len(raw)), 2.0, 2.0) == pytest.approx(raw, abs=1e-6)


@settings(max_examples=60)
@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e9, 1e9)), st.floats(0, 1e9))
def test_the_line_never_leaves_the_measurements_around_it(raw, noise):
    line = drawn_line(raw, np.full(len(raw), noise), float(raw[0]), 2.0)
    for i, value in enumerate(line):
        near = raw[max(0, i - NEIGHBOURS) : i + NEIGHBOURS + 1]
        assert near.min() <= value <= near.max()


def above_the_dots(curve):
    """How far the lowest loss that is told lies above the lowest three in a row, as a share of the fall."""
    reading = read(curve, rule=Rule.CENTRE)
    smoothed = reading.smoothed
    if reading.suggestion is None:
        return None
    told = float(smoothed.drawn[smoothed.lowest_drawn])
    three = np.median(np.lib.stride_tricks.sliding_window_view(smoothed.raw, 3), axis=1).min()
    assert f"to {told:.3g}," in reading.verdict or smoothed.plateau - told < 0.01 * smoothed.plateau
    return (told - float(three)) / (smoothed.plateau - float(three))


def test_the_lowest_loss_that_is_told_is_that_of_the_dots():
    losses = np.concatenate([[2.3], CLIFF])[:60]
    curve = Curve(
        geometric(1e-5, 10.0, 60), losses, losses, Status.DIVERGED, 60, start_losses=np.full(60, 2.3)
    )
    assert above_the_dots(curve) < 0.05
    reading = read(curve, rule=Rule.CENTRE)
    assert "lowest near 0.602," in reading.verdict
    # In the picture it goes on to the first loss of the cliff, cut off as high above the start as it fell.
    line = next(each for each in range_panel(curve, reading).named if each.name.startswith("smoothed"))
    start, bottom = 2.3, FALL[47]
    assert line.x[-2:].tolist() == curve.lrs[47:49].tolist()
    assert line.y[-1] == pytest.approx(2 * start - bottom)


def test_on_recorded_sweeps_the_lowest_loss_that_is_told_is_hardly_ever_above_the_dots():
    # With a kernel over the rates alone every second one lies above them by 15% of the fall.
    shares = [above_the_dots(curve) for curves in recorded().values() for curve in curves[:4]]
    known = np.array([share for share in shares if share is not None])
    assert len(known) > 140
    assert (known > 0.15).mean() < 0.2
