"""What a step of the range test costs, against the bare training loop on the same batches and against peers.

    python scripts/bench_step.py [--rounds 15] [--steps 200] [--root MNIST_FOLDER]

The task is Gugger's: 784-100-10, log-softmax, NLL, SGD, batches of 64, one CPU thread. Loops are run in
turn, round after round, so that a machine whose speed drifts drifts for all of them; what is printed is the
median of the ratio to a bare loop of the same round, with its quartiles: that on a DataLoader, or, for loops
over batches that lie ready in a list, that on those. Time is the processor's, which others on the machine
change least; beside it stands how many functions of Python a step enters, which they do not change. Peers
(torch-lr-finder, ignite, Lightning) join in where they are installed. Without --root the pictures are random
numbers of MNIST's shape.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import time
import warnings
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfind.range_test.ladder import geometric
from lrfind.range_test.sweep import SweepOptions, sweep
from lrfind.tasks.data.dataset import Data, Normalisation
from lrfind.tasks.data.loader import make_batches
from lrfind.training.batch import endless
from lrfind.training.objective import Objective
from lrfind.training.task import Task

os.environ["TQDM_DISABLE"] = "1"  # the bars of peers

CPU = torch.device("cpu")
BATCH = 64
BARE, BARE_READY = "bare loop, DataLoader", "bare loop, ready batches"
NORMALISATION = Normalisation(1 / 255, (0.1307,), (0.3081,))


def task():
    """A new network and its optimizer."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10), nn.LogSoftmax(1))
    return model, torch.optim.SGD(model.parameters(), lr=1e-3)


def train(model, optimizer, criterion, batches, steps):
    """The bare loop."""
    for _ in range(steps):
        x, y = next(batches)
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()


def gathered(images, labels):
    """Float batches gathered by index, endless."""
    while True:
        order = torch.randperm(len(images))
        for index in torch.split(order, BATCH)[:-1]:
            yield images[index], labels[index]


def pictures(root: str | None):
    """60,000 pictures of 28x28 as uint8, and their labels."""
    if root is None:
        g = torch.Generator().manual_seed(0)
        return (
            torch.randint(0, 256, (60_000, 28, 28), dtype=torch.uint8, generator=g),
            torch.randint(0, 10, (60_000,), generator=g),
        )
    from torchvision.datasets import MNIST

    mnist = MNIST(root)
    return mnist.data, mnist.targets


def contestants(images, labels, steps):
    """Name -> a function that makes a new task and returns the loop to be timed."""
    floats = images.float().div(255).sub(0.1307).div(0.3081)[:, None]
    loader = DataLoader(TensorDataset(floats, labels), batch_size=BATCH, shuffle=True)
    criterion = nn.NLLLoss()
    rates = geometric(1e-8, 1e-3, steps)  # no divergence, so that every loop takes every step
    data = Data(TensorDataset(images, labels), "mnist", (1, 28, 28), 10, labels, NORMALISATION)

    def bare(batches):
        def make():
            model, optimizer = task()
            source = batches()
            return lambda: train(model, optimizer, criterion, source, steps)

        return make

    def ours(batches, *, paired=False):
        options = SweepOptions.of(num_steps=steps, paired=paired, skip_start=None, skip_end=None)

        def make():
            model, optimizer = task()
            source = batches()
            made = Task(Objective(model, criterion), optimizer, source, CPU)
            return lambda: sweep(made, rates, options=options)

        return make

    def in_memory():
        return make_batches(data, batch_size=BATCH, seed=0, device=CPU, num_workers=None).batches

    drawn = list(itertools.islice(endless(loader), min(steps, 200)))

    def ready():
        return itertools.cycle(drawn)

    found = {
        BARE: bare(lambda: endless(loader)),
        "lrfind, the same DataLoader": ours(lambda: endless(loader)),
        "lrfind, paired, the same DataLoader": ours(lambda: endless(loader), paired=True),
        "bare loop, floats gathered by index": bare(lambda: gathered(floats, labels)),
        "lrfind, its own in-memory batches": ours(in_memory),
        "lrfind, paired, its own in-memory batches": ours(in_memory, paired=True),
        BARE_READY: bare(ready),
        "lrfind, ready batches": ours(ready),
        "lrfind, paired, ready batches": ours(ready, paired=True),
    }
    for peer in (torch_lr_finder, ignite, lightning):
        try:
            found[peer.__name__.replace("_", "-")] = peer(loader, criterion, steps)
        except ImportError as error:
            sys.stderr.write(f"{peer.__name__} is left out: {error}\n")
    return found


