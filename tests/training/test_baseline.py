"""What is had without training, and which runs came to more."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from lrfind.training.baseline import UNKNOWN, Baseline, is_learning, learnt, most_frequent
from lrfind.training.objective import Objective
from lrfind.training.readings import blind_answer_on, read_baseline
from lrfind.training.task import Task


def test_the_most_frequent_class_counts_labels_that_are_ignored_as_wrong():
    assert most_frequent(np.array([0, 0, 1, 2])) == 0.5
    ignored = np.array([0, 1, -100, -100])
    assert most_frequent(ignored) == 0.25
    assert most_frequent(ignored[2:]) == 0.0


@pytest.mark.parametrize(
    ("blind", "start", "loss", "expected"),
    [
        (math.inf, 1.0, 0.989, True),
        (math.inf, 1.0, 0.991, False),
        # Two classes, 95 to 5: equal shares have 0.69, the shares of the classes 0.2.
        (0.2, 0.69, 0.197, True),
        (0.2, 0.69, 0.199, False),
        (0.2, 0.69, 0.24, False),  # found, and left again for what is learnt by heart
        (0.2, 0.69, 0.26, True),  # not found yet: it shows how fast a rate is
        (0.2, 0.26, 0.255, True),
        (0.2, 0.22, 0.215, False),  # it begins there
        (0.2, 0.15, 0.149, False),  # it begins below: only its own start counts
        (0.2, 0.15, 0.148, True),
        # Targets far from 0: most of the way down to their mean is fast at any rate.
        (1.0, 101.0, 10.0, False),
        (1.0, 101.0, 12.0, True),
    ],
)
def test_what_the_same_answer_to_every_input_has_is_not_learnt_once_it_is_found(blind, start, loss, expected):
    assert is_learning(blind, start, loss) is expected


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


def test_the_baseline_has_the_untrained_model_and_the_best_blind_answer():
    batches = [(torch.zeros(3, 1), torch.tensor([0, 0, 1])), (torch.zeros(1, 1), torch.tensor([1]))]
    wrong = read_baseline(task_of(Constant(3.0, 0.0), nn.CrossEntropyLoss(), batches, accuracy=True))
    start = math.log1p(math.exp(-3)) + 1.5
    assert wrong == (pytest.approx(start), 0.5, 4, pytest.approx(math.log(2)))
    assert wrong.least == wrong.blind
    loss = read_baseline(task_of(Constant(3.0, 0.0), nn.CrossEntropyLoss(), batches, accuracy=False))
    assert loss.blind == pytest.approx(math.log(2))
    assert math.isnan(loss.accuracy)


def test_of_held_out_samples_it_is_that_of_all_their_batches():
    held_out = [
        (torch.zeros(len(each), 1), torch.tensor(each))
        for each in ([[1.0, 20.0], [1.0, 10.0]], [[4.0, 30.0]])
    ]
    found = blind_answer_on(held_out, task_of(Constant(0.0), nn.MSELoss(), None, accuracy=False))
    # Means 2 and 20 of the columns: squares of 1, 1, 4 and of 0, 100, 100 over six numbers.
    assert found.loss == pytest.approx((1 + 1 + 4 + 200) / 6)


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


def test_a_run_that_found_the_blind_answer_has_to_come_below_it():
    starts = [Baseline(0.7, blind=0.2, samples=100)] * 2
    losses = np.array([[0.21, 0.19, 0.4], [0.21, 0.19, 0.4]])
    assert learnt(starts, losses, NOT_MEASURED).tolist() == [False, True, True]
