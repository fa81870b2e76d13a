"""What the mean of the targets is worth as every answer."""

import math

import pytest
import torch
from torch import nn

from lrfind.training.mean_target import MeanTarget, squared_error_of_mean
from lrfind.training.objective import Objective
from lrfind.training.peers import Peers

Y = torch.tensor([[1.0, 10.0], [3.0, 10.0], [5.0, 40.0]])


@pytest.mark.parametrize("criterion", [nn.MSELoss(), nn.functional.mse_loss])
def test_of_a_squared_error_it_is_known_on_all_targets_that_were_met(criterion):
    objective = Objective(nn.Linear(4, 2), criterion)
    assert not objective.blind_answer.is_known
    for batch in Y.split(2):
        objective((torch.zeros(len(batch), 4), batch))
    found = objective.blind_answer
    assert found.loss == pytest.approx(float(criterion(Y.mean(0).expand(3, 2), Y)))
    assert found.what == "a model that always answers the mean of the targets"


@pytest.mark.parametrize(
    "criterion", [nn.MSELoss(reduction="sum"), nn.L1Loss(), lambda outputs, target: (outputs - target).mean()]
)
def test_other_criteria_do_not_tell(criterion):
    objective = Objective(nn.Linear(4, 2), criterion)
    if not isinstance(criterion, nn.MSELoss):
        objective((torch.zeros(3, 4), Y))
    assert not objective.blind_answer.is_known


def test_a_target_that_comes_twice_in_a_row_counts_once():
    met, twice = MeanTarget(), Y[1:]
    for target in (Y[:1], twice, twice):
        met.meet(target)
    assert met.blind_answer.loss == pytest.approx(squared_error_of_mean([Y]))


def test_large_targets_are_not_kept_and_other_things_are_no_targets():
    met = MeanTarget()
    met.meet(torch.zeros(1).expand(2**20 + 1))
    met.meet({"target": Y})
    assert not met.blind_answer.is_known


def test_samples_of_several_lengths_have_no_mean():
    assert math.isnan(squared_error_of_mean([torch.zeros(2, 3), torch.zeros(2, 4)]))
    assert math.isnan(squared_error_of_mean([torch.tensor(1.0)]))
    assert math.isnan(squared_error_of_mean([]))


class Others(Peers):
    """One more who met targets of another level."""

    def agree(self):
        pass

    def mean(self, values):
        return tuple(value + 1 for value in values)


def test_all_who_run_the_same_have_one_level():
    met = MeanTarget()
    met.meet(Y)
    alone = met.blind_answer
    assert alone.among(None) == alone
    assert alone.among(Others()) == (alone.loss + 1, alone.what, True)
