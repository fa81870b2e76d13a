"""When it is said that nothing shows that a model learns."""

import math

import pytest

from lrfind.report.no_learning import CLEARLY, LEFT, little_left, no_learning_shown, unscaled
from lrfind.training.blind_answer import UNKNOWN, BlindAnswer

LEVEL = math.log(10)
BLIND = BlindAnswer.of_classes(10)


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
        (2.03, "not clearly below the 2 that a model that always answers the mean of the targets has"),
        (2.05, "to 2.05 at best, and a model that always answers the mean of the targets has 2: rates are"),
    ],
)
def test_of_a_mean_that_has_to_be_learnt_losses_above_it_show_how_fast_it_is(lowest, said):
    mean = BlindAnswer(2.0, "a model that always answers the mean of the targets", is_learnt=True)
    found = no_learning_shown(mean, 9.0, lowest)
    assert said in found
    assert bool(found) == bool(said)


def test_it_is_said_with_numbers_that_differ():
    said = no_learning_shown(BLIND, 2.347, 2.3036)
    assert said.startswith(
        "The loss came from 2.347 to 2.304 at best, which is not clearly below the 2.303 that a "
    )
    assert "all 10 classes for equally likely" in said


@pytest.mark.parametrize(
    ("blind", "start", "advised"),
    [
        (BlindAnswer(100.0, "the mean", is_learnt=True), 1e6, True),
        (BlindAnswer(1.0, "the mean", is_learnt=True), 1e6, True),  # of inputs that are not standardised
        (BlindAnswer(1.0, "the mean", is_learnt=True), 2.0, False),
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
    assert said.startswith("The loss begins at 0.0207, where a model that takes all 10 classes for equally ")
    assert "likely has 2.3: the model knows these samples" in said
