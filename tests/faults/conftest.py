"""Training with a range test in the middle against the same training without one."""

import random
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfind import range_test

INPUTS, CLASSES, BATCH = 5, 3, 8
TEST_STEPS = 10


class StopHereError(Exception):
    """Raised in the middle of a range test."""


def data():
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(48, INPUTS, generator=generator)
    return TensorDataset(x, torch.randint(0, CLASSES, (48,), generator=generator))


def shuffled():
    return DataLoader(data(), batch_size=BATCH, shuffle=True, generator=torch.Generator().manual_seed(7))


@dataclass
class Training:
    """What is trained, as a caller would have it."""

    model: nn.Module
    optimizer: Any
    criterion: Any
    loader: Any
    losses: list

    def train(self, steps):
        """Takes some steps, with a closure that optimizers may call again."""
        batches = iter(())
        for _ in range(steps):
            batch = next(batches, None)
            if batch is None:
                batches = iter(self.loader)
                batch = next(batches)
            self.losses.append(self._step(*batch))

    def _step(self, x, y):
        def closure():
            self.optimizer.zero_grad()
            loss = self.criterion(self.model(x), y)
            loss.backward()
            return loss

        loss = closure()
        try:
            self.optimizer.step()
        except Exception:  # asks for a closure
            self.optimizer.step(closure)
        return loss.item()

    def content(self):
        """All that the next step depends on."""
        return {
            "losses": list(self.losses),
            "parameters": [p.detach() for p in self.model.parameters()],
            "grads": [p.grad for p in self.model.parameters()],
            "requires_grad": [p.requires_grad for p in self.model.parameters()],
            "buffers": list(self.model.buffers()),
            "training": [m.training for m in self.model.modules()],
            "optimizer": self.optimizer.state_dict(),
            "python": random.getstate(),
            "numpy": list(np.random.get_state()),
            "torch": torch.get_rng_state(),
            "modes": (torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), torch.get_default_dtype()),
        }


def same(one, other):
    """Equal to the last bit, at any depth."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        if one.dtype != other.dtype or one.shape != other.shape or one.layout != other.layout:
            return False
        if one.is_sparse:
            return same(one.coalesce().to_dense(), other.coalesce().to_dense())
        one, other = one.detach().contiguous(), other.detach().contiguous()
        return (
            one.numpy(force=True).tobytes() == other.numpy(force=True).tobytes()
            if one.dtype not in (torch.bfloat16,)
            else bool((one.view(torch.int16) == other.view(torch.int16)).all())
        )
    if isinstance(one, np.ndarray):
        return one.tobytes() == other.tobytes()
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return len(one) == len(other) and all(map(same, one.values(), other.values()))
    if isinstance(one, (list, tuple, deque)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return one.hex() == other.hex()
    return one == other or not isinstance(one, (int, str, bool, type(None)))


def run_test(training, how):
    """A range test that ends in the way named."""

    def on_step(step):
        if step.index == TEST_STEPS // 2 and how != "success":
            raise StopHereError if how == "exception" else KeyboardInterrupt

    range_test(
        training.model,
        training.optimizer,
        training.criterion,
        training.loader,
        start_lr=1e-3,
        end_lr=3.0,
        num_steps=TEST_STEPS,
        stop_factor=None,
        on_step=on_step,
    )


HOWS = ("success", "exception", "interrupt")
SHORT = (("success", True), ("interrupt", False))


def pytest_generate_tests(metafunc):
    """How a range test ends, on a fresh or a warm optimizer: the short set, and all with the slow ones."""
    if {"how", "warm"} <= set(metafunc.fixturenames):
        cases = [(how, warm) for warm in (True, False) for how in HOWS]
        marked = [pytest.param(*case, marks=[] if case in SHORT else pytest.mark.slow) for case in cases]
        names = [f"{how}-{'warm' if warm else 'fresh'}" for how, warm in cases]
        metafunc.parametrize(("how", "warm"), marked, ids=names)


@pytest.fixture
def differences():
    """What differs after a training with a range test in it from one without; and how the test ended."""

    def compare(make_model, make_optimizer, how, warm, *, make_loader=shuffled, criterion=None, steps=6):
        ends, ended = [], None
        for with_test in (False, True):
            nn.modules.module._global_forward_hooks.clear()  # those of the training before
            random.seed(0)
            np.random.seed(0)
            torch.manual_seed(0)
            model = make_model()
            training = Training(
                model,
                make_optimizer(model),
                nn.CrossEntropyLoss() if criterion is None else criterion(),
                make_loader(),
                [],
            )
            training.train(3 if warm else 0)
            if with_test:
                objects = [*model.parameters(), *model.buffers()]
                try:
                    run_test(training, how)
                except (Exception, KeyboardInterrupt) as error:
                    ended = error
                now = [*model.parameters(), *model.buffers()]
                assert len(now) == len(objects)
                assert all(a is b for a, b in zip(now, objects, strict=True)), "other tensors than before"
            training.train(steps)
            ends.append(training.content())
        without, with_one = ends
        return [key for key in without if not same(without[key], with_one[key])], ended

    return compare
