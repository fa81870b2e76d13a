"""What sets rates on a GPU that is not there waits for nothing."""

import numpy as np
import torch
from torch import nn

from lrfind.training.objective import Objective
from lrfind.training.optimizer import LearningRate
from lrfind.training.stacking.stack import Stack
from lrfind.training.step import StepOptions
from tests.simulated_gpu import THERE, fake_gpu


def test_a_rate_that_is_a_tensor_on_the_gpu_is_set_without_waiting(monkeypatch):
    with fake_gpu(monkeypatch) as waits:
        parameter = nn.Parameter(torch.ones(3, device=THERE))
        rate = torch.full((), 0.1, device=THERE)
        set_lr = LearningRate(torch.optim.SGD([parameter], lr=rate))
        before = waits.total
        set_lr(0.5)
        assert waits.total == before
        rate.copy_(torch.tensor(0.5))  # which is what would wait
        assert waits.total == before + 1


def test_one_rate_for_a_whole_stack_is_set_without_waiting(monkeypatch):
    with fake_gpu(monkeypatch) as waits:
        with THERE:
            model = nn.Linear(3, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        stack = Stack(Objective(model, nn.MSELoss()), optimizer, np.zeros(4), options=StepOptions())
        before = waits.total
        stack.set_lrs(0.25)
        assert waits.total == before
        stack.set_lrs([0.1, 0.2, 0.3, 0.4])  # whose numbers have to be copied
        assert waits.total == before + 2


def test_a_stack_goes_on_at_the_same_rate_however_it_is_said():
    torch.manual_seed(0)
    stacks = []
    for lr in (0.3, [0.3, 0.3, 0.3]):
        model = nn.Linear(3, 2)
        nn.init.constant_(model.weight, 0.5)
        nn.init.zeros_(model.bias)
        groups = [{"params": [model.weight], "lr": 0.1}, {"params": [model.bias], "lr": 0.07}]
        optimizer = torch.optim.SGD(groups, lr=0.1)
        stack = Stack(Objective(model, nn.MSELoss()), optimizer, np.zeros(3), options=StepOptions())
        stack.set_lrs(lr)
        stack.step(iter([(torch.arange(6.0).reshape(2, 3), torch.ones(2, 2))]))
        stacks.append(stack.state()["leaves"])
    one, other = stacks
    for name, leaf in one.items():
        assert torch.equal(leaf, other[name])
        assert leaf.std(0).max() == 0
