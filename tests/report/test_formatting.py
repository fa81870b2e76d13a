"""How a rate and a duration are spelled for a reader."""

import math

import pytest

from lrfind.report.formatting import duration_text, told_apart
from lrfind.suggestion import rate_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.012345, "0.0123"),
        (1e-5, "1e-5"),
        (1.25e-7, "1.25e-7"),
        (10, "10"),
        (1234, "1230"),
        (0, "0"),
        (2e5, "2e5"),
        (1e-10, "1e-10"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_a_rate_is_spelled_briefly_and_reads_back(value, text):
    assert rate_text(value) == text
    assert float(text) == pytest.approx(value, rel=5e-3, nan_ok=True)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.423, "0.42 s"),
        (12.2, "12 s"),
        (59.7, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
        (math.inf, "?"),
    ],
)
def test_a_duration_is_spelled_for_people(seconds, text):
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("one", "other", "texts"),
    [
        (2.31, 1.79, ("2.31", "1.79")),
        (2.299, 2.298, ("2.299", "2.298")),
        (1.0, 1.0, ("1", "1")),
        (1.07731, 1.07731, ("1.08", "1.08")),  # what is one number cannot be told apart
        (1.01e6, 4.1e5, ("1.01e6", "4.1e5")),
    ],
)
def test_two_numbers_have_as_many_digits_as_tell_them_apart(one, other, texts):
    assert told_apart(one, other) == texts
