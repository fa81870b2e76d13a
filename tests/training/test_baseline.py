"""What is had without training, and which runs came to more."""

import functools
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from lrfind.training.baseline import UNKNOWN, Baseline, equal_shares, learnt, most_frequent
from lrfind.training.first_loss import is_cross_entropy
from lrfind.training.objective import Objective
from lrfind.training.readings import loss_of_mean, read_baseline
from lrfind.training.task import Task


def test_blind_answers_are_the_most_frequent_class_and_equal_shares_for_all():
    assert most_frequent(np.array([0, 0, 1, 2])) == 0.5
    assert equal_shares(np.array([0, 0, 1, 2])) == pytest.approx(math.log(3))
    assert equal_shares(np.array([0, 3])) == pytest.approx(math.log(4))  # others occur elsewhere


def test_that_some_classes_are_frequent_is_something_to_learn():
    labels = np.repeat([0, 1, 2, 3], [91, 3, 3, 3])
    entropy = -(0.91 * math.log(0.91) + 0.09 * math.log(0.03))
    accuracy, loss = most_frequent(labels), equal_shares(labels)
    before = Baseline(loss, accuracy, len(labels))
    assert learnt([before], np.array([[entropy]]), np.array([[accuracy]])).tolist() == [True]


def test_labels_that_are_ignored_count_against_the_answers_and_not_in_the_loss():
    ignored = np.array([0, 1, -100, -100])
    assert (most_frequent(ignored), equal_shares(ignored)) == (0.25, pytest.approx(math.log(2)))
    assert (most_frequent(ignored[2:]), equal_shares(ignored[2:])) == (0.0, 0.0)


class Constant(nn.Module):
    """The same scores whatever comes in."""

    def __init__(self, *scores):
        super().__init__()
        self.scores = nn.Parameter(torch.tensor(scores))

    def forward(self, inputs):
        return self.scores.expand(len(inputs), -1)


def task_of(model, criterion, batches, *, accuracy):
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    objective = Objective(model, criterion, accuracy=accuracy)
    return Task(objective, optimizer, iter(()), torch.device("cpu"), validation=batches)


def test_the_baseline_is_the_better_of_the_untrained_model_and_of_blind_answers():
    batches = [(torch.zeros(3, 1), torch.tensor([0, 0, 1])), (torch.zeros(1, 1), torch.tensor([1]))]
    wrong = read_baseline(task_of(Constant(3.0, 0.0), nn.CrossEntropyLoss(), batches, accuracy=True))
    assert wrong == (pytest.approx(math.log(2)), 0.5, 4)  # it begins at ln(1 + e^-3) + 3/2 = 1.55
    assert math.log1p(math.exp(-3)) + 1.5 > math.log(2)
    loss = read_baseline(task_of(Constant(3.0, 0.0), nn.CrossEntropyLoss(), batches, accuracy=False))
    assert loss.loss == pytest.approx(math.log(2))
    assert math.isnan(loss.accuracy)


@pytest.mark.parametrize(
    ("criterion", "batches", "expected"),
    [
        # Means 2 and 20 of the columns: squares of 1, 1, 4 and of 0, 100, 100 over six numbers.
        (nn.MSELoss(), [[[1.0, 20.0], [1.0, 10.0]], [[4.0, 30.0]]], (1 + 1 + 4 + 200) / 6),
        (functional.mse_loss, [[[1.0], [3.0]]], 1.0),
        (nn.MSELoss(reduction="sum"), [[[1.0], [3.0]]], math.inf),
        (nn.L1Loss(), [[[1.0], [3.0]]], math.inf),
        (nn.MSELoss(), [[[1.0, 2.0]], [[1.0]]], math.inf),
    ],
)
def test_the_loss_of_the_mean_is_the_variance_of_the_targets(criterion, batches, expected):
    held_out = [(torch.zeros(len(each), 1), torch.tensor(each)) for each in batches]
    assert loss_of_mean(task_of(Constant(0.0), criterion, held_out, accuracy=False)) == pytest.approx(
        expected
    )


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        (nn.CrossEntropyLoss(), True),
        (nn.NLLLoss(), True),
        (functional.cross_entropy, True),
        (functools.partial(functional.cross_entropy, reduction="sum"), False),
        (nn.CrossEntropyLoss(label_smoothing=0.1), True),
        (nn.CrossEntropyLoss(label_smoothing=0.9), False),
        (nn.CrossEntropyLoss(weight=torch.ones(2)), True),
        (functools.partial(functional.cross_entropy, weight=torch.ones(2), label_smoothing=0.1), False),
        (nn.MultiMarginLoss(), False),
        (nn.MSELoss(), False),
        (None, False),
    ],
)
def test_only_a_mean_cross_entropy_has_a_baseline_of_equal_shares(criterion, expected):
    assert is_cross_entropy(criterion) is expected


NOT_MEASURED = np.full((2, 3), np.nan)


def test_a_loss_has_to_fall_by_a_hundredth_on_average():
    starts = [Baseline(2.0, samples=100), Baseline(2.2, samples=100)]
    losses = np.array([[1.97, 1.9, 2.3], [2.17, 2.1, 1.7]])
    # Falls of 0.03, 0.1 and 0.1 on average, where 0.021 makes one.
    assert learnt(starts, losses, NOT_MEASURED).tolist() == [True, True, True]
    assert learnt(starts, losses + 0.01, NOT_MEASURED).tolist() == [False, True, True]
    diverged = np.where(losses < 1.8, np.inf, losses)
    assert learnt(starts, diverged, NOT_MEASURED).tolist() == [True, True, False]


def test_right_answers_count_where_the_loss_does_not_fall():
    # Two standard errors of a half of 2 x 200 answers: 2 sqrt(0.25 / 400) = 0.05.
    starts = [Baseline(1.0, 0.5, 200), Baseline(1.0, 0.5, 200)]
    losses = np.full((2, 3), 1.5)
    accuracies = np.array([[0.54, 0.56, 0.9], [0.54, 0.56, 0.1]])
    assert learnt(starts, losses, accuracies).tolist() == [False, True, False]


def test_where_no_baseline_is_known_nothing_is_said_against_a_run():
    assert learnt([UNKNOWN], np.array([[2.0, math.inf]]), NOT_MEASURED[:1, :2]).tolist() == [True, True]
