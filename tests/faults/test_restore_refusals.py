"""What refuses to be copied or to be put back is named, and keeps nothing else from being put back."""

import itertools
import warnings

import pytest
import torch
from torch import nn

from lrfind import range_test
from lrfind.errors import RestoreError
from lrfind.training.snapshot import Snapshot, preserved


class Sealed(torch.Tensor):
    """A tensor that lets itself be written to until it is sealed."""

    sealed = False

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is torch.Tensor.copy_ and cls.sealed:
            raise RuntimeError("this tensor is sealed")
        return super().__torch_function__(function, types, args, kwargs or {})


@pytest.fixture
def sealed_model():
    Sealed.sealed = False
    model = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3))
    model[0].register_buffer("first", torch.ones(2).as_subclass(Sealed))
    model[1].register_buffer("second", torch.ones(2).as_subclass(Sealed))
    model[1].register_buffer("untouched", torch.ones(2).as_subclass(Sealed))
    yield model, torch.optim.Adam(model.parameters(), lr=0.1)
    Sealed.sealed = False


def disturb(model, optimizer):
    model(torch.ones(2, 5)).sum().backward()
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 10.0
    model[0].first.add_(1)
    model[1].second.add_(1)
    Sealed.sealed = True


def test_every_tensor_that_refuses_is_named_and_all_else_is_put_back(sealed_model):
    model, optimizer = sealed_model
    before = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(RestoreError) as refused, preserved(model, optimizer):
        disturb(model, optimizer)
    message = str(refused.value)
    assert "model.0.first (this tensor is sealed)" in message
    assert "model.1.second (this tensor is sealed)" in message
    assert "untouched" not in message
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert not optimizer.state


@pytest.mark.parametrize("raised", [ZeroDivisionError, KeyboardInterrupt])
def test_an_exception_under_way_stays_the_one_that_is_raised(sealed_model, raised):
    model, optimizer = sealed_model

    def disturbed():
        with preserved(model, optimizer):
            disturb(model, optimizer)
            raise raised

    with pytest.warns(UserWarning, match=r"model\.0\.first .*model\.1\.second"), pytest.raises(raised):
        disturbed()
    assert optimizer.param_groups[0]["lr"] == 0.1


def batches():
    return [(torch.randn(8, 5), torch.randint(0, 3, (8,))) for _ in range(4)]


def test_what_cannot_be_copied_is_warned_of_by_name():
    model = nn.Sequential(nn.Linear(5, 3))
    model[0].noise = iter(itertools.count())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer.rates = (rate for rate in (0.1, 0.2))
    with pytest.warns(
        UserWarning, match=r"model\.0\.noise \(count\).*optimizer\.rates \(generator\)|optimizer.*model"
    ):
        range_test(model, optimizer, nn.CrossEntropyLoss(), batches(), num_steps=5)


def test_ordinary_objects_are_not_warned_of():
    model = nn.Sequential(nn.Conv1d(1, 2, 2), nn.Flatten(), nn.LazyLinear(3), nn.Dropout())
    model(torch.ones(2, 1, 5))
    optimizer = torch.optim.AdamW(model.parameters())
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3)
    scaler = torch.amp.GradScaler("cpu")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with preserved(model, optimizer, scaler=scaler, loader=torch.utils.data.DataLoader(batches())):
            optimizer.step()
            scheduler.step()
    assert warned == []


def test_a_snapshot_leaves_nothing_behind_when_it_is_dropped():
    import gc
    import weakref

    model = nn.Linear(5, 3)
    snapshot = Snapshot(model, torch.optim.SGD(model.parameters(), lr=0.1))
    dropped = weakref.ref(snapshot._objects)
    gc.disable()
    try:
        del snapshot
        assert dropped() is None  # at once, not when a collector comes by: it holds a model's worth of memory
    finally:
        gc.enable()


def test_objects_that_hold_locks_and_loggers_are_left_alone():
    import logging
    import threading

    class Board:
        def __init__(self):
            self.lock, self.lines = threading.Lock(), []

    model = nn.Linear(5, 3)
    model.board, model.logger = Board(), logging.getLogger("somewhere")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with preserved(model, optimizer):
        model.board.lines.append("told")
        model.logger.setLevel(logging.DEBUG)
    assert model.board.lines == ["told"]
    assert model.logger.level == logging.DEBUG


def test_what_a_hook_writes_down_in_a_closure_stays():
    model, seen = nn.Linear(5, 3), []
    model.register_forward_hook(
        lambda module, inputs, output: seen.append(float(output.detach().abs().max()))
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    range_test(model, optimizer, nn.CrossEntropyLoss(), batches(), num_steps=5)
    assert len(seen) >= 5
