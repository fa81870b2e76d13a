"""Learning rates from one start: stacked against one after another, and what the automatic choice costs.

    python scripts/bench_probe.py [--device cpu] [--rates 32] [--steps 100] [--rounds 5] [--tasks mlp,cnn]

The tasks are the MNIST MLP (784-100-10, log-softmax, NLL, batches of 64), a small CNN on pictures of 28x28
(no batch norm, which cannot be stacked; batches of 64) and the textbook's 1-4-1 (batches of 10), all with SGD
and random data on the device. The ways are run in turn, round after round, each round beginning with another
one, so that a machine whose speed drifts drifts for all of them and none always comes after the same one;
what is printed is the median of the ratio to one after another in the same round, with its quartiles. Below 1
is faster. One CPU thread; on a CPU its own time is counted, not that in which other processes had it.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch
from torch import nn

from lrfind.training.objective import Objective
from lrfind.training.runs import train_runs
from lrfind.training.stacking.strategy import Strategy
from lrfind.training.task import Task


def mlp():
    layers = (nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10), nn.LogSoftmax(1))
    return nn.Sequential(*layers), nn.NLLLoss(), (64, 1, 28, 28)


def cnn():
    blocks = [nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    blocks += [nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(784, 10)), nn.CrossEntropyLoss(), (64, 1, 28, 28)


def curve():
    return nn.Sequential(nn.Linear(1, 4), nn.Sigmoid(), nn.Linear(4, 1)), nn.MSELoss(), (10, 1)


TASKS = {"mlp": mlp, "cnn": cnn, "curve": curve}


def made(name: str, device: torch.device, steps: int):
    """The objective, its optimizer, and what makes the batches."""
    torch.manual_seed(0)
    model, criterion, shape = TASKS[name]()
    model.to(device)
    inputs = torch.randn(20, *shape, device=device)
    if name == "curve":
        targets = torch.rand(20, *shape, device=device)
    else:
        targets = torch.randint(0, 10, (20, shape[0]), device=device)

    def batches():
        return ((inputs[i % 20], targets[i % 20]) for i in range(steps))

    return Objective(model, criterion), torch.optim.SGD(model.parameters(), lr=0.1), batches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rates", type=int, default=32)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", default="mlp,cnn,curve")
    given = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(given.device)
    lrs = np.geomspace(1e-4, 1e-2, given.rates)  # none diverges, so that all take every step
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device}, one thread"
    print(
        f"{given.rates} rates, {given.steps} steps, {given.rounds} rounds, {where}, torch {torch.__version__}"
    )
    for name in given.tasks.split(","):
        objective, optimizer, batches = made(name, device, given.steps)
        seconds: dict[Strategy, list[float]] = {strategy: [] for strategy in Strategy}
        chosen = []

        def run(strategy, steps, objective=objective, optimizer=optimizer, batches=batches):
            clock = time.process_time
            if device.type == "cuda":
                clock = time.perf_counter
                torch.cuda.synchronize(device)
            began = clock()
            task = Task(objective, optimizer, batches(), device, afresh=batches)
            found = train_runs(task, lrs, num_steps=steps, strategy=strategy)
            return clock() - began, found.stacked

        for strategy in Strategy:  # warm-up
            run(strategy, min(3, given.steps))
        ways = list(Strategy)
        for turn in range(given.rounds):
            first = turn % len(ways)
            for strategy in ways[first:] + ways[:first]:
                spent, stacked = run(strategy, given.steps)
                seconds[strategy].append(spent)
                if strategy is Strategy.AUTO:
                    chosen.append(stacked)
        alone = seconds[Strategy.SEQUENTIAL]
        per_step = statistics.median(alone) / given.rates / given.steps
        print(f"{name}: one after another {statistics.median(alone):.2f} s, {per_step * 1e3:.3f} ms a step")
        for strategy in (Strategy.STACKED, Strategy.AUTO):
            ratios = [a / b for a, b in zip(seconds[strategy], alone, strict=True)]
            low, middle, high = np.percentile(ratios, (25, 50, 75))
            said = f" (stacked in {sum(chosen)} of {len(chosen)})" if strategy is Strategy.AUTO else ""
            print(f"  {strategy.value:8} {middle:.3f} [{low:.3f} to {high:.3f}] of one after another{said}")


if __name__ == "__main__":
    main()
