"""What the continued sweep costs against a bare loop: the textbook's network, in-memory batches, one thread.

    python scripts/bench_refine.py [--epochs 100] [--repeats 7]

Both make the same steps on the same batches and read the loss on the whole training set after each epoch.
Prints microseconds a step, medians over interleaved repeats, and the ratio with its spread.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from lrfind.core.continued import Reading, Tape, Trainee, continued
from lrfind.core.objective import Objective
from lrfind.tasks.data import curve
from lrfind.tasks.loaders import make_batches
from lrfind.tasks.losses import HalfMSELoss
from lrfind.tasks.models import curve_mlp

BATCH_SIZE = 10


def bare(epochs):
    data = curve()
    x, y = data.dataset.tensors
    torch.manual_seed(0)
    model, criterion = curve_mlp(data=data), HalfMSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    generator = torch.Generator().manual_seed(0)
    losses = []
    began = time.perf_counter()
    for _ in range(epochs):
        order = torch.randperm(len(x), generator=generator)
        for inputs, target in zip(x[order].split(BATCH_SIZE), y[order].split(BATCH_SIZE), strict=True):
            optimizer.zero_grad()
            criterion(model(inputs), target).backward()
            optimizer.step()
        with torch.no_grad():
            losses.append(criterion(model(x), y).item())
    return time.perf_counter() - began, losses


def ours(epochs):
    data = curve()
    torch.manual_seed(0)
    model = curve_mlp(data=data)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    device = torch.device("cpu")
    loaders = make_batches(data, batch_size=BATCH_SIZE, seed=0, device=device, num_workers=0)
    trainee = Trainee(Objective(model, HalfMSELoss()), optimizer, loaders.batches, device)
    reading = Reading(loaders.per_epoch, [data.dataset.tensors])
    tape = Tape()
    began = time.perf_counter()
    continued(trainee, [(0.5, epochs)], reading=reading, tape=tape, on_iteration=lambda point, save: None)
    return time.perf_counter() - began, tape.losses[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    bare(2), ours(2)
    times = []
    for _ in range(arguments.repeats):
        (theirs, one), (mine, other) = bare(arguments.epochs), ours(arguments.epochs)
        assert one == other, "the two loops must measure the same losses"
        times.append((theirs, mine))
    steps = arguments.epochs * 100
    ratios = sorted(mine / theirs for theirs, mine in times)
    for name, column in (("bare loop", 0), ("continued sweep", 1)):
        median = statistics.median(t[column] for t in times)
        print(f"{name:16} {1e6 * median / steps:7.1f} us a step")
    print(f"ratio {statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})")


if __name__ == "__main__":
    main()
