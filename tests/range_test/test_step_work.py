"""What a step of a sweep does beside the bare loop, counted, so that no load on the machine changes it."""

import itertools
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import lrfind
from lrfind.range_test.ladder import geometric
from lrfind.range_test.sweep import SweepOptions, sweep
from lrfind.training.objective import Objective
from lrfind.training.task import Task
from tests.toy_tasks import CPU

PACKAGE = str(Path(lrfind.__file__).parent)
BATCH = [torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64)]


class Operators(TorchDispatchMode):
    """Counts the operators of torch, but for what is noted for the profiler."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace != "profiler":
            self.counts[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


def network():
    """A model of four parameters, its loss and its optimizer."""
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    return model, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=1.0)


def bare(steps):
    model, criterion, optimizer = network()
    for x, y in itertools.repeat(BATCH, steps):
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()


def swept(steps, *, paired):
    model, criterion, optimizer = network()
    task = Task(Objective(model, criterion), optimizer, itertools.repeat(BATCH), CPU)
    curve = sweep(task, geometric(1e-6, 1e-3, steps), options=SweepOptions(paired=paired))
    assert len(curve) == steps


def control(steps):
    """The least that a control can be: a forward pass without gradients, and its loss read."""
    model, criterion, _ = network()
    with torch.no_grad():
        for x, y in itertools.repeat(BATCH, steps):
            criterion(model(x), y).item()


def operators_a_step(loop):
    """How often each operator runs in a step, once a loop is under way."""
    counts = []
    for steps in (20, 30):
        with Operators() as operators:
            loop(steps)
        counts.append(operators.counts)
    counts[1].subtract(counts[0])
    return {name: count / 10 for name, count in counts[1].items() if count}


def plus(*parts):
    total = Counter()
    for part in parts:
        total.update(part)
    return dict(total)


def own_calls_a_step(paired):
    """How many functions of this package are entered in a step."""
    entered = []
    for steps in (20, 30):
        count = 0

        def note(frame, event, argument):
            nonlocal count
            count += event == "call" and frame.f_code.co_filename.startswith(PACKAGE)

        before = sys.getprofile()
        sys.setprofile(note)
        try:
            swept(steps, paired=paired)
        finally:
            sys.setprofile(before)
        entered.append(count)
    return (entered[1] - entered[0]) / 10


def test_an_unpaired_step_computes_what_the_bare_one_does_and_reads_its_loss():
    read = {"detach": 1, "_local_scalar_dense": 1}
    unpaired = operators_a_step(lambda steps: swept(steps, paired=False))
    assert unpaired == plus(operators_a_step(bare), read)


def test_a_paired_step_adds_a_forward_pass_and_the_exchange_of_the_parameters():
    unpaired = operators_a_step(lambda steps: swept(steps, paired=False))
    paired = operators_a_step(lambda steps: swept(steps, paired=True))
    exchange = {"detach": 2 * 4}  # the data of each of four parameters, before and after
    assert paired == plus(unpaired, operators_a_step(control), exchange)


@pytest.mark.parametrize(("paired", "most"), [(False, 13), (True, 28)])
def test_few_functions_of_this_package_are_entered_in_a_step(paired, most):
    assert 0 < own_calls_a_step(paired) <= most
