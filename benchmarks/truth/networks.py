"""The models of the drawn tasks, each of a kind, for inputs of any shape that the kind can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from benchmarks.truth.data import ALPHABET

if TYPE_CHECKING:
    from collections.abc import Callable

_WIDTH = 32


def convolutions(
    *, channels: int, norm: str | None = None, dropout: float = 0.0, num_outputs: int = 10
) -> nn.Module:
    """Two convolutions of 16 and 32 channels, each halving the picture, and a linear layer.

    Args:
        channels: Of a picture.
        norm: `batch` or `group`, before each activation.
        dropout: Share of the last features that is left out.
        num_outputs: Classes.
    """
    norms: dict[str, Callable[[int], nn.Module]] = {
        "batch": nn.BatchNorm2d,
        "group": lambda width: nn.GroupNorm(4, width),
    }
    layers: list[nn.Module] = []
    for n, m in ((channels, 16), (16, 32)):
        layers += [nn.Conv2d(n, m, 3, stride=2, padding=1), *([norms[norm](m)] if norm else []), nn.ReLU()]
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(dropout), nn.Linear(128, num_outputs)
    )


class _Sequence(nn.Module):
    """Places of a sequence as `_WIDTH` numbers each: characters embedded, the rows of a picture as they are.

    Args:
        inputs: Numbers at a place; None: characters.
    """

    def __init__(self, inputs: int | None) -> None:
        super().__init__()
        self.places = nn.Embedding(ALPHABET, _WIDTH) if inputs is None else nn.Linear(inputs, _WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (batch, length, `_WIDTH`)."""
        if x.ndim == 4:  # (batch, channels, height, width)
            x = x.transpose(1, 2).flatten(2)
        return self.places(x)


class Recurrent(nn.Module):
    """A recurrent layer, and a linear one on its last state.

    Args:
        cell: `rnn`, `lstm` or `gru`.
        inputs: As `_Sequence` has it.
        num_outputs: Classes, or width of the target.
        dropout: Share of the last state that is left out.
    """

    def __init__(self, *, cell: str, inputs: int | None, num_outputs: int, dropout: float = 0.0) -> None:
        super().__init__()
        layer = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell]
        self.read, self.layer = _Sequence(inputs), layer(_WIDTH, _WIDTH, batch_first=True)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(_WIDTH, num_outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Shape (batch, outputs)."""
        return self.head(self.layer(self.read(x))[0][:, -1])


class Convolutions(nn.Module):
    """Two convolutions along a sequence, the largest of each channel, and a linear layer.

    Args:
        inputs: As `_Sequence` has it.
        num_outputs: Classes, or width of the target.
        dropout: Share of the last features that is left out.
    """

    def __init__(self, *, inputs: int | None, num_outputs: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.read = _Sequence(inputs)
        first, second = (nn.Conv1d(_WIDTH, _WIDTH, 5, padding=2) for _ in range(2))
        self.body = nn.Sequential(first, nn.ReLU(), second, nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(_WIDTH, num_outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Shape (batch, outputs)."""
        return self.head(self.body(self.read(x).transpose(1, 2)).amax(2))


class Attention(nn.Module):
    """One layer of a transformer that sees all places, their mean, and a linear layer.

    Args:
        length: Places.
        inputs: As `_Sequence` has it.
        num_outputs: Classes, or width of the target.
        dropout: Share left out wherever a transformer leaves out.
    """

    def __init__(self, *, length: int, inputs: int | None, num_outputs: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.read, self.where = _Sequence(inputs), nn.Parameter(0.02 * torch.randn(length, _WIDTH))
        self.layer = nn.TransformerEncoderLayer(
            _WIDTH, 4, dim_feedforward=4 * _WIDTH, dropout=dropout, batch_first=True, norm_first=True
        )
        self.head = nn.Linear(_WIDTH, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (batch, outputs)."""
        return self.head(self.layer(self.read(x) + self.where).mean(1))
