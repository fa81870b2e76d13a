"""A step recorded and played back: the same to the last bit, with less in it."""

import pytest
import torch
from torch import nn

from lrfind.training.objective import Objective
from lrfind.training.stacking.tracing import recordable, recorded


def test_what_is_played_back_is_the_same_for_other_values():
    weight, x = torch.randn(4, 3, requires_grad=True), torch.randn(5, 4)

    def function(weight, x):
        loss = (torch.sigmoid(x @ weight) * torch.ones_like(x[:, :1])).mean()
        return [loss.detach(), *torch.autograd.grad(loss, [weight])]

    play = recorded(function, (weight, x))
    other, y = torch.randn(4, 3, requires_grad=True), torch.randn(5, 4)
    for ours, theirs in zip(play(other.detach(), y), function(other, y), strict=True):
        assert torch.equal(ours, theirs)


def test_operations_without_effect_are_left_out():
    def function(x):
        return [x.view(3).expand(3).detach() * 2 + torch.ones_like(x) * 3]

    play = recorded(function, (torch.zeros(3),))
    names = [node.target.__name__ for node in play.__self__.graph.nodes if node.op == "call_function"]
    assert names == ["mul.Tensor", "add.Tensor"]
    assert play(torch.tensor([1.0, 2.0, 3.0]))[0].tolist() == [5.0, 7.0, 9.0]


def test_results_share_no_memory_with_arguments_or_constants():
    def function(x, y):
        return [y.view(2), x * 1, torch.ones_like(x)]

    play = recorded(function, (torch.zeros(2), torch.zeros(2)))
    x, y = torch.ones(2), torch.full((2,), 2.0)
    for result in play(x, y):
        result.add_(5)
    assert x.tolist() == [1, 1]
    assert y.tolist() == [2, 2]
    assert play(x, y)[2].tolist() == [1, 1]


def test_what_is_changed_in_place_is_played_back_as_it_was():
    def function(x):
        y = x * 1
        z = y.view(2)
        z.add_(1)
        return [y]

    assert recorded(function, (torch.zeros(2),))(torch.ones(2))[0].tolist() == [2, 2]


def test_a_branch_on_a_value_is_not_recorded():
    assert recorded(lambda x: [x if x.sum() > 0 else -x], (torch.ones(2),)) is None


class Strange(nn.Module):
    def forward(self, x):
        return x


@pytest.mark.parametrize(
    ("model", "criterion", "forward", "expected"),
    [
        (nn.Sequential(nn.Linear(2, 2), nn.ReLU()), nn.CrossEntropyLoss(), None, True),
        (nn.Linear(2, 2), nn.functional.mse_loss, None, True),
        (nn.Sequential(nn.Linear(2, 2), Strange()), nn.MSELoss(), None, False),
        (nn.Linear(2, 2), Strange(), None, False),
        (nn.Linear(2, 2), lambda out, y: out.sum(), None, False),
        (nn.Linear(2, 2), None, None, False),
        (nn.Linear(2, 2), nn.MSELoss(), lambda model, batch: model(batch[0]), False),
    ],
)
def test_only_what_is_known_to_do_the_same_every_time_is_recorded(model, criterion, forward, expected):
    assert recordable(Objective(model, criterion, forward=forward)) is expected
