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
from lrfind.training.runs import train_runs
from lrfind.training.stacking.strategy import Strategy
from lrfind.training.task import Task
from tests.simulated_gpu import CUDA, late_events
from tests.toy_tasks import CPU, Quadratic

PACES = ("at once", "late", "bursts", "never")
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


# --- events that come late, simulated


@pytest.mark.parametrize("pace", PACES)
def test_every_step_comes_once_in_order_and_none_before_its_event(monkeypatch, pace):
    late_events(monkeypatch, pace)
    readback = Readback(CUDA, 100, 2)
    got = []
    for i in range(100):
        readback.push(torch.tensor(float(i)), torch.tensor(i + 0.5))
        got += list(readback.ready())  # a row that is read before its event passed fails in the simulation
        assert i - len(got) < 8
    got += list(readback.ready(all_of_them=True))
    assert got == [(float(i), i + 0.5) for i in range(100)]
    assert list(readback.ready(all_of_them=True)) == []


def test_steps_that_are_done_are_handed_out_without_waiting(monkeypatch):
    events = late_events(monkeypatch, "bursts")
    readback = Readback(CUDA, 20, 1)
    counts = []
    for i in range(20):
        readback.push(torch.tensor(float(i)))
        counts.append(len(list(readback.ready())))
    assert counts == [0, 0, 0, 0, 5] * 4
    assert events.waits == 0


def test_only_the_oldest_step_is_waited_for_and_only_beyond_eight(monkeypatch):
    events = late_events(monkeypatch, "never")
    readback = Readback(CUDA, 20, 1)
    counts = []
    for i in range(20):
        readback.push(torch.tensor(float(i)))
        counts.append(len(list(readback.ready())))
    assert counts == [0] * 8 + [1] * 12
    assert events.waits == 12
    assert len(list(readback.ready(all_of_them=True))) == 8


def swept(device, end_lr, *, bad_at=None, interrupt_at=None, paired=False):
    """The curve of a quadratic, its steps as they were told of, and how many batches it took."""
    model = Quadratic(1.0)
    taken = []

    def batches():
        for i in itertools.count():
            if i == interrupt_at:
                raise KeyboardInterrupt
            taken.append(i)
            yield (torch.tensor(math.nan if i == bad_at else 1.0, dtype=torch.float64),)

    told = []
    task = Task(Objective(model, None), torch.optim.SGD(model.parameters(), lr=1.0), batches(), device)
    options = SweepOptions(beta=0.5, paired=paired)
    curve = sweep(task, geometric(1e-2, end_lr, 60), options=options, on_step=told.append)
    return curve, told, len(taken)


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize(
    ("case", "status"),
    [
        ({"end_lr": 1.0}, Status.COMPLETED),
        ({"end_lr": 1e3}, Status.DIVERGED),
        ({"end_lr": 1.0, "bad_at": 23}, Status.NONFINITE),
        ({"end_lr": 1.0, "interrupt_at": 31}, Status.INTERRUPTED),
    ],
)
def test_late_losses_end_the_sweep_at_the_same_step_with_the_same_curve(
    monkeypatch, pace, paired, case, status
):
    curve, told, taken = swept(CPU, paired=paired, **case)
    assert curve.status is status
    late_events(monkeypatch, pace)
    late, late_told, late_taken = swept(CUDA, paired=paired, **case)
    assert late.status is status
    assert late.losses.tobytes() == curve.losses.tobytes()
    assert late.smoothed.tobytes() == curve.smoothed.tobytes()
    assert late.bad_batch is curve.bad_batch
    assert repr(late_told) == repr(told)
    assert [step.index for step in late_told] == list(range(len(late)))
    assert 0 <= late_taken - taken <= 8  # steps made for nothing


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("strategy", [Strategy.SEQUENTIAL, Strategy.STACKED])
def test_runs_whose_losses_come_late_are_dropped_at_the_same_step(monkeypatch, pace, strategy):
    def runs(device):
        model = Quadratic(1.0)
        batch = (torch.ones(2, dtype=torch.float64),)
        task = Task(
            Objective(model, None),
            torch.optim.SGD(model.parameters(), lr=1.0),
            itertools.repeat(batch),
            device,
            afresh=lambda: itertools.repeat(batch),
        )
        found = train_runs(task, [0.1, 2.6, 0.5, 4.0], num_steps=25, strategy=strategy, beta=0.5)
        assert found.diverged.tolist() == [False, True, False, True]
        return found

    expected = runs(CPU)
    late_events(monkeypatch, pace)
    late = runs(CUDA)
    assert late.losses.tobytes() == expected.losses.tobytes()
    assert late.steps_taken.tolist() == expected.steps_taken.tolist()


# --- a GPU


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
