"""The rates of a round: exact decimals, as in the textbook's table."""

import math

import pytest

from lrfind.refine.segments import (
    Segment,
    around,
    below,
    by_table,
    check_rising,
    evenly,
    rounds_of,
    rungs,
    table,
)


def rates(segments):
    return [lr for _, lr, _ in rungs(segments)]


def test_rates_are_exact_decimals_and_both_ends_are_included():
    assert Segment.of(0.1, 0.9, 0.1).rates == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    assert Segment.of(0.63, 1.1, 0.01, 200).rates == tuple(float(f"{i / 100:.2f}") for i in range(63, 111))
    assert Segment.of(1e-7, 9e-7, 1e-7).rates == tuple(float(f"{i}e-7") for i in range(1, 10))


def test_a_stop_that_the_step_misses_is_not_exceeded():
    assert Segment.of(0.1, 0.35, 0.1).rates == (0.1, 0.2, 0.3)


def test_the_chapters_table_is_the_default():
    segments = table()
    assert [len(s) for s in segments] == [9, 9, 9, 9, 11]
    assert rates(segments)[:10] == [1e-4, 2e-4, 3e-4, 4e-4, 5e-4, 6e-4, 7e-4, 8e-4, 9e-4, 1e-3]
    assert rates(segments)[-3:] == [1.08, 1.09, 1.1]
    assert {s.iterations for s in segments} == {10}
    assert [segment for segment, _, _ in rungs(segments)] == [1] * 9 + [2] * 9 + [3] * 9 + [4] * 9 + [5] * 11
    check_rising(segments)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((0.1, 0.1, 0.1), "stop must be greater than start"),
        ((0.9, 0.1, 0.1), "stop must be greater than start, got start 0.9 and stop 0.1"),
        ((0, 0.1, 0.1), "start must be greater than 0, got 0"),
        ((-1, 0.1, 0.1), "start must be greater than 0"),
        ((0.1, 0.9, 0), "step must be greater than 0, got 0"),
        ((0.1, 0.9, -0.1), "step must be greater than 0"),
        ((0.1, 0.9, 1), "step must be at most stop - start, 0.8, got 1"),
        ((0.1, 0.9, 0.1, 0), "iterations must be at least 1, got 0"),
        ((0.1, math.inf, 0.1), "must be finite"),
        ((0.1, math.nan, 0.1), "must be finite"),
        (("much", 0.9, 0.1), "a rate must be a number, got 'much'"),
        ((1e-9, 1, 1e-9), "1,000,000,000 rates"),
    ],
)
def test_a_segment_without_sense_is_refused(values, said):
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        Segment.of(*values)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "at least one segment"),
        ([[]], "round 1: a round needs"),
        ([{"start": 0.1, "stop": 0.5}], "segment 1: step is missing"),
        ([{"start": 0.1, "stop": 0.5, "step": 0.1, "iteration": 3}], "iteration is no key of a segment"),
        ([{"start": 0.1, "stop": 0.5, "step": 0.1, "iterations": 2.5}], "iterations must be a whole number"),
        ([3], "segment 1: must be {start, stop, step, iterations}, got 3"),
        (
            [{"start": 0.1, "stop": 0.5, "step": 0.1}, {"start": 0.4, "stop": 0.9, "step": 0.1}],
            "segments 1 and 2 overlap: 0.1 to 0.5 is followed by 0.4 to 0.9; start the second one above 0.5",
        ),
        (
            [{"start": 0.1, "stop": 0.5, "step": 0.1}, {"start": 0.01, "stop": 0.09, "step": 0.01}],
            "segments 1 and 2 do not rise",
        ),
    ],
)
def test_rounds_without_sense_are_refused(given, said):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below
        rounds_of(given)
    assert said in str(caught.value)


def test_a_list_of_lists_is_several_rounds():
    one = {"start": 0.1, "stop": 0.9, "step": 0.1, "iterations": 100}
    other = {"start": 0.63, "stop": 1.1, "step": 0.01}
    first, second = rounds_of([[one], [other]])
    assert first == (Segment.of(0.1, 0.9, 0.1, 100),)
    assert second == (Segment.of(0.63, 1.1, 0.01, 10),)
    assert rounds_of([one]) == [first]


def test_the_closing_round_reaches_to_the_neighbours_in_the_table():
    closing = rates(around(0.7))
    assert closing == [float(f"{i / 100:.2f}") for i in range(60, 81)]
    assert {0.6, 0.7, 0.8} <= set(closing)


@pytest.mark.parametrize(("lr", "ends"), [(3e-4, (2e-4, 4e-4)), (20, (10, 30)), (0.74, (0.6, 0.8)),
                                          (0.75, (0.6, 0.8)), (0.76, (0.7, 0.9)), (9, (8, 10))])  # fmt: skip
def test_the_closing_round_is_the_same_in_every_decade(lr, ends):
    closing = rates(around(lr))
    assert (closing[0], closing[-1]) == ends
    assert len(closing) == 21
    assert closing[0] <= lr <= closing[-1]


@pytest.mark.parametrize("power", [1e-3, 0.1, 1, 10])
def test_about_a_power_of_ten_the_steps_below_are_finer(power):
    closing = rates(around(power))
    assert power in closing
    assert closing[0] == pytest.approx(0.9 * power, rel=1e-15)
    assert closing[-1] == pytest.approx(2 * power, rel=1e-15)
    assert closing[1] - closing[0] == pytest.approx(0.01 * power)
    assert closing[-1] - closing[-2] == pytest.approx(0.1 * power)


@pytest.mark.parametrize("lr", [0, -0.1, math.nan, math.inf])
def test_there_is_nothing_around_a_rate_that_is_none(lr):
    with pytest.raises(ValueError, match="must be greater than 0 and finite"):
        around(lr)


def test_finer_steps_are_round_numbers_and_few_enough():
    (fine,) = evenly(0.4, 1.1, 10, most=40)
    assert (fine.rates[0], fine.rates[1], fine.rates[-1], len(fine)) == (0.4, 0.42, 1.1, 36)
    for low, high in ((0.001, 0.9), (3e-5, 4e-5), (1, 1000)):
        (fine,) = evenly(low, high, 10, most=40)
        assert 10 <= len(fine) <= 40


def test_the_next_smaller_rate_of_the_table():
    assert [below(lr) for lr in (0.8, 0.75, 0.1, 1, 3e-4)] == [0.7, 0.7, 0.09, 0.9, 2e-4]


def test_decades_of_the_table():
    assert rates(by_table(2, 20, 10)) == [2, 3, 4, 5, 6, 7, 8, 9, 10, 20]
    assert rates(by_table(1e-6, 1e-4, 10))[:3] == [1e-6, 2e-6, 3e-6]
    assert rates(by_table(0.9, 9, 10)) == [0.9, 1, 2, 3, 4, 5, 6, 7, 8, 9]
