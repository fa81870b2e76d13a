"""A plain PyTorch training script that asks for its learning rate before it trains.

    python examples/pytorch/train.py [--lr LR] [--epochs N]

Without `--lr` a range test finds the rate; the model is afterwards bitwise what it was, and trains from
there.
"""

from __future__ import annotations

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

from lrfind import range_test


def spirals(samples: int = 2000) -> TensorDataset:
    """Points on two spirals, and which of the two each is on."""
    generator = torch.Generator().manual_seed(0)
    label = torch.arange(samples) % 2
    angle = torch.pi * (0.5 + 1.5 * torch.rand(samples, generator=generator))
    points = torch.stack([angle.cos(), angle.sin()], dim=1) * angle[:, None] / 5
    points = torch.where(label[:, None] == 1, -points, points)
    return TensorDataset(points + 0.02 * torch.randn(samples, 2, generator=generator), label)


def main() -> None:
    """Finds the rate, trains, and says how many held-out points are right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lr", type=float, help="the learning rate; without it a range test finds one")
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()

    torch.manual_seed(0)
    train, test = random_split(spirals(), [1600, 400])
    loader = DataLoader(train, batch_size=32, shuffle=True)
    model = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=options.lr or 0.1, momentum=0.9)
    criterion = nn.CrossEntropyLoss()

    if options.lr is None:
        result = range_test(model, optimizer, criterion, loader)
        print(result.verdict)
        if result.suggestion is None:
            raise SystemExit("No learning rate can be suggested: give one with --lr.")
        print(f"learning rate {result.apply(optimizer):.3g}")

    for _ in range(options.epochs):
        for inputs, target in loader:
            optimizer.zero_grad()
            criterion(model(inputs), target).backward()
            optimizer.step()

    points, labels = test.dataset[test.indices]
    right = (model(points).argmax(1) == labels).float().mean().item()
    print(f"{right:.1%} of the held-out points are right")


if __name__ == "__main__":
    main()
