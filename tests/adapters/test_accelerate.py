"""Objects that Accelerate has prepared: the curve of the plain loop, with its accumulation and precision."""

import copy

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfind import range_test
from lrfind.errors import OptimizerError

accelerate = pytest.importorskip("accelerate", reason="not installed: pip install accelerate")

pytestmark = pytest.mark.filterwarnings("ignore")  # of accelerate's own

X = torch.randn(240, 4, generator=torch.Generator().manual_seed(0))
Y = (X.sum(1) > 0).long()


@pytest.fixture(autouse=True)
def no_state_left():
    """Accelerate keeps one state a process, with the precision of the first."""
    yield
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    accelerate.state.GradientState._reset_state()


def parts():
    """A model with dropout, its optimizer with a warm-up, and shuffled batches."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return model, optimizer, DataLoader(TensorDataset(X, Y), batch_size=20)


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_the_curve_is_that_of_the_plain_loop(precision):
    options = {"num_steps": 10, "repeats": 1, "accumulation_steps": 2}
    model, optimizer, loader = parts()
    torch.manual_seed(1)
    plain = {} if precision == "no" else {"precision": "bf16"}
    expected = range_test(model, optimizer, nn.CrossEntropyLoss(), loader, **options, **plain)

    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=2, mixed_precision=precision)
    given, optimizer, loader = parts()
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(step / 10, 1))
    model, optimizer, loader, scheduler = accelerator.prepare(given, optimizer, loader, scheduler)
    before = copy.deepcopy(model.state_dict())
    torch.manual_seed(1)
    options["accumulation_steps"] = accelerator.gradient_accumulation_steps
    found = range_test(model, optimizer, nn.CrossEntropyLoss(), loader, **options)
    assert found.title == "Sequential, SGD (momentum 0.9)"  # Accelerate's loaders have no batch size
    tolerance = 0 if precision == "no" else 1e-2  # accelerate computes the loss itself in float32
    assert found.losses == pytest.approx(expected.losses, rel=tolerance)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_an_optimizer_with_a_scaler_in_it_is_refused():
    accelerator = accelerate.Accelerator(cpu=True)
    model, optimizer, loader = parts()
    optimizer = accelerator.prepare(optimizer)
    optimizer.scaler = torch.amp.GradScaler("cpu")  # as with mixed_precision="fp16", which wants a GPU
    with pytest.raises(OptimizerError, match=r"gradient scaler in it.*before accelerator\.prepare"):
        range_test(model, optimizer, nn.CrossEntropyLoss(), loader)
