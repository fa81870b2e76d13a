"""The networks of the package; each factory reads the widths of its input and output off the data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import nn

from lrfind.errors import ModelError
from lrfind.tasks.models.heads import Size, output_size, sizes_of, stated
from lrfind.tasks.models.library import require_pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lrfind.tasks.data.dataset import Data

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}


def mlp(
    *,
    hidden_sizes: Sequence[int] = (64, 64),
    activation: str | Sequence[str] = "relu",
    init: str | None = None,
    input_size: int | None = None,
    num_outputs: int | None = None,
    data: Data,
) -> nn.Module:
    """Makes a multilayer perceptron, `(batch, ...)` to `(batch, num_outputs)`, the input flattened.

    Args:
        hidden_sizes: Width of each hidden layer; none makes a linear model.
        activation: `relu`, `leaky_relu`, `elu`, `gelu`, `silu`, `sigmoid` or `tanh`; a list gives each hidden
            layer its own.
        init: None for torch's own initial weights, `xavier` for uniform ones (Glorot and Bengio 2010,
            equation 16) and biases of zero.
        input_size: Numbers in one input; None takes it from the data.
        num_outputs: Width of the output; None takes it from the data.
        data: What the model will meet.

    Raises:
        ModelError: A size is not positive, the activation is unknown, or the data does not say a width.
    """
    sizes = sizes_of("model.hidden_sizes", hidden_sizes)
    names = [activation] * len(sizes) if isinstance(activation, str) else list(activation)
    for name in [activation] if isinstance(activation, str) else names:
        if name not in _ACTIVATIONS:
            raise ModelError(f"model.activation={name} is unknown; type one of {', '.join(_ACTIVATIONS)}.")
    if len(names) != len(sizes):
        raise ModelError(
            f"model.activation={names} must have one for each of the {len(sizes)} hidden layers of "
            "model.hidden_sizes, or be one name for all."
        )
    if init not in (None, "xavier"):
        raise ModelError(f"model.init={init} is unknown; type xavier, or null for torch's own.")
    numbers = None if data.input_shape is None else math.prod(data.input_shape)
    unknown = "how large an input is; type model.input_size=N, the count of numbers in one input."
    size = Size("model.input_size", input_size, numbers, unknown)
    width, outputs = stated(data, size, output_size(num_outputs, data))
    layers: list[nn.Module] = [nn.Flatten()]
    for hidden, name in zip(sizes, names, strict=True):
        layers += [nn.Linear(width, hidden), _ACTIVATIONS[name]()]
        width = hidden
    layers.append(nn.Linear(width, outputs))
    model = nn.Sequential(*layers)
    if init == "xavier":
        _xavier(model)
    return model


def mnist_mlp(*, data: Data) -> nn.Module:
    """Makes the network 784-100-10 with ReLU and log-softmax, `(batch, 1, 28, 28)` to `(batch, 10)`.

    Source: Gugger, "How do you find a good learning rate" (2018), https://sgugger.github.io. Its loss is the
    negative log likelihood, `criterion=nll`.
    """
    _require_sizes("mnist_mlp", data, num_inputs=784, num_outputs=10, name_outputs="10 classes")
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10), nn.LogSoftmax(dim=1)
    )


def curve_mlp(*, data: Data) -> nn.Module:
    """Makes the textbook's network 1-4-1 with a sigmoid hidden layer, `(batch, 1)` to `(batch, 1)`.

    Weights are Xavier uniform (Glorot and Bengio 2010, equation 16), biases zero. Its loss is the mean
    squared error, `criterion=mse`.
    """
    _require_sizes("curve_mlp", data, num_inputs=1, num_outputs=1, name_outputs="1 output")
    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 4), nn.Sigmoid(), nn.Linear(4, 1))
    _xavier(model)
    return model


def cnn(
    *,
    channels: Sequence[int] = (32, 64),
    in_channels: int | None = None,
    num_outputs: int | None = None,
    data: Data,
) -> nn.Module:
    """Makes a small convolutional net with batch norm, `(batch, C, H, W)` to `(batch, num_outputs)`.

    A block is a 3x3 convolution, batch norm, ReLU and a 2x2 max pooling that rounds up; the last one is
    averaged over the picture, so any size works, from 8x8 on with some sense.

    Args:
        channels: Channels of each block.
        in_channels: Channels of a picture; None takes them from the data.
        num_outputs: Width of the output; None takes it from the data.
        data: What the model will meet.

    Raises:
        ModelError: A size is not positive, the data holds no pictures, or does not say a width.
    """
    shape = data.input_shape
    require_pictures("model=cnn", data)
    unknown = "how many channels a picture has; type model.in_channels=N."
    size = Size("model.in_channels", in_channels, None if shape is None else shape[0], unknown)
    width, outputs = stated(data, size, output_size(num_outputs, data))
    layers: list[nn.Module] = []
    for block in sizes_of("model.channels", channels):
        layers += [
            # Batch norm has a bias of its own.
            nn.Conv2d(width, block, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(block),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
        ]
        width = block
    if layers:
        layers.pop()  # nothing to pool before the average
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, outputs))


def _xavier(model: nn.Sequential) -> None:
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)


def _require_sizes(model: str, data: Data, *, num_inputs: int, num_outputs: int, name_outputs: str) -> None:
    """Refuses data of other sizes than a network of fixed sizes has; unknown sizes pass."""
    got_inputs = num_inputs if data.input_shape is None else math.prod(data.input_shape)
    got_outputs = num_outputs if data.num_outputs is None else data.num_outputs
    if (got_inputs, got_outputs) != (num_inputs, num_outputs):
        raise ModelError(
            f"model={model} takes {num_inputs} numbers an input and {name_outputs}, and {data.name} has "
            f"{got_inputs} and {got_outputs}; type model=mlp, which takes its sizes from the data."
        )
