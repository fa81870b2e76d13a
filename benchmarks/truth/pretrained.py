"""Models that were trained before on something else; the start is trained once and kept beside this file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from benchmarks.truth.data import digits_of, dogs_of
from benchmarks.truth.models import cnn, resnet18

if TYPE_CHECKING:
    from collections.abc import Callable

STARTS = Path(__file__).parent / "starts"
"""Where the state dicts are kept; delete it to train them again."""


def digits_mlp(num_outputs: int = 5) -> nn.Module:
    """64-64-64-5 trained on the digits 0 to 4, with a new head: what it has learnt is meant for 5 to 9."""
    trunk = [nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()]
    model = nn.Sequential(*trunk, nn.Linear(64, num_outputs))
    state = started("digits_0_to_4", model, _first_digits, epochs=20)
    state = {key: value for key, value in state.items() if not key.startswith("5.")}
    model.load_state_dict(state, strict=False)
    return model


def mnist_cnn() -> nn.Module:
    """The network with batch norm trained on 10,000 MNIST images, head included, to meet other digits."""
    model = cnn(norm=True, stride=2)
    model.load_state_dict(started("mnist", model, _mnist, epochs=3))
    return model


def dogs_resnet(num_outputs: int = 5) -> nn.Module:
    """ResNet-18 of half the width trained on five of the ten breeds, with a new head for the other five."""
    model = resnet18(num_outputs=num_outputs)
    head = f"{len(list(model.children())) - 1}."
    state = started("dogs_0_to_4", model, _first_dogs, epochs=20)
    model.load_state_dict({k: v for k, v in state.items() if not k.startswith(head)}, strict=False)
    return model


def _first_dogs() -> tuple[Tensor, Tensor]:
    x, y = dogs_of(str(Path(os.environ["LRFIND_DATA"]) / "dogbreed"), range(5)).dataset.tensors
    return x, y


def _first_digits() -> tuple[Tensor, Tensor]:
    x, y = digits_of(range(5)).dataset.tensors
    return x, y


def _mnist() -> tuple[Tensor, Tensor]:
    from lrfind.tasks.data.readers import read_mnist

    images, labels = read_mnist("MNIST", str(Path(os.environ["LRFIND_DATA"]) / "mnist"), False)
    return (images[:10_000].float().view(-1, 1, 28, 28) / 255 - 0.1307) / 0.3081, labels[:10_000]


def started(
    name: str,
    like: nn.Module,
    samples: Callable[[], tuple[Tensor, Tensor]],
    *,
    epochs: int,
    loss: Callable[..., Tensor] = nn.functional.cross_entropy,
) -> dict[str, Tensor]:
    """The trained weights, from the file where there is one; no random stream is moved by it."""
    path = STARTS / f"{name}.pt"
    if not path.is_file():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            state = _trained(like, *samples(), epochs=epochs, loss=loss)
        path.parent.mkdir(exist_ok=True)
        aside = path.with_suffix(f".{os.getpid()}")
        torch.save(state, aside)
        aside.replace(path)
    return torch.load(path, weights_only=True)


def _trained(
    like: nn.Module, x: Tensor, y: Tensor, *, epochs: int, loss: Callable[..., Tensor]
) -> dict[str, Tensor]:
    import copy

    model = copy.deepcopy(like)
    for layer in model.modules():
        if callable(reset := getattr(layer, "reset_parameters", None)):
            reset()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(epochs):
        for index in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            loss(model(x[index]), y[index]).backward()
            optimizer.step()
    return model.state_dict()
