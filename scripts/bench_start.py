"""What a whole process costs, from the shell to the picture, beside a script with torch-lr-finder.

    python scripts/bench_start.py --root MNIST_FOLDER [--rounds 9]

Gugger's network on MNIST in batches of 64, 100 steps, one thread: `lrfind`, and a script that reads the same
files without torchvision, which takes seconds to import. The processes run in turn; what is printed is
processor time (of user and system, children included), and its ratio to the script of the same round, each as
median and quartiles. The ratio of time on the clock stands beside it; it means something on a quiet machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STEPS = 100

PEER = """
import sys

import matplotlib

matplotlib.use("Agg")

import numpy as np
import torch
from matplotlib import pyplot
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch_lr_finder import LRFinder

raw, steps = sys.argv[1] + "/MNIST/raw/train-", int(sys.argv[2])
torch.set_num_threads(1)
pictures = np.fromfile(raw + "images-idx3-ubyte", np.uint8, offset=16).reshape(-1, 1, 28, 28)
labels = np.fromfile(raw + "labels-idx1-ubyte", np.uint8, offset=8).astype(np.int64)
floats = torch.from_numpy(pictures).float().div_(255).sub_(0.1307).div_(0.3081)
loader = DataLoader(TensorDataset(floats, torch.from_numpy(labels)), batch_size=64, shuffle=True)
model = nn.Sequential(nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10), nn.LogSoftmax(1))
optimizer = torch.optim.SGD(model.parameters(), lr=1e-5)
finder = LRFinder(model, optimizer, nn.NLLLoss(), device="cpu")
finder.range_test(loader, end_lr=10, num_iter=steps)
figure, axes = pyplot.subplots()
finder.plot(ax=axes)
figure.savefig("peer.png")
"""


def processor_time(command: list[str], folder: str) -> tuple[float, float]:
    """Seconds of the processor, and on the clock, that a whole process takes."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # as whoever installs a package has it compiled
    before, started = os.times(), time.perf_counter()
    ran = subprocess.run(command, cwd=folder, env=environment, check=False, **quiet)
    taken, after = time.perf_counter() - started, os.times()
    if ran.returncode:
        sys.exit(f"{command[:3]} ended with {ran.returncode}:\n{ran.stderr}")
    spent = after.children_user - before.children_user + after.children_system - before.children_system
    return spent, taken


def main() -> None:
    """Runs the rounds and prints the table."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--root", required=True, help="folder of torchvision's MNIST")
    arguments = parser.parse_args()
    root = str(Path(arguments.root).resolve())
    sweep = [f"range.num_steps={STEPS}", "range.repeats=1", "threads=1", f"data.root={root}"]
    ours = [sys.executable, "-m", "lrfind", "experiment=gugger_mnist", *sweep]
    commands = {
        "torch-lr-finder": [sys.executable, "-c", PEER, root, str(STEPS)],
        "lrfind, unpaired": [*ours, "range.paired=false"],
        "lrfind": [*ours, "range.paired=true"],
    }
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.rounds + 1):
            for name, command in commands.items():
                taken = processor_time(command, folder)
                if number:  # the first round fills the caches
                    spent[name].append(taken)
    base = spent["torch-lr-finder"]
    print(f"{arguments.rounds} rounds; ratio to torch-lr-finder of the same round")
    print(f"{'process':20} {'s':>6} {'quartiles':>14} {'ratio':>6} {'quartiles':>14} {'clock':>6}")
    for name, seconds in spent.items():
        processor = [each for each, _ in seconds]
        ratios = [each / other for each, (other, _) in zip(processor, base, strict=True)]
        clock = statistics.median(each / other for (_, each), (_, other) in zip(seconds, base, strict=True))
        print(f"{name:20} {spread(processor)} {spread(ratios)} {clock:6.2f}")


def spread(values: list[float]) -> str:
    """The median and the quartiles."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:6.2f} {low:5.2f} to {high:.2f}"


if __name__ == "__main__":
    main()
