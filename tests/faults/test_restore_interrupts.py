"""Ctrl-C at any moment of a range test leaves everything as it was, torch's modes among it."""

import gc
import random
import signal
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

from lrfind import range_test

OPTIMIZERS = {
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
}


class ByAutocast(nn.Module):
    """Opens and closes the contexts that an interrupt may leave open."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Dropout(), nn.Linear(6, 3))

    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = self.body(x)
        with torch.no_grad(), torch.autograd.set_detect_anomaly(False):
            self.body[0].weight.mul_(0.999)
        return outputs.float()


class Trial:
    """A range test, and what must be as before it."""

    def __init__(self, name):
        torch.manual_seed(0)
        self.model = ByAutocast()
        self.optimizer = OPTIMIZERS[name](self.model.parameters())
        self.batches = [(torch.randn(8, 5), torch.randint(0, 3, (8,))) for _ in range(3)]
        self.model(self.batches[0][0]).sum().backward()
        self.optimizer.step()

    def run(self):
        criterion = nn.CrossEntropyLoss()
        range_test(
            self.model, self.optimizer, criterion, self.batches, end_lr=1.0, num_steps=5, precision="bf16"
        )

    def content(self):
        tensors = [
            *self.model.parameters(),
            *self.model.buffers(),
            *(p.grad for p in self.model.parameters()),
        ]
        for state in self.optimizer.state.values():
            tensors += [value for value in state.values() if isinstance(value, torch.Tensor)]
        depth = torch.autocast_increment_nesting()
        torch.autocast_decrement_nesting()
        return (
            [tensor.detach().numpy(force=True).tobytes() for tensor in tensors],
            [group["lr"] for group in self.optimizer.param_groups],
            [module.training for module in self.model.modules()],
            (torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()),
            (torch.is_grad_enabled(), torch.is_anomaly_enabled(), torch.is_autocast_enabled("cpu"), depth),
        )


def calls_of(work, interrupted_at=0):
    """Runs something, with Ctrl-C at the entry of the call of that number; how many calls there are."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        count += 1
        if count == interrupted_at:
            signal.raise_signal(signal.SIGINT)

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


# Python drops what is raised while it closes a generator that nobody holds any more.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", list(OPTIMIZERS))
@pytest.mark.parametrize("cases", [4, pytest.param(150, marks=pytest.mark.slow)])
def test_ctrl_c_at_any_call(cases, name):
    trial = Trial(name)
    trial.run()  # what torch sets up at the first use is no matter
    before = trial.content()
    total = calls_of(trial.run)
    interrupted = 0
    for moment in random.Random(cases).sample(range(1, total + 1), cases):
        try:
            calls_of(trial.run, moment)
        except KeyboardInterrupt:
            interrupted += 1
        gc.collect()  # an interrupt before a context manager's exit began: the generator's end puts back
        assert trial.content() == before, moment
    assert interrupted >= cases // 2


# By the clock: on a busy machine an interrupt may come after the search and end pytest itself.
@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that sends signals")
@pytest.mark.parametrize("cases", [300])
def test_ctrl_c_pressed_three_times_in_a_row(cases):
    trial = Trial("adam")
    began = time.perf_counter()
    trial.run()
    before, seconds = trial.content(), time.perf_counter() - began
    draw, left = random.Random(cases), 0

    def press(number, frame):
        nonlocal left
        left -= 1
        if left <= 0:
            signal.setitimer(signal.ITIMER_REAL, 0)
        signal.raise_signal(signal.SIGINT)

    kept = signal.signal(signal.SIGALRM, press)
    try:
        for _ in range(cases):
            left = 3
            try:
                signal.setitimer(signal.ITIMER_REAL, draw.uniform(1e-4, seconds), draw.uniform(1e-5, 2e-3))
                while left > 0:
                    trial.run()
            except KeyboardInterrupt:
                try:
                    while left > 0:
                        time.sleep(1e-4)
                except KeyboardInterrupt:
                    left = 0
            signal.setitimer(signal.ITIMER_REAL, 0)
            gc.collect()
            assert trial.content() == before
    finally:
        signal.signal(signal.SIGALRM, kept)
