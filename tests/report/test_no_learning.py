"""When it is said that nothing shows that a model learns."""

import math

import pytest

from lrfind.report.no_learning import CLEARLY, no_learning_shown

LEVEL = math.log(10)


@pytest.mark.parametrize(
    ("start", "lowest", "shown"),
    [
        (2.6, LEVEL, False),
        (2.6, 2.31, False),
        (2.6, LEVEL * (1 - 0.9 * CLEARLY), False),
        (2.6, LEVEL * (1 - 1.1 * CLEARLY), True),
        (2.29, 2.28, True),  # it began below, and what it fell by was no first answers
        (math.nan, 2.3, True),
        (2.6, math.nan, True),
    ],
)
def test_a_loss_that_came_no_lower_than_equal_shares_shows_no_learning(start, lowest, shown):
    assert (no_learning_shown(LEVEL, start, lowest) == "") == shown
    assert no_learning_shown(math.nan, start, lowest) == ""


def test_it_is_said_with_numbers_that_differ():
    said = no_learning_shown(LEVEL, 2.347, 2.3036)
    assert said.startswith(
        "The loss came from 2.347 to 2.304 at best, which is not clearly below the 2.303 of a "
    )
    assert "all 10 classes for equally likely" in said
