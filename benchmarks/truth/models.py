"""The models of the benchmark that lrfind does not bring itself."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from benchmarks.truth.data import ALPHABET

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def cnn(*, norm: bool = False, stride: int = 1) -> nn.Module:
    """Two convolutions of 8 and 16 channels and a linear layer, `(batch, 1, H, W)` to `(batch, 10)`."""
    layers: list[nn.Module] = []
    for n, m in ((1, 8), (8, 16)):
        layers += [nn.Conv2d(n, m, 3, stride=stride), *([nn.BatchNorm2d(m)] if norm else []), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, 10))


def strided_cnn() -> nn.Module:
    """Three convolutions of 16, 32 and 64 channels with batch norm, each halving the picture, for MNIST."""
    layers: list[nn.Module] = []
    for n, m in ((1, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(n, m, 3, stride=2, padding=1), nn.BatchNorm2d(m), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def dropout_mlp() -> nn.Module:
    """784-128-128-10 with half of the hidden units left out, `(batch, 1, 28, 28)` to `(batch, 10)`."""
    first = [nn.Linear(784, 128), nn.ReLU(), nn.Dropout(0.5)]
    second = [nn.Linear(128, 128), nn.ReLU(), nn.Dropout(0.5)]
    return nn.Sequential(nn.Flatten(), *first, *second, nn.Linear(128, 10))


def dense(
    *, sizes: Sequence[int], norm: str | None = None, dropout: float = 0.0, activation: str = "relu"
) -> nn.Module:
    """A perceptron of these widths, inputs first, on whatever is flattened.

    Args:
        sizes: Widths.
        norm: `batch` or `layer`, before each activation.
        dropout: Share of the hidden units that is left out.
        activation: `relu`, `leaky`, which lets a little of what is below zero pass, `tanh` or `gelu`.
    """
    norms = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
    kinds: dict[str, Callable[[], nn.Module]] = {
        "relu": nn.ReLU,
        "leaky": partial(nn.LeakyReLU, 0.1),
        "tanh": nn.Tanh,
        "gelu": nn.GELU,
    }
    active = kinds[activation]
    layers: list[nn.Module] = [nn.Flatten()]
    for n, m in pairwise(sizes[:-1]):
        layers += [nn.Linear(n, m), *([norms[norm](m)] if norm else [])]
        layers += [active(), *([nn.Dropout(dropout)] if dropout else [])]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


def dropout_cnn(*, dropout: float = 0.25) -> nn.Module:
    """Two convolutions, each pooled, and a head of two layers with dropout, for MNIST."""
    first = [nn.Conv2d(1, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU()]
    head = [nn.Dropout(dropout), nn.Linear(16 * 36, 64), nn.ReLU(), nn.Dropout(2 * dropout)]
    return nn.Sequential(*first, nn.Flatten(), *head, nn.Linear(64, 10))


def zero_head_mlp(*, sizes: Sequence[int]) -> nn.Module:
    """A perceptron of these widths, inputs first, whose last layer begins at zero."""
    layers: list[nn.Module] = []
    for n, m in pairwise(sizes):
        layers += [nn.Linear(n, m), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    for parameter in model[-1].parameters():
        nn.init.zeros_(parameter)
    return model


def char_mlp() -> nn.Module:
    """The next character from 16 embedded ones, `(batch, 16)` to `(batch, 128)`."""
    layers = [nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, ALPHABET)]
    return nn.Sequential(nn.Embedding(ALPHABET, 8), nn.Flatten(), *layers)


class CharLSTM(nn.Module):
    """The next character from the last state."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(ALPHABET, 16), nn.LSTM(16, 32)
        self.head = nn.Linear(32, ALPHABET)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of shape (batch, 128) from characters of shape (batch, length)."""
        return self.head(self.lstm(self.embedding(x.T))[0][-1])


class LongLSTM(nn.Module):
    """The next character at every place, from the state of a layer of 96 units."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(ALPHABET, 32), nn.LSTM(32, 96)
        self.head = nn.Linear(96, ALPHABET)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of shape (batch, 128, length) from characters of shape (batch, length)."""
        return self.head(self.lstm(self.embedding(x.T))[0]).permute(1, 2, 0)


class CharGRU(nn.Module):
    """The next character from the last state of a gated recurrent layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.gru = nn.Embedding(ALPHABET, 24), nn.GRU(24, 48)
        self.head = nn.Linear(48, ALPHABET)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of shape (batch, 128) from characters of shape (batch, length)."""
        return self.head(self.gru(self.embedding(x.T))[0][-1])


class RowsLSTM(nn.Module):
    """A picture of 8x8 read row by row, and its class from the last state."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(8, 32), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of shape (batch, 10) from pictures of shape (batch, 1, 8, 8)."""
        return self.head(self.lstm(x.squeeze(1).transpose(0, 1))[0][-1])


