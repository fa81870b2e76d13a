"""Losses read behind the computation are those of a loop that waits for each."""

import itertools
import math

import pytest
import torch
from torch import nn

from lrfind.range_test.ladder import geometric
from lrfind.range_test.sweep import SweepOptions, sweep
from lrfind.suggestion import Status
from lrfind.training.objective import Objective
from lrfind.training.readback import Readback
from lrfind.training.task import Task

CPU = torch.device("cpu")
without_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def test_on_a_cpu_each_step_is_there_at_once_and_once():
    readback = Readback(CPU, 3, 2)
    assert list(readback.ready()) == []
    readback.push(torch.tensor(1.5), torch.tensor(2.5, dtype=torch.float64))
    assert list(readback.ready()) == [(1.5, 2.5)]
    assert list(readback.ready(all_of_them=True)) == []
    readback.push(torch.tensor(math.nan), torch.tensor(math.inf))
    readback.push(torch.tensor(3.0), torch.tensor(4.0))
    first, second = readback.ready()
    assert math.isnan(first[0])
    assert first[1] == math.inf
    assert second == (3.0, 4.0)


def test_a_float64_loss_is_read_to_the_last_bit():
    readback = Readback(CPU, 1, 1)
    readback.push(torch.tensor(0.1 + 0.2, dtype=torch.float64))
    assert list(readback.ready()) == [(0.1 + 0.2,)]


def test_a_value_with_a_gradient_can_be_pushed():
    readback = Readback(CPU, 1, 1)
    readback.push(torch.tensor(2.0, requires_grad=True) * 3)
    assert list(readback.ready()) == [(6.0,)]


@pytest.mark.gpu
@without_cuda
def test_on_a_gpu_every_step_comes_once_and_in_order():
    device = torch.device("cuda")
    readback = Readback(device, 300, 1)
    got = []
    for i in range(300):
        readback.push(torch.full((), float(i), device=device) * torch.ones((), device=device))
        got += list(readback.ready())
        assert i - len(got) < 9
    got += list(readback.ready(all_of_them=True))
    assert got == [(float(i),) for i in range(300)]


@pytest.mark.gpu
@without_cuda
@pytest.mark.parametrize(
    ("end_lr", "bad_at", "status"),
    [(1.0, None, Status.COMPLETED), (1e4, None, Status.DIVERGED), (1.0, 23, Status.NONFINITE)],
)
def test_on_a_gpu_the_curve_is_that_of_a_loop_that_waits(end_lr, bad_at, status):
    device = torch.device("cuda")
    lrs = geometric(1e-3, end_lr, 60)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.linspace(0.5, 1.5, 10, dtype=torch.float64))

        def forward(self, factor):
            return factor * 0.5 * (self.w * self.w).sum()

    def batches():
        for i in itertools.count():
            yield torch.tensor(math.nan if i == bad_at else 1.0, dtype=torch.float64, device=device)

    model = Model().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    expected = []
    for lr, batch in zip(lrs.tolist(), batches(), strict=False):
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        loss = model(batch)
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
        if not math.isfinite(expected[-1]):
            break
    model = Model().to(device)
    told = []
    task = Task(Objective(model, None), torch.optim.SGD(model.parameters(), lr=1.0), batches(), device)
    curve = sweep(task, lrs, options=SweepOptions(beta=0.5), on_step=lambda step: told.append(step.loss))
    assert curve.status is status
    assert curve.losses[:-1].tolist() == expected[: len(curve) - 1]
    assert str(curve.losses[-1]) == str(expected[len(curve) - 1])
    assert len(told) == len(curve)
