"""How long a training step takes with one thread and with several, alone and beside busy neighbours.

What the rule of `lrfind.tasks.threads` is fitted on. Rounds of steps with every number of threads follow
each other in one process, so that whatever else the machine does meets all alike; a neighbour is a process
that computes without end, one a core. Of each round the median step counts, of the rounds the median; `alone`
takes the fastest round in place of it, for a machine is seldom quiet. Written as a Markdown table.

    python scripts/bench_threads.py [--rounds 7] [--threads 1,2]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn
from torchvision.models import resnet18, resnet50

from lrfind.tasks.threads import operations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Shape = tuple[int, ...]


def _mlp(width: int, depth: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Linear(64, width), nn.ReLU()]
    for _ in range(depth - 1):
        layers += [nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def _cnn(channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, channels, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(channels, 2 * channels, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(32 * channels, 10),
    )


def _transformer(width: int) -> nn.Module:
    layer = nn.TransformerEncoderLayer(width, 4, 4 * width, batch_first=True, dropout=0.0)
    return nn.Sequential(nn.TransformerEncoder(layer, 2), nn.Flatten(), nn.Linear(64 * width, 10))


CASES: dict[str, tuple[Callable[[], nn.Module], Shape]] = {
    "64-100-10, batch 64": (lambda: _mlp(100, 1), (64, 64)),
    "64-256-256-10, batch 64": (lambda: _mlp(256, 2), (64, 64)),
    "64-512-512-512-10, batch 64": (lambda: _mlp(512, 3), (64, 64)),
    "64-1024-1024-1024-10, batch 64": (lambda: _mlp(1024, 3), (64, 64)),
    "64-1024-1024-1024-10, batch 512": (lambda: _mlp(1024, 3), (512, 64)),
    "CNN of 4 and 8 channels, 8x8, batch 32": (lambda: _cnn(4), (32, 1, 8, 8)),
    "CNN of 16 and 32 channels, 8x8, batch 64": (lambda: _cnn(16), (64, 1, 8, 8)),
    "CNN of 8 and 16 channels, 28x28, batch 64": (lambda: _cnn(8), (64, 1, 28, 28)),
    "CNN of 32 and 64 channels, 28x28, batch 64": (lambda: _cnn(32), (64, 1, 28, 28)),
    "transformer of width 32, 64 tokens, batch 8": (lambda: _transformer(32), (8, 64, 32)),
    "transformer of width 64, 64 tokens, batch 16": (lambda: _transformer(64), (16, 64, 64)),
    "transformer of width 128, 64 tokens, batch 32": (lambda: _transformer(128), (32, 64, 128)),
    "ResNet-18, 32x32, batch 8": (lambda: resnet18(num_classes=10), (8, 3, 32, 32)),
    "ResNet-18, 64x64, batch 16": (lambda: resnet18(num_classes=10), (16, 3, 64, 64)),
    "ResNet-18, 96x96, batch 32": (lambda: resnet18(num_classes=10), (32, 3, 96, 96)),
    "ResNet-50, 224x224, batch 8": (lambda: resnet50(num_classes=10), (8, 3, 224, 224)),
}


def _step_of(make: Callable[[], nn.Module], shape: Shape) -> tuple[Callable[[], None], int]:
    torch.manual_seed(0)
    model = make()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    inputs, target = torch.randn(shape), torch.randint(10, shape[:1])

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), target).backward()
        optimizer.step()

    return step, operations(model, inputs)


def _round(step: Callable[[], None], threads: int, seconds: float) -> float:
    torch.set_num_threads(threads)
    step()
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - began < seconds:
        at = time.perf_counter()
        step()
        times.append(time.perf_counter() - at)
    return statistics.median(times)


def _compute_without_end() -> None:
    while True:
        sum(range(100_000))


@contextmanager
def _neighbours(count: int) -> Iterator[None]:
    processes = [multiprocessing.Process(target=_compute_without_end, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def main() -> None:
    """Measures every case and writes the table."""
    cores = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.15, help="of a round")
    parser.add_argument("--threads", default=f"1,{cores}", help="numbers of threads to compare")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    options = parser.parse_args()
    counts = [int(count) for count in options.threads.split(",")]
    write = sys.stdout.write
    write(f"{cores} cores; a step with {counts[1:]} threads over a step with {counts[0]}\n\n")
    write("| model | operations a forward pass | alone | beside busy neighbours |\n|---|---|---|---|\n")
    for name, (make, shape) in CASES.items():
        if options.only not in name:
            continue
        step, work = _step_of(make, shape)
        cells = []
        for neighbours, middle in ((0, min), (cores, statistics.median)):
            with _neighbours(neighbours):
                rounds = [
                    [_round(step, count, options.seconds) for count in counts] for _ in range(options.rounds)
                ]
            found = [middle(column) for column in zip(*rounds, strict=True)]
            ratios = ", ".join(f"{each / found[0]:.2f}" for each in found[1:])
            cells.append(f"{ratios} ({1000 * found[0]:.3g} ms)")
        write(f"| {name} | {work / 1e6:.3g} million | {cells[0]} | {cells[1]} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
