"""A model and a data set of one's own: nothing in them knows of lrfind."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset


class Spirals(Dataset[tuple[Tensor, Tensor]]):
    """Points on spirals, and which of them each is on.

    Args:
        samples: Number of points.
        arms: Number of spirals.
        noise: Standard deviation about the spiral.
    """

    def __init__(self, samples: int = 2000, arms: int = 3, noise: float = 0.02) -> None:
        generator = torch.Generator().manual_seed(0)
        self.labels = torch.arange(samples) % arms
        turn = torch.rand(samples, generator=generator)
        angle = 4 * turn + 2 * torch.pi * self.labels / arms
        self.points = turn[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
        self.points += noise * torch.randn(samples, 2, generator=generator)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.points[index], self.labels[index]


class Net(nn.Module):
    """A perceptron on points of the plane.

    Args:
        width: Of both hidden layers.
        classes: Number of outputs.
    """

    def __init__(self, width: int = 64, classes: int = 3) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, classes)
        )

    def forward(self, points: Tensor) -> Tensor:
        return self.layers(points)
