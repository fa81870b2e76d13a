"""Fine-tunes a torchvision model on pictures in folders, one a class, with the rate that a range test finds.

    python examples/fine_tuning/finetune.py DIR [--weights DEFAULT] [--steps 100] [--size 96]

The head is new and gets the suggested rate, the backbone a tenth of it: two groups of parameters, whose ratio
the range test keeps. Without `--weights` the backbone begins untrained, and nothing is downloaded.
"""

from __future__ import annotations

import argparse
from itertools import cycle, islice

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.models import get_model

from lrfind import range_test

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def main() -> None:
    """Finds the rate, trains with it, and says how the loss fell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="a folder of class folders")
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--weights", help="DEFAULT, or a name such as IMAGENET1K_V1; none: untrained")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch-size", type=int, default=16)
    options = parser.parse_args()

    torch.manual_seed(0)
    look = transforms.Compose(
        [
            transforms.RandomResizedCrop(options.size, scale=(0.5, 1.0)),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    pictures = ImageFolder(options.folder, look)
    loader = DataLoader(pictures, batch_size=options.batch_size, shuffle=True, drop_last=True)
    model = get_model(options.model, weights=options.weights)
    model.fc = nn.Linear(model.fc.in_features, len(pictures.classes))
    backbone = [value for name, value in model.named_parameters() if not name.startswith("fc.")]
    optimizer = torch.optim.SGD(
        [
            {"name": "backbone", "params": backbone, "lr": 0.001},
            {"name": "head", "params": model.fc.parameters(), "lr": 0.01},
        ],
        momentum=0.9,
    )
    criterion = nn.CrossEntropyLoss()

    result = range_test(model, optimizer, criterion, loader, progress=True)
    print(result.verdict)
    if result.suggestion is None:
        raise SystemExit("No learning rate can be suggested.")
    result.apply(optimizer)
    for group in optimizer.param_groups:
        print(f"{group['name']}: {group['lr']:.3g}")

    losses = []
    model.train()
    for inputs, target in islice(cycle(loader), options.steps):
        loss = criterion(model(inputs), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    few = max(1, len(losses) // 10)
    print(f"loss {sum(losses[:few]) / few:.3g} at the start, {sum(losses[-few:]) / few:.3g} at the end")


if __name__ == "__main__":
    main()
