"""What a rate found with a step of one's own is worth: a small GAN on handwritten digits.

It is trained for 1,500 steps at constant rates of both optimizers. What counts is the Fréchet distance
between the 1,797 digits and 2,000 generated ones, as normal distributions of the 64 pixels. `range_test` is
asked with the step of the same training, which returns the loss of the discriminator.

    python -m benchmarks.truth.gan            # everything; goes on where it stopped
    python -m benchmarks.truth.gan table      # the figures of docs/results.md
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.truth.lines import append_line, read_lines, rounded
from lrfind import range_test
from lrfind.tasks.data.readers import read_digits

RUNS = Path(__file__).parent / "results" / "gan.jsonl"
BUDGET = 1500
RATES = [float(f"{10 ** (-4.5 + i / 2):.6g}") for i in range(8)]
SEEDS, ASKED = range(1), range(100, 105)
NOISE, PIXELS, HIDDEN = 16, 64, 128


class Gan:
    """Both networks and their optimizers, and the step that trains them."""

    def __init__(self, seed: int, lr: float = 2e-4) -> None:
        torch.manual_seed(seed)
        self.generator = nn.Sequential(
            *(nn.Linear(NOISE, HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, HIDDEN), nn.LeakyReLU(0.2)),
            *(nn.Linear(HIDDEN, PIXELS), nn.Tanh()),
        )
        self.discriminator = nn.Sequential(
            *(nn.Linear(PIXELS, HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, HIDDEN), nn.LeakyReLU(0.2)),
            nn.Linear(HIDDEN, 1),
        )
        self.both = nn.ModuleDict({"generator": self.generator, "discriminator": self.discriminator})
        self.optimizers = [
            torch.optim.Adam(part.parameters(), lr=lr, betas=(0.5, 0.999)) for part in self.both.values()
        ]
        self.loader = DataLoader(TensorDataset(digits()), batch_size=64, shuffle=True)

    def step(self, batch: tuple[Tensor]) -> Tensor:
        """Trains both on a batch; the loss of the discriminator."""
        (real,) = batch
        for_generator, for_discriminator = self.optimizers
        fake = self.generator(torch.randn(len(real), NOISE))
        for_discriminator.zero_grad()
        loss = softplus(-self.discriminator(real)).mean() + softplus(self.discriminator(fake.detach())).mean()
        loss.backward()
        for_discriminator.step()
        for_generator.zero_grad()
        softplus(-self.discriminator(fake)).mean().backward()
        for_generator.step()
        return loss

    @torch.no_grad()
    def distance(self) -> float:
        """The Fréchet distance of what it generates to the digits."""
        torch.manual_seed(9)
        fake = self.generator(torch.randn(2000, NOISE)).double()
        real = digits().double()
        if not torch.isfinite(fake).all():
            return math.nan
        one, other = torch.cov(real.T), torch.cov(fake.T)
        shared = torch.linalg.eigvals(one @ other).real.clamp(min=0).sqrt().sum()
        apart = (real.mean(0) - fake.mean(0)).square().sum()
        return float(apart + one.trace() + other.trace() - 2 * shared)


def digits() -> Tensor:
    """The digits, shape (1797, 64), from -1 to 1."""
    images, _ = read_digits()
    return images.float().flatten(1) / 8 - 1


def trained(lr: float, seed: int) -> float:
    """The distance after a training at a rate."""
    gan = Gan(seed, lr)
    taken = 0
    while taken < BUDGET:
        for batch in gan.loader:
            gan.step(batch)
            taken += 1
            if taken == BUDGET:
                break
    return gan.distance()


def run() -> None:
    """Asks and trains what is not recorded."""
    done = {(r["kind"], r.get("lr"), r["seed"]) for r in read_lines(RUNS)}
    for seed in ASKED:
        if ("answer", None, seed) not in {(kind, None, at) for kind, _, at in done}:
            gan = Gan(seed)
            found = range_test(gan.both, gan.optimizers, None, gan.loader, step=gan.step)
            lr = None if found.suggestion is None else found.suggestion.lr
            steps = found.content["steps"]
            append_line(RUNS, {"kind": "answer", "seed": seed, "lr": lr, "steps": steps})
    answers = [r["lr"] for r in read_lines(RUNS) if r["kind"] == "answer" and r["lr"] is not None]
    middle = float(f"{np.exp(np.mean(np.log(answers))):.3g}")
    for seed in SEEDS:
        for lr in [*RATES, middle, 2e-4]:
            if ("run", lr, seed) not in done:
                append_line(
                    RUNS, {"kind": "run", "lr": lr, "seed": seed, "distance": rounded(trained(lr, seed))}
                )


def table() -> str:
    """Answers, and the mean distance at every rate, as Markdown."""
    lines = read_lines(RUNS)
    answers = [f"{r['lr']:g}" for r in lines if r["kind"] == "answer"]
    rows = [f"answers: {', '.join(answers)}; untrained: {Gan(0).distance():.1f}", "", "| rate | distance |"]
    rows.append("|---|---|")
    for lr in sorted({r["lr"] for r in lines if r["kind"] == "run"}):
        found = [r["distance"] for r in lines if r["kind"] == "run" and r["lr"] == lr]
        rows.append(f"| {lr:g} | {np.mean([math.inf if d is None else d for d in found]):.1f} |")
    return "\n".join(rows)


if __name__ == "__main__":
    if sys.argv[1:] == ["table"]:
        print(table())
    else:
        torch.set_num_threads(1)
        run()
