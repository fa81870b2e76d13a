"""How often a rate is suggested where there is nothing to learn: `python -m benchmarks.truth.nothing`.

Inputs and targets are drawn anew for every batch and know nothing of each other. Where the head of the
network begins at zero there is nothing to unlearn either; where it begins as PyTorch has it, its first
answers are worse than none, and the loss falls until it has settled. Four optimizers, two losses, batches of
8 and 64.
"""

from __future__ import annotations

import argparse
from itertools import product
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lrfind import range_test

if TYPE_CHECKING:
    from collections.abc import Iterator

OPTIMIZERS = {
    "SGD": {"lr": 0.1},
    "SGD with momentum": {"lr": 0.1, "momentum": 0.9},
    "Adam": {},
    "RMSprop": {},
}


class Noise:
    """Batches without end, other ones every time it is begun."""

    def __init__(self, batch_size: int, classes: bool, seed: int) -> None:
        self._size, self._classes = batch_size, classes
        self._stream = torch.Generator().manual_seed(seed)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs of 20 numbers, and a class of ten or a number."""
        while True:
            x = torch.randn(self._size, 20, generator=self._stream)
            if self._classes:
                yield x, torch.randint(10, (self._size,), generator=self._stream)
            else:
                yield x, torch.randn(self._size, 1, generator=self._stream)


def answers(
    optimizer: str, *, classes: bool, batch_size: int, seed: int, repeats: int | str, settled: bool
) -> str:
    """What a range test of noise suggests: `none`, or a rate that is `warned` of or `silent`."""
    torch.manual_seed(seed)
    head = nn.Linear(64, 10 if classes else 1)
    if settled:
        for parameter in head.parameters():
            nn.init.zeros_(parameter)
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), head)
    kind = getattr(torch.optim, optimizer.split()[0])
    made = kind(model.parameters(), **OPTIMIZERS[optimizer])
    criterion: nn.Module = nn.CrossEntropyLoss() if classes else nn.MSELoss()
    loader = Noise(batch_size, classes, 10**6 + seed)
    found = range_test(model, made, criterion, loader, repeats=repeats)
    return "none" if found.suggestion is None else "warned" if found.warnings else "silent"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=25, help="of each of the 32 kinds")
    args = parser.parse_args()
    torch.set_num_threads(1)
    modes: tuple[int | str, ...] = (1, "auto")
    for settled, classes, repeats in product((True, False), (True, False), modes):
        found = [
            answers(name, classes=classes, batch_size=size, seed=seed, repeats=repeats, settled=settled)
            for name, size, seed in product(OPTIMIZERS, (8, 64), range(args.seeds))
        ]
        head = "at zero" if settled else "of PyTorch"
        print(
            f"head {head}, {'classes' if classes else 'numbers'}, range.repeats={repeats}: "
            f"a rate in {len(found) - found.count('none')} of {len(found)}, "
            f"{found.count('silent')} of them without a warning",
            flush=True,
        )


if __name__ == "__main__":
    main()
