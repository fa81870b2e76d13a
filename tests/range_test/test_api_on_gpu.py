"""`range_test` on a GPU leaves nothing behind: model, optimizer, random streams and memory."""

import copy

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfind import range_test
from lrfind.training.initial_model import InitialModel, initial_model_nbytes
from lrfind.training.objective import Objective

pytestmark = pytest.mark.gpu


def parts(device, *, hidden=32):
    torch.manual_seed(0)
    x = torch.randn(256, 6)
    y = (x.sum(1) > 0).long()
    model = nn.Sequential(
        nn.Linear(6, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(0.2), nn.Linear(hidden, 2)
    ).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.3)
    loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
    nn.functional.cross_entropy(model(x.to(device)), y.to(device)).backward()
    optimizer.step()  # so that the optimizer, and the gradients, have something to be put back
    return model, optimizer, nn.CrossEntropyLoss(), loader


def state(model, optimizer, device):
    """All that training hangs on, copied."""
    found = {
        "model": {name: value.clone() for name, value in model.state_dict().items()},
        "gradients": [p.grad.clone() for p in model.parameters()],
        "optimizer": copy.deepcopy(optimizer.state_dict()),
        "cpu": torch.get_rng_state(),
    }
    if device.type == "cuda":
        found["cuda"] = torch.cuda.get_rng_state(device)
    return found


def assert_same(one, other):
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
        assert one.device == other.device
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key, value in one.items():
            assert_same(value, other[key])
    elif isinstance(one, (list, tuple)):
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        assert one == other


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("ends", ["well", "by an error", "by an interrupt"])
def test_everything_is_put_back_to_the_last_bit(gpu, precision, paired, ends):
    device = torch.device(gpu)
    model, optimizer, criterion, loader = parts(device)
    before = state(model, optimizer, device)

    def on_step(step):
        if step.index == 12 and ends != "well":
            raise KeyboardInterrupt if ends == "by an interrupt" else ArithmeticError

    def run():
        return range_test(
            model, optimizer, criterion, loader, precision=precision, paired=paired, on_step=on_step
        )

    if ends == "well":
        assert len(run().curve) > 10
    else:
        with pytest.raises((KeyboardInterrupt, ArithmeticError)):
            run()
    assert_same(state(model, optimizer, device), before)


@pytest.mark.parametrize("paired", [False, True])
def test_no_memory_is_kept_after_the_test(gpu, paired):
    if gpu == "cpu":
        pytest.skip("the CPU's allocator does not say what it gave")
    made = parts(torch.device(gpu), hidden=4096)
    range_test(*made, paired=paired)  # cuBLAS makes its workspace once
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated(gpu)
    result = range_test(*made, paired=paired)
    torch.cuda.synchronize()
    assert torch.cuda.memory_allocated(gpu) == before
    assert len(result.curve) > 10


def test_a_control_takes_the_memory_that_was_told(gpu):
    model, optimizer, criterion, _ = parts(torch.device(gpu), hidden=4096)
    objective = Objective(model, criterion)
    told = initial_model_nbytes(objective, optimizer)
    if gpu == "cpu":
        assert told == 4 * (13 * 4096 + 2) + 8  # the floats of all layers, and the count of batch norm
        return
    before = torch.cuda.memory_allocated(gpu)
    control = InitialModel(objective, optimizer)
    taken = torch.cuda.memory_allocated(gpu) - before
    assert told <= taken <= told + 512 * 16  # the allocator gives multiples of 512 bytes
    del control
