"""What a step of a model costs in a stack, over one of the model alone: the measurements behind the rule.

    python scripts/bench_stacking.py [--device cpu] [--copies 3,8,16] [--repeats 5]

Perceptrons of rising width, small convolutional networks and the textbook's 1-4-1, all with SGD and random
data. For each is printed the work of a forward pass in millions of multiplications and additions (as
`stacking.autotune` counts it), and for each number of copies the median over repeats of the time of a step
of the stack, divided by the copies and by the time of a step alone. Below 1 it pays. One thread; on a CPU
the process's own time is counted, not that in which others had the processor.
"""

from __future__ import annotations

import argparse
import statistics
import time
from itertools import cycle

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lrfind.training.objective import Objective
from lrfind.training.stacking.stack import Stack
from lrfind.training.step import StepOptions, train_step

PERCEPTRONS = [
    *((inputs, hidden, batch) for inputs in (64, 784) for hidden in (16, 64, 256) for batch in (16, 64)),
    *((784, 100, 256), (784, 1024, 64), (64, 64, 256)),
]
CHANNELS = [(2, 8), (8, 16), (8, 64), (32, 64)]


def perceptron(inputs, hidden, batch):
    model = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, 10))
    return f"perceptron {inputs}-{hidden}-10, {batch}", model, (batch, inputs)


def convolutional(channels, batch):
    blocks = [nn.Conv2d(1, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    blocks += [nn.Conv2d(channels, 2 * channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    model = nn.Sequential(*blocks, nn.Linear(2 * channels * 49, 10))
    return f"convolutional {channels}, {batch}", model, (batch, 1, 28, 28)


def seconds(step, device, steps=12):
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    step()
    began = clock()
    for _ in range(steps):
        step()
    return (clock() - began) / steps


def ratio(model, batch, copies, repeats):
    objective, options = Objective(model, nn.CrossEntropyLoss()), StepOptions()
    optimizer, batches = torch.optim.SGD(model.parameters(), 1e-3), cycle([batch])
    stack = Stack(objective, optimizer, np.full(copies, 1e-3), options=options)

    def alone():
        return train_step(objective, optimizer, batches, options)[0].item()

    def together():
        return stack.step(batches).tolist()

    device = batch[0].device
    return statistics.median(
        seconds(together, device) / copies / seconds(alone, device) for _ in range(repeats)
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--copies", default="3,8,16")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(given.device)
    print(f"{device}, torch {torch.__version__}; copies: {given.copies}")
    curve = nn.Sequential(nn.Linear(1, 4), nn.Sigmoid(), nn.Linear(4, 10))
    cases = [("curve 1-4-10, 10", curve, (10, 1))]
    cases += [perceptron(*sizes) for sizes in PERCEPTRONS] + [convolutional(*sizes) for sizes in CHANNELS]
    for name, model, shape in cases:
        model.to(device)
        x, y = torch.randn(shape, device=device), torch.randint(0, 10, shape[:1], device=device)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(x)
        ratios = [ratio(model, (x, y), int(copies), given.repeats) for copies in given.copies.split(",")]
        print(f"{name:30} {counter.get_total_flops() / 1e6:9.3f} M", *(f"{each:6.2f}" for each in ratios))


if __name__ == "__main__":
    main()
