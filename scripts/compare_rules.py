"""Which rule, on which ladder? The regret of every rule on small tasks whose best rate was searched.

    python scripts/compare_rules.py                 the tables of docs/rules.md; ten minutes on one core
    python scripts/compare_rules.py --cache FILE    keeps what was searched there, for the next time

With LRFIND_DATA=DIR set, also the tasks on DIR/mnist (MNIST/raw/*-ubyte inside). Regret of a rate on a task:
(held-out loss after a fixed budget at that constant rate - the best of a grid of rates) / (initial held-out
loss - that best). 0 is the oracle, 1 has learnt nothing, and no answer counts as 1.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass
from functools import cache
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from lrfind.core.ladder import geometric
from lrfind.core.objective import Objective
from lrfind.core.range_test import SweepOptions, evaluate, sweep
from lrfind.core.suggest import Rule, read
from lrfind.tasks.data import curve as textbook_curve
from lrfind.tasks.digits import read_digits
from lrfind.tasks.models import curve_mlp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from torch.optim import Optimizer

    from lrfind.core.curve import Curve

LADDERS = ((1e-7, 10.0, 100), (1e-6, 10.0, 200), (1e-5, 10.0, 100), (1e-5, 10.0, 50))
HABITS = {"sgd": 0.1, "momentum": 0.1, "nesterov": 0.1}
"""What people type without a test; 0.001 for the rest."""

TOPS = {"sgd": 1e2, "momentum": 1e1, "nesterov": 1e1, "rmsprop": 1e0, "adam": 1e0, "adamw": 1e0}
"""The highest rate searched; the search goes down from it by 6 decades, 4 rates a decade."""

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9),
    "nesterov": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9, nesterov=True),
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}

Samples = tuple[Tensor, Tensor, Tensor, Tensor]
"""Inputs and targets to train on, inputs and targets held out."""


@cache
def digits() -> Samples:
    images, labels = read_digits()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    x, y = (images.float() / 8 - 1)[order], labels[order]
    return x[:1400], y[:1400], x[1400:], y[1400:]


@cache
def mnist() -> Samples:
    from torchvision.datasets import MNIST

    data = MNIST(Path(os.environ["LRFIND_DATA"]) / "mnist")
    x, y = ((data.data.float() / 255 - 0.1307) / 0.3081).unsqueeze(1), data.targets
    return x[:10_000], y[:10_000], x[10_000:12_000], y[10_000:12_000]


@cache
def text() -> Samples:
    """Sixteen characters of the source of argparse and the next one."""
    source = Path(argparse.__file__).read_text()[:60_000].encode("ascii", "replace")
    windows = torch.frombuffer(bytearray(source), dtype=torch.uint8).long().unfold(0, 17, 1)
    x, y = windows[:, :-1], windows[:, -1]
    return x[:50_000], y[:50_000], x[50_016::4], y[50_016::4]


@cache
def textbook() -> Samples:
    x, y = textbook_curve(1500).dataset.tensors
    return x[:1000], y[:1000], x[1000:], y[1000:]


@cache
def scaled() -> Samples:
    """Ten inputs whose scales span a factor of 100, and a target that needs them all."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(3000, 10, generator=generator)
    y = torch.tanh(z @ torch.randn(10, 1, generator=generator) / 2) + 0.5 * z.mean(1, keepdim=True)
    y = y + 0.05 * torch.randn(3000, 1, generator=generator)
    x = z * torch.logspace(-1.5, 0.5, 10)
    return x[:2500], y[:2500], x[2500:], y[2500:]


def mlp(*sizes: int, activation: type[nn.Module] = nn.ReLU) -> nn.Module:
    """Fully connected layers."""
    layers: list[nn.Module] = [nn.Flatten()]
    for n, m in pairwise(sizes):
        layers += [nn.Linear(n, m), activation()]
    return nn.Sequential(*layers[:-1])


def cnn(*, norm: bool, stride: int = 1) -> nn.Module:
    """Two convolutions of 8 and 16 channels and a linear layer."""
    layers: list[nn.Module] = []
    for n, m in ((1, 8), (8, 16)):
        layers += [nn.Conv2d(n, m, 3, stride=stride), *([nn.BatchNorm2d(m)] if norm else []), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, 10))


class CharLSTM(nn.Module):
    """The next character from the last state."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.lstm, self.head = nn.Embedding(128, 16), nn.LSTM(16, 32), nn.Linear(32, 128)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of shape (batch, 128) from characters of shape (batch, 16)."""
        return self.head(self.lstm(self.embedding(x.T))[0][-1])


