"""When it is said that nothing shows that a model learns."""

import math

import pytest

from lrfind.report.no_learning import CLEARLY, LEFT, little_left, no_learning_shown, unscaled
from lrfind.training.blind_answer import UNKNOWN, BlindAnswer

LEVEL = math.log(10)
BLIND = BlindAnswer(LEVEL, "a model that always answers the shares of the classes", LEVEL)


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
def test_a_loss_that_came_no_lower_than_a_blind_answer_shows_no_learning(start, lowest, shown):
    assert (no_learning_shown(BLIND, start, lowest) == "") == shown
    assert no_learning_shown(UNKNOWN, start, lowest) == ""


@pytest.mark.parametrize(
    ("lowest", "said"),
    [
        (1.95, ""),
        (1.97, "not clearly below the 2 that a model that always answers the mean of the targets has"),
        (2.65, "above the 2 that a model that always answers the mean of the targets has"),
        (2.75, "to 2.75 at best, and a model that always answers the mean of the targets has 2: rates are"),
    ],
)
def test_losses_that_have_not_come_down_to_it_show_how_fast_it_is_found(lowest, said):
    mean = BlindAnswer(2.0, "a model that always answers the mean of the targets", 2.0)
    found = no_learning_shown(mean, 9.0, lowest)
    assert said in found
    assert bool(found) == bool(said)


@pytest.mark.parametrize(("lowest", "shown"), [(0.19, True), (0.24, False), (0.4, True), (0.69, False)])
def test_of_classes_how_fast_their_shares_are_found_tells_rates_apart(lowest, shown):
    shares = BlindAnswer(0.2, "a model that always answers the shares of the classes", 0.69)
    assert (no_learning_shown(shares, 0.75, lowest) == "") == shown


def test_losses_that_chance_may_have_brought_below_it_show_no_learning():
    assert no_learning_shown(BLIND, 2.6, 2.0, 2.2) == ""
    said = no_learning_shown(BLIND, 2.6, 2.0, 2.28)
    assert (
        "from 2.6 to 2 at best, and chance alone may be why that is below the 2.3 that a model that" in said
    )


def test_it_is_said_with_numbers_that_differ():
    said = no_learning_shown(BLIND, 2.347, 2.3036)
    assert said.startswith(
        "The loss came from 2.347 to 2.304 at best, which is not clearly below the 2.303 that a "
    )
    assert "always answers the shares of the classes" in said


@pytest.mark.parametrize(
    ("blind", "start", "advised"),
    [
        (BlindAnswer(100.0, "the mean", is_mean=True), 1e6, True),
        (BlindAnswer(1.0, "the mean", is_mean=True), 1e6, True),  # of inputs that are not standardised
        (BlindAnswer(1.0, "the mean", is_mean=True), 2.0, False),
        (BLIND, 30.0, False),  # a cross-entropy
        (UNKNOWN, 1e6, False),
    ],
)
def test_a_squared_error_far_above_that_of_standardised_data_is_told_with_the_remedy(blind, start, advised):
    assert ("standardise inputs and targets" in unscaled(blind, start)) == advised


def test_a_model_that_begins_next_to_zero_has_little_left_to_learn():
    assert little_left(BLIND, 1.1 * LEFT * LEVEL) == ""
    assert little_left(UNKNOWN, 0.0) == ""
    said = little_left(BLIND, 0.9 * LEFT * LEVEL)
    assert said.startswith("The loss begins at 0.0207, where a model that always answers the shares ")
    assert "of the classes has 2.3: the model knows these samples" in said