class RowsGRU(nn.Module):
    """A picture read row by row, and its class from the last state."""

    def __init__(self, width: int = 8, num_outputs: int = 10) -> None:
        super().__init__()
        self.gru, self.head = nn.GRU(width, 32), nn.Linear(32, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of shape (batch, classes) from pictures of shape (batch, 1, height, width)."""
        return self.head(self.gru(x.squeeze(1).transpose(0, 1))[0][-1])


class _Block(nn.Module):
    """Attention to what came before, and a perceptron, each added to its normalised input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.perceptron = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Shape (batch, length, width) to the same."""
        batch, length, width = x.shape
        split = self.qkv(self.before(x)).view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4).unbind(0)
        seen = scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.mix(seen.transpose(1, 2).reshape(batch, length, width))
        return x + self.perceptron(self.between(x))


class CharTransformer(nn.Module):
    """A decoder of two layers that says the next character at every place."""

    def __init__(self, length: int = 32, width: int = 32, heads: int = 4, layers: int = 2) -> None:
        super().__init__()
        self.embedding, self.places = nn.Embedding(ALPHABET, width), nn.Embedding(length, width)
        self.blocks = nn.Sequential(*(_Block(width, heads) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, ALPHABET)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of shape (batch, 128, length) from characters of shape (batch, length)."""
        places = torch.arange(x.shape[1], device=x.device)
        seen = self.blocks(self.embedding(x) + self.places(places))
        return self.head(self.norm(seen)).transpose(1, 2)


class _Residual(nn.Module):
    """Two convolutions with batch norm beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first, second = (nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2))
        self.branch = nn.Sequential(
            first, nn.BatchNorm2d(channels), nn.ReLU(), second, nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Shape (batch, channels, height, width) to the same."""
        return torch.relu(x + self.branch(x))


def residual_cnn(*, channels: int = 12, blocks: int = 2, num_outputs: int = 10) -> nn.Module:
    """A small residual network for MNIST, `(batch, 1, 28, 28)` to `(batch, num_outputs)`."""
    stem = [nn.Conv2d(1, channels, 5, stride=3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()]
    body = [_Residual(channels) for _ in range(blocks)]
    head = nn.Linear(9 * channels, num_outputs)
    return nn.Sequential(*stem, *body, nn.AdaptiveAvgPool2d(3), nn.Flatten(), head)


class _Basic(nn.Module):
    """A block of ResNet-18: two convolutions with batch norm beside the identity, or a projection of it."""

    def __init__(self, n: int, m: int, stride: int) -> None:
        super().__init__()
        first = nn.Conv2d(n, m, 3, stride=stride, padding=1, bias=False)
        second = nn.Conv2d(m, m, 3, padding=1, bias=False)
        self.branch = nn.Sequential(first, nn.BatchNorm2d(m), nn.ReLU(), second, nn.BatchNorm2d(m))
        projection = (nn.Conv2d(n, m, 1, stride=stride, bias=False), nn.BatchNorm2d(m))
        self.past = nn.Identity() if n == m and stride == 1 else nn.Sequential(*projection)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (batch, n, height, width) to (batch, m, height / stride, width / stride)."""
        return torch.relu(self.past(x) + self.branch(x))


def resnet18(*, width: int = 32, num_outputs: int = 10) -> nn.Module:
    """ResNet-18 with `width` channels where it has 64, for pictures of about 48 pixels.

    As the original has it (He et al., arXiv 1512.03385), but that its first convolution is 3x3.
    """
    stem = [nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    layers: list[nn.Module] = [*stem, nn.MaxPool2d(3, stride=2, padding=1)]
    widths = [width, width, 2 * width, 4 * width, 8 * width]
    for i, (n, m) in enumerate(pairwise(widths)):
        layers += [_Basic(n, m, 1 if i == 0 else 2), _Basic(m, m, 1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8 * width, num_outputs))
