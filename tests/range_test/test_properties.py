"""What holds for every ladder and for every curve that is read, whatever its numbers."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from lrfind.range_test.curve import Curve
from lrfind.range_test.curve_smoothing import smoothed_curve
from lrfind.range_test.ladder import Spacing, geometric, ladder, linear
from lrfind.range_test.reading import RULES, Rule, read
from lrfind.suggestion import Status
from lrfind.training.smoothing import exponential_average

RATES = st.floats(1e-12, 1e6)
LOSSES = st.floats(0, 1e6) | st.floats(-100, 100)


@st.composite
def ends(draw):
    """Two rates far enough apart for a ladder, and its length."""
    start, factor = draw(RATES), draw(st.floats(1.01, 1e9))
    return start, start * factor, draw(st.integers(2, 300))


@st.composite
def shapes(draw, steps):
    """Losses that fall somewhere, by some depth, with some noise, and may climb a cliff."""
    x = np.linspace(-5, 1, steps)
    fall = draw(st.floats(0.05, 3)) / (1 + np.exp(-(x - draw(st.floats(-4, 0))) / draw(st.floats(0.1, 1))))
    cliff = np.expm1(8 * np.maximum(x - draw(st.floats(-2, 3)), 0))
    noise = np.random.default_rng(draw(st.integers(0, 99))).normal(0, draw(st.floats(0, 0.2)), steps)
    return (2.3 - fall + cliff + noise).tolist()


@st.composite
def curves(draw, *, paired=(False, True)):
    """A curve as a sweep leaves it: raw losses along a ladder, only the last of which may not be finite."""
    planned = draw(st.integers(2, 60))
    steps = draw(st.sampled_from([planned, planned, planned // 2, 0]))
    losses = draw(shapes(steps) | shapes(steps) | st.lists(LOSSES, min_size=steps, max_size=steps))
    status = Status.COMPLETED
    if steps < planned:
        status = draw(st.sampled_from([Status.DIVERGED, Status.NONFINITE, Status.INTERRUPTED]))
    if status is Status.NONFINITE and losses:
        losses[-1] = draw(st.sampled_from([math.nan, math.inf, -math.inf]))
    start_losses = None
    if draw(st.sampled_from(paired)):
        start_losses = np.array(losses[:1] + draw(st.floats(2, 2.5).map(lambda level: steps * [level]))[1:])
    spacing = draw(st.sampled_from(Spacing))
    lrs = ladder(spacing, 0.0 if spacing is Spacing.LINEAR else 1e-5, 10.0, planned)[:steps]
    return Curve(
        lrs,
        np.array(losses, dtype=np.float64),
        exponential_average(losses, 0.98),
        status,
        planned,
        start_losses=start_losses,
        momentum=draw(st.sampled_from([0.0, 0.9])),
        skip_start=draw(st.integers(0, 10)),
        skip_end=draw(st.integers(0, 5)),
    )


@given(ends())
def test_a_ladder_rises_strictly_between_its_exact_ends(given_ends):
    start, end, num_steps = given_ends
    for make in (geometric, linear):
        rates = make(start, end, num_steps)
        assert (rates[0], rates[-1], len(rates)) == (start, end, num_steps)
        assert (np.diff(rates) > 0).all()


@given(ends())
def test_the_rungs_of_a_ladder_lie_evenly(given_ends):
    start, end, num_steps = given_ends
    assume(num_steps > 2)
    factors = np.diff(np.log(geometric(start, end, num_steps)))
    assert factors == pytest.approx(math.log(end / start) / (num_steps - 1), rel=1e-6, abs=1e-10)
    steps = np.diff(linear(start, end, num_steps))
    assert steps == pytest.approx((end - start) / (num_steps - 1), rel=1e-6)


@given(RATES, st.floats(1, 1e9), st.integers(-3, 1))
def test_what_makes_no_ladder_is_refused(rate, factor, num_steps):
    for make in (geometric, linear):
        with pytest.raises(ValueError, match="a ladder"):
            make(rate * factor, rate, 60)
        with pytest.raises(ValueError, match="a ladder has at least 2 steps"):
            make(rate, 2 * rate, num_steps)


@given(curves())
def test_what_the_rules_read_is_finite_and_lies_on_the_ladder(curve):
    smoothed = smoothed_curve(curve)
    assert len(smoothed) <= len(curve)
    assert np.isin(smoothed.lrs, curve.lrs).all()
    assert (smoothed.lrs > 0).all()
    assert (np.diff(smoothed.lrs) > 0).all()
    assert np.isfinite(smoothed.values).all()
    assert np.isfinite(smoothed.raw).all()


A_SPIKE = Curve(
    np.geomspace(1e-5, 10, 20)[:10], np.eye(10)[4], np.eye(10)[4], Status.DIVERGED, 20
)  # the average falls behind it, and the drawn line is lowest before


@settings(max_examples=60)  # of a quarter of them something is suggested
@given(curves(), st.sampled_from(Rule))
@example(A_SPIKE, Rule.STEEPEST)
def test_every_curve_is_read_and_the_middle_of_a_valley_lies_in_its_bracket_on_the_ladder(curve, rule):
    reading = read(curve, rule=rule)
    assert reading.verdict
    assert set(reading.rules) == {each.value for each in RULES}
    assert all(lr is None or (math.isfinite(lr) and lr > 0) for lr in reading.rules.values())
    found = reading.suggestion
    if found is not None:
        assert found.rule == rule.value
        assert found.low <= found.high
        assert found.low <= found.lr <= found.high or rule is not Rule.CENTRE
        # Three significant digits may round beyond an end; momentum pulls the middle of a valley down.
        pulled = math.sqrt(1 - curve.momentum)
        assert 0.995 * pulled * curve.lrs[curve.lrs > 0][0] <= found.low
        assert found.high <= 1.005 * curve.lrs[-1]


@settings(max_examples=60)
@given(curves(paired=(False,)), st.integers(-10, 10))
def test_the_reading_does_not_depend_on_the_unit_of_a_loss(curve, power):
    """A loss in other units, as a sum is beside a mean, has its turns at the same rates."""
    unit = 2.0**power  # which rounds nothing
    scaled = dataclasses.replace(curve, losses=curve.losses * unit, smoothed=curve.smoothed * unit)
    one, other = (read(each, rule=Rule.STEEPEST).suggestion for each in (curve, scaled))
    assert (one is None) == (other is None)
    if one is not None:
        assert other.lr == pytest.approx(one.lr, rel=1e-9)