def torch_lr_finder(loader, criterion, steps):
    """torch-lr-finder's LRFinder.range_test."""
    from torch_lr_finder import LRFinder

    def make():
        model, optimizer = task()
        for group in optimizer.param_groups:
            group["lr"] = 1e-8
        finder = LRFinder(model, optimizer, criterion, device="cpu", memory_cache=True)
        finder.logger = None
        return lambda: finder.range_test(loader, end_lr=1e-3, num_iter=steps, diverge_th=1e9)

    return make


def ignite(loader, criterion, steps):
    """Ignite's FastaiLRFinder."""
    from ignite.engine import create_supervised_trainer
    from ignite.handlers import FastaiLRFinder

    def make():
        model, optimizer = task()
        trainer = create_supervised_trainer(model, optimizer, criterion)
        finder = FastaiLRFinder()
        keep = {"model": model, "optimizer": optimizer}

        def run():
            ladder = {"num_iter": steps, "start_lr": 1e-8, "end_lr": 1e-3, "diverge_th": 1e9}
            with finder.attach(trainer, keep, **ladder) as attached:
                attached.run(loader)

        return run

    return make


def lightning(loader, criterion, steps):
    """Lightning's Tuner.lr_find."""
    import logging

    import lightning.pytorch as pl

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.net, _ = task()
            self.lr = 1e-3

        def training_step(self, batch, _):
            x, y = batch
            return criterion(self.net(x), y)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=self.lr)

    def make():
        trainer = pl.Trainer(
            accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, max_epochs=1,
        )  # fmt: skip
        tuner = pl.tuner.Tuner(trainer)
        module = Module()
        return lambda: tuner.lr_find(
            module, loader, min_lr=1e-8, max_lr=1e-3, num_training=steps, early_stop_threshold=None,
            update_attr=False,
        )  # fmt: skip

    return make


def calls(run):
    """How many functions of Python a loop enters."""
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    return count


def main() -> None:
    """Runs the rounds and prints the table."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--root", help="folder of torchvision's MNIST")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    entrants = contestants(*pictures(arguments.root), arguments.steps)
    seconds: dict[str, list[float]] = {name: [] for name in entrants}
    entered: dict[str, float] = {}
    for number in range(arguments.rounds + 1):
        for name, make in entrants.items():
            run = make()
            if not number:  # it warms up
                entered[name] = calls(run) / arguments.steps
                continue
            started = time.process_time()
            run()
            seconds[name].append(time.process_time() - started)
    print(f"{arguments.rounds} rounds of {arguments.steps} steps; ratio to a bare loop")
    print(f"{'loop':40} {'median':>7} {'quartiles':>15} {'us/step':>9} {'calls':>6}")
    for name, taken in seconds.items():
        base = seconds[BARE_READY if name.endswith("ready batches") else BARE]
        ratios = sorted(t / b for t, b in zip(taken, base, strict=True))
        low, _, high = statistics.quantiles(ratios, n=4)
        per_step = statistics.median(taken) / arguments.steps * 1e6
        ratio = f"{statistics.median(ratios):7.2f} {low:7.2f} to {high:.2f}"
        print(f"{name:40} {ratio} {per_step:9.0f} {entered[name]:6.0f}")
    Path("lightning_logs").exists() and sys.stderr.write("lightning_logs/ was left by Lightning\n")


if __name__ == "__main__":
    main()
