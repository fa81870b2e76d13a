"""What holds for every segment of rates, whatever its numbers."""

import math
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrfind.refine.segments import (
    Segment,
    around,
    below,
    by_table,
    evenly,
    exact,
    nearest,
    plain,
    rounds_of,
    rungs,
)

DECIMALS = st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent), st.integers(1, 999), st.integers(-9, 3)
)
OF_THE_TABLE = st.builds(
    lambda digit, exponent: Decimal(digit).scaleb(exponent), st.integers(1, 9), st.integers(-8, 2)
)


@st.composite
def segments(draw):
    """A segment that can be: whole steps, and a part of one, from start to stop; floats tell all of them."""
    step, count = draw(DECIMALS), draw(st.integers(1, 50))
    start = step * draw(st.integers(1, 9999)) / 100
    rest = step * draw(st.integers(0, 9)) / 10
    return Segment(start, start + count * step + rest, step, draw(st.integers(1, 20)))


@given(segments())
def test_the_rates_of_a_segment_rise_by_its_exact_step_and_never_pass_its_stop(segment):
    rates = [exact(rate) for rate in segment.rates]
    assert len(rates) == len(segment)
    assert rates[0] == segment.start
    assert all(after - before == segment.step for before, after in pairwise(rates))
    assert segment.stop - segment.step < rates[-1] <= segment.stop


def as_written(segment):
    """As it stands in a config."""
    steps = {name: float(getattr(segment, name)) for name in ("start", "stop", "step")}
    return {**steps, "iterations": segment.iterations}


@given(segments())
def test_a_segment_written_to_a_config_is_read_back(segment):
    ((again,),) = rounds_of([as_written(segment)])
    assert again == segment


@given(DECIMALS)
def test_a_decimal_is_read_back_from_how_a_person_writes_it(value):
    assert exact(plain(value)) == exact(float(value)) == value


@given(DECIMALS)
def test_the_closing_round_brackets_the_nearest_rate_of_the_table(value):
    centre = nearest(value)
    rates = [rate for _, rate, _ in rungs(around(value))]
    assert rates == sorted(set(rates))
    assert float(centre) in rates
    assert rates[0] < float(centre) < rates[-1]
    assert rates[0] == below(float(centre))
    assert len(rates) in (20, 21)


@given(DECIMALS)
def test_the_nearest_rate_of_the_table_has_one_digit_and_no_other_is_nearer(value):
    found = nearest(value)
    assert len(found.as_tuple().digits) == 1
    unit = Decimal(1).scaleb(value.adjusted())
    assert abs(found - value) == min(abs(digit * unit - value) for digit in range(1, 11))


@given(OF_THE_TABLE, st.integers(1, 3))
def test_the_table_over_whole_decades_is_all_of_it_that_lies_there(low, decades):
    high = low.scaleb(decades)
    rates = [rate for segment in by_table(float(low), float(high), 1) for rate in segment.rates]
    assert rates == sorted(set(rates))
    assert (rates[0], rates[-1]) == (float(low), float(high))
    assert all(below(after) == before for before, after in pairwise(rates))


@given(OF_THE_TABLE, st.integers(2, 50), st.integers(4, 40))
def test_even_rates_are_at_most_as_many_as_asked_for(low, factor, most):
    (segment,) = evenly(float(low), float(low * factor), 3, most=most)
    assert 2 <= len(segment) <= most
    assert (segment.start, segment.stop, segment.iterations) == (low, low * factor, 3)
    assert segment.step.normalize().as_tuple().digits in ((1,), (2,), (5,))


@given(st.sampled_from([0, -1, math.nan, math.inf, -math.inf]) | st.floats(max_value=0), segments())
def test_numbers_that_make_no_rates_are_refused(bad, segment):
    good = as_written(segment)
    for key in ("start", "step"):
        with pytest.raises(ValueError, match="segment 1: "):
            rounds_of([{**good, key: bad}])