@dataclass(frozen=True, slots=True)
class Task:
    """What is trained, and how."""

    name: str
    samples: Callable[[], Samples]
    model: Callable[[], nn.Module]
    optimizer: str
    batch_size: int

    def __str__(self) -> str:
        return f"{self.name}, {self.optimizer}, {self.batch_size}"

    def start(self, seed: int, lr: float) -> tuple[Objective, Optimizer, Iterator[tuple[Tensor, Tensor]]]:
        """A fresh model with that seed, its optimizer, and endless shuffled batches."""
        torch.manual_seed(seed)
        model = self.model()
        objective = Objective(model, mse_loss if self.samples()[1].is_floating_point() else cross_entropy)
        return objective, OPTIMIZERS[self.optimizer](model.parameters(), lr=lr), self._batches(seed)

    def _batches(self, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        x, y, _, _ = self.samples()
        generator = torch.Generator().manual_seed(seed)
        while True:
            for index in torch.randperm(len(x), generator=generator).split(self.batch_size):
                if len(index) == self.batch_size:
                    yield x[index], y[index]


TASKS = [
    Task("digits logistic", digits, lambda: mlp(64, 10), "sgd", 16),
    Task("digits mlp", digits, lambda: mlp(64, 64, 10), "sgd", 32),
    Task("digits mlp", digits, lambda: mlp(64, 64, 10), "adam", 64),
    Task("digits deep mlp", digits, lambda: mlp(64, *[48] * 6, 10), "momentum", 64),
    Task("digits deep tanh mlp", digits, lambda: mlp(64, *[48] * 6, 10, activation=nn.Tanh), "adamw", 32),
    Task("digits cnn", digits, lambda: cnn(norm=False), "sgd", 32),
    Task("digits cnn", digits, lambda: cnn(norm=False), "rmsprop", 128),
    Task("digits cnn, batch norm", digits, lambda: cnn(norm=True), "momentum", 64),
    Task("digits cnn, batch norm", digits, lambda: cnn(norm=True), "adam", 8),
    Task("char lstm", text, CharLSTM, "adam", 32),
    Task("char lstm", text, CharLSTM, "momentum", 64),
    Task("char mlp", text, lambda: nn.Sequential(nn.Embedding(128, 8), mlp(128, 64, 128)), "sgd", 64),
    Task("char mlp", text, lambda: nn.Sequential(nn.Embedding(128, 8), mlp(128, 64, 128)), "rmsprop", 256),
    Task("textbook curve", textbook, lambda: curve_mlp(data=textbook_curve()), "adam", 32),
    Task("scaled linear", scaled, lambda: mlp(10, 1), "nesterov", 64),
    Task("scaled mlp", scaled, lambda: mlp(10, 32, 32, 1), "sgd", 16),
    Task("mnist mlp", mnist, lambda: mlp(784, 100, 10), "sgd", 64),
    Task("mnist mlp", mnist, lambda: mlp(784, 100, 10), "adamw", 128),
    Task("mnist logistic", mnist, lambda: mlp(784, 10), "adam", 256),
    Task("mnist cnn", mnist, lambda: cnn(norm=False, stride=2), "nesterov", 64),
]


@dataclass(frozen=True, slots=True)
class Oracle:
    """The searched rates of a task and the regret of each, shapes (rates,)."""

    lrs: NDArray[np.float64]
    regrets: NDArray[np.float64]

    @property
    def best(self) -> float:
        """The rate of least regret."""
        return float(self.lrs[int(np.argmin(self.regrets))])

    def regret(self, lr: float | None) -> float:
        """Between the searched rates along log10 lr, beyond the ends as at the ends; no answer is 1."""
        return 1.0 if lr is None else float(np.interp(np.log10(lr), np.log10(self.lrs), self.regrets))

    def keeps(self, low: float, high: float) -> tuple[bool, bool]:
        """Are all rates inside below 0.10; is the best inside or within a factor 2 of an end?"""
        inside = (self.lrs >= low) & (self.lrs <= high)
        return bool((self.regrets[inside] < 0.10).all()), low / 2 <= self.best <= high * 2


def search(task: Task, budget: int, seeds: int) -> Oracle:
    """Trains at every rate of the grid and measures what is held out."""
    lrs = np.logspace(np.log10(TOPS[task.optimizer]) - 6, np.log10(TOPS[task.optimizer]), 25)
    held_out = [task.samples()[2:]]
    finals = np.empty((seeds, len(lrs)))
    initials = np.empty((seeds, 1))
    for seed, (column, lr) in product(range(seeds), enumerate(lrs.tolist())):
        objective, optimizer, batches = task.start(seed, lr)
        initials[seed] = evaluate(objective, held_out).item()
        for step, batch in zip(range(budget), batches, strict=False):
            optimizer.zero_grad()
            loss, _ = objective(batch)
            if step % 20 == 0 and not torch.isfinite(loss):
                break
            loss.backward()
            optimizer.step()
        finals[seed, column] = evaluate(objective, held_out).item()
    capped = np.fmin(finals, initials).mean(axis=0)  # fmin: a NaN has learnt nothing
    return Oracle(lrs, (capped - capped.min()) / (initials.mean() - capped.min()))


def sweeps(task: Task, ladder: tuple[float, float, int], seeds: int) -> list[Curve]:
    """Range tests of a task, on seeds that the search did not use."""
    lrs, cpu = geometric(*ladder), torch.device("cpu")
    options = SweepOptions.of(num_steps=ladder[2], skip_start=None, skip_end=None)
    return [sweep(*task.start(100 + seed, 1.0), lrs, options=options, device=cpu) for seed in range(seeds)]


def left_out(table: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and worst regret, shape (choices, tasks), where all other tasks choose for each task."""
    tasks = range(table.shape[1])
    chosen = [table[int(np.argmin(np.delete(table, task, axis=1).mean(axis=1))), task] for task in tasks]
    return float(np.mean(chosen)), float(np.max(chosen))


def known_or_searched(tasks: list[Task], args: argparse.Namespace) -> list[Oracle]:
    """The searched rates of every task, from the cache where they are in it; prints them."""
    known = json.loads(args.cache.read_text()) if args.cache and args.cache.exists() else {}
    oracles = []
    print("| task | best rate | regret at a quarter, half, twice, four times it |\n|---|---|---|")
    for task in tasks:
        key = f"{task}, {args.budget}, {args.seeds}"
        if key not in known:
            found = search(task, args.budget, args.seeds)
            known[key] = found.lrs.tolist(), found.regrets.tolist()
            if args.cache:
                args.cache.write_text(json.dumps(known))
        oracle = Oracle(*map(np.array, known[key]))
        around = ", ".join(f"{oracle.regret(oracle.best * factor):.2f}" for factor in (0.25, 0.5, 2, 4))
        print(f"| {task} | {oracle.best:.2g} | {around} |", flush=True)
        oracles.append(oracle)
    return oracles


def row(name: str, regrets: NDArray[np.float64], tasks: list[Task], unanswered: float, steps: float) -> str:
    """One line of the table, from the regrets, shape (tasks, sweeps)."""
    means = regrets.mean(axis=1)
    return (
        f"| {name} | {means.mean():.3f} | {means.max():.3f} ({tasks[int(np.argmax(means))]}) | "
        f"{(regrets <= 0.05).mean():.0%} | {(regrets <= 0.10).mean():.0%} | {unanswered:.0%} | {steps:.0f} |"
    )


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--cache", type=Path, help="a JSON file for the searched rates")
    parser.add_argument("--budget", type=int, default=300, help="steps of a training run")
    parser.add_argument("--seeds", type=int, default=3, help="training runs a rate")
    parser.add_argument("--sweeps", type=int, default=5, help="range tests a task and ladder")
    args = parser.parse_args()
    torch.set_num_threads(1)
    tasks = [task for task in TASKS if task.samples is not mnist or "LRFIND_DATA" in os.environ]
    oracles = known_or_searched(tasks, args)

    print("\n| rule, ladder | mean regret | worst task | <= 0.05 | <= 0.10 | no answer | steps |")
    print("|---|---|---|---|---|---|---|")
    habits = [[o.regret(HABITS.get(t.optimizer, 0.001))] for t, o in zip(tasks, oracles, strict=True)]
    print(row("a habit", np.array(habits), tasks, 0, 0))
    choices, brackets = [], []
    for ladder in LADDERS:
        span = f"{ladder[0]:g}..{ladder[1]:g} in {ladder[2]}"
        paired = zip(tasks, oracles, strict=True)
        curves = [(oracle, curve) for task, oracle in paired for curve in sweeps(task, ladder, args.sweeps)]
        steps = float(np.mean([len(curve) for _, curve in curves]))
        for rule in Rule:
            answers = [(o, read(curve, rule=rule).suggestion) for o, curve in curves]
            regrets = np.array([o.regret(a.lr if a else None) for o, a in answers]).reshape(len(tasks), -1)
            choices.append(regrets.mean(axis=1))
            unanswered = float(np.mean([a is None for _, a in answers]))
            print(row(f"{rule.value}, {span}", regrets, tasks, unanswered, steps), flush=True)
        sound, holds = np.mean([o.keeps(a.low, a.high) for o, a in answers if a], axis=0)
        brackets.append(f"| {span} | {sound:.0%} | {holds:.0%} |")
    print("\n| bracket on | all inside below 0.10 | oracle inside or within a factor 2 |\n|---|---|---|")
    print(*brackets, sep="\n")
    mean, worst = left_out(np.array(choices))
    print(f"\nChosen for each task by all others: mean regret {mean:.3f}, worst task {worst:.3f}.")


if __name__ == "__main__":
    main()
