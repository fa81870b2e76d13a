"""What the continued sweep costs: against a bare loop, and several seeds side by side against one.

    python scripts/bench_refine.py [--epochs 40] [--repeats 9] [--seeds 5]

The textbook's network (1-4-1, SGD, batches of 10 from memory, the loss read on the whole training set after
each epoch), one thread. The bare loop and the sweep of one seed make the same steps on the same batches and
must measure the same losses; the seeds side by side must measure those of each alone to 1e-5.
Recording a step, a tenth of a second once a sweep, is counted in: give more epochs for a longer sweep.
Prints microseconds a step (a step of all seeds, where there are several), medians over repeats, each of which
begins with another way, and the ratios to the same repeat's bare loop and single seed with their spread.
What is counted is the thread's own time, not that in which other processes had the processor.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from lrfind.refine.continued import Reading, along, continued
from lrfind.refine.loss_log import LossLog
from lrfind.tasks.data import curve
from lrfind.tasks.data.loader import make_batches
from lrfind.tasks.losses import HalfMSELoss
from lrfind.tasks.models.networks import curve_mlp
from lrfind.training.objective import Objective
from lrfind.training.stacking.seeds import StackedSeeds
from lrfind.training.task import Task

BATCH_SIZE = 10
LR = 0.5


def bare(epochs):
    data = curve()
    x, y = data.dataset.tensors
    torch.manual_seed(0)
    model, criterion = curve_mlp(data=data), HalfMSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    generator = torch.Generator().manual_seed(0)
    losses = []
    began = time.process_time()
    for _ in range(epochs):
        order = torch.randperm(len(x), generator=generator)
        for inputs, target in zip(x[order].split(BATCH_SIZE), y[order].split(BATCH_SIZE), strict=True):
            optimizer.zero_grad()
            criterion(model(inputs), target).backward()
            optimizer.step()
        with torch.no_grad():
            losses.append(criterion(model(x), y).item())
    return time.process_time() - began, [losses]


def made(seed):
    data = curve()
    torch.manual_seed(seed)
    model = curve_mlp(data=data)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    device = torch.device("cpu")
    loaders = make_batches(data, batch_size=BATCH_SIZE, seed=seed, device=device, num_workers=0)
    task = Task(Objective(model, HalfMSELoss()), optimizer, loaders.batches, device)
    return task, Reading(loaders.per_epoch, [data.dataset.tensors])


def one_seed(epochs, seed=0):
    task, reading = made(seed)
    tape = LossLog()
    began = time.process_time()
    continued(task, [(LR, epochs)], reading=reading, tape=tape, on_iteration=lambda point, save: None)
    return time.process_time() - began, tape.losses


def side_by_side(epochs, seeds, *, record):
    tasks, (reading, *_) = zip(*(made(seed) for seed in range(seeds)), strict=True)
    tapes = [LossLog() for _ in range(seeds)]
    stacked = StackedSeeds(tasks, record=record)
    began = time.process_time()
    along(stacked, [(LR, epochs)], reading=reading, tapes=tapes, on_iteration=lambda point, save: None)
    return time.process_time() - began, [tape.losses[0] for tape in tapes]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    ways = {
        "bare loop": bare,
        "one seed": one_seed,
        "seeds, computed": lambda epochs: side_by_side(epochs, given.seeds, record=False),
        "seeds, recorded": lambda epochs: side_by_side(epochs, given.seeds, record=True),
    }
    for way in ways.values():
        way(2)
    alone = torch.tensor([one_seed(given.epochs, seed)[1][0] for seed in range(given.seeds)])
    times = {name: [] for name in ways}
    names = list(ways)
    for turn in range(given.repeats):
        first = turn % len(names)
        losses = {}
        for name in names[first:] + names[:first]:
            spent, losses[name] = ways[name](given.epochs)
            times[name].append(spent)
        assert losses["bare loop"] == losses["one seed"], "the two loops must measure the same losses"
        for name in names[2:]:
            torch.testing.assert_close(torch.tensor(losses[name]), alone, rtol=1e-5, atol=1e-8)
    steps = given.epochs * 100
    for name in names:
        line = f"{name:16} {1e6 * statistics.median(times[name]) / steps:7.1f} us a step"
        for other in names[:2]:
            if name != other:
                ratios = sorted(a / b for a, b in zip(times[name], times[other], strict=True))
                line += f", {statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f}) of {other}"
        print(line)


if __name__ == "__main__":
    main()
