"""What is done to an optimizer between two steps."""

import pytest
import torch
from torch import nn

from lrfind.training.optimizer import clear_gradients


class Counted(torch.optim.SGD):
    """Counts how often its gradients are cleared, and keeps them."""

    cleared = 0

    def zero_grad(self, set_to_none=True):
        self.cleared += 1


def with_gradients(kind=torch.optim.SGD):
    """An optimizer of two groups, one parameter of which has a gradient."""
    given, other = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(1))
    optimizer = kind([{"params": [given]}, {"params": [other], "lr": 0.1}], lr=1.0)
    given.sum().backward()
    return given, optimizer


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW, torch.optim.LBFGS])
def test_gradients_are_gone_as_after_zero_grad(kind):
    given = nn.Parameter(torch.ones(2))
    optimizer = kind([given], lr=1.0)
    given.sum().backward()
    assert given.grad is not None
    clear_gradients(optimizer)
    assert given.grad is None


def test_gradients_of_every_group_are_cleared():
    given, optimizer = with_gradients()
    optimizer.param_groups[1]["params"][0].grad = torch.ones(1)
    clear_gradients(optimizer)
    assert [p.grad for group in optimizer.param_groups for p in group["params"]] == [None, None]
    assert given.grad is None


def test_an_optimizer_that_clears_them_in_its_own_way_does_so():
    given, optimizer = with_gradients(Counted)
    clear_gradients(optimizer)
    assert optimizer.cleared == 1
    assert given.grad.tolist() == [1.0, 1.0]


def test_what_has_been_put_in_the_place_of_zero_grad_is_called(monkeypatch):
    given, optimizer = with_gradients()
    calls = []
    optimizer.zero_grad = lambda: calls.append("of this one")
    clear_gradients(optimizer)
    del optimizer.zero_grad
    monkeypatch.setattr(torch.optim.Optimizer, "zero_grad", lambda self: calls.append("of all"))
    clear_gradients(optimizer)
    assert calls == ["of this one", "of all"]
    assert given.grad is not None


def test_a_wrapper_that_hands_everything_on_is_asked():
    given, optimizer = with_gradients(Counted)

    class Wrapper:
        def __getattr__(self, name):
            return getattr(optimizer, name)

    clear_gradients(Wrapper())
    assert optimizer.cleared == 1
    assert given.grad is not None
