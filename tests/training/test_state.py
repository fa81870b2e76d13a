"""The state of a training run, saved as arrays and put back bitwise."""

import copy
import io
import random

import numpy as np
import pytest
import torch
from torch import nn

from lrfind.training.state import about, packed, unpack


def a_model(seed=0, dtype=torch.float32):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1)).to(dtype)


def train(model, optimizer, steps):
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(torch.randn(8, 3, dtype=next(model.parameters()).dtype)).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def through_a_file(arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    stream.seek(0)
    with np.load(stream, allow_pickle=False) as loaded:
        return {name: loaded[name] for name in loaded.files}


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, lr=0.1),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
        lambda p: torch.optim.Adam(p, lr=0.01),
        lambda p: torch.optim.AdamW(p, lr=0.01, amsgrad=True),
        lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
        lambda p: torch.optim.Adagrad(p, lr=0.01),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_training_goes_on_bitwise(make, dtype):
    model = a_model(dtype=dtype)
    optimizer = make(model.parameters())
    train(model, optimizer, 3)
    arrays = through_a_file(packed(model, optimizer, about={"loss": float("nan"), "at": 0.1}))
    expected = train(model, optimizer, 3)
    other = a_model(seed=1, dtype=dtype)
    again = make(other.parameters())
    unpack(arrays, other, again)
    assert train(other, again, 3) == expected
    for one, two in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(one, two)
    assert about(arrays)["at"] == 0.1
    assert np.isnan(about(arrays)["loss"])


def test_every_random_stream_goes_on():
    model = a_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    np.random.standard_normal()
    random.gauss(0, 1)
    arrays = packed(model, optimizer)

    def draw():
        return torch.rand(3).tolist(), np.random.standard_normal(3).tolist(), random.gauss(0, 1)

    first = draw()
    unpack(arrays, model, optimizer)
    assert draw() == first


def test_a_state_of_another_model_is_refused():
    model = a_model()
    arrays = packed(model, torch.optim.SGD(model.parameters(), lr=0.1))
    other = nn.Linear(3, 1)
    with pytest.raises(ValueError, match="another model's state"):
        unpack(arrays, other, torch.optim.SGD(other.parameters(), lr=0.1))
    wider = copy.deepcopy(model)
    wider[0] = nn.Linear(5, 4)
    with pytest.raises(ValueError, match=r"another model's state: 0\.weight differs"):
        unpack(arrays, wider, torch.optim.SGD(wider.parameters(), lr=0.1))
    with pytest.raises(ValueError, match="holds no state"):
        about({})


def test_what_cannot_be_said_without_a_pickle_is_refused():
    model = a_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer.state[model[0].weight]["history"] = object()
    with pytest.raises(TypeError, match="the optimizer keeps a object, which cannot be saved"):
        packed(model, optimizer)
