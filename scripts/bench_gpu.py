"""How fast lrfind is on a GPU, as ratios within one run. Run by scripts/gpu_check.sh.

    python scripts/bench_gpu.py --photos FOLDER [--device cuda:0] [--only throughput,rates,seeds,processes]

throughput: the range test, unpaired and paired, over a bare loop that trains again and again on one batch
    that lies on the device, and waits for nothing. Targets: 0.95 and 0.75. What the range test adds is
    reading, decoding and copying, setting the rate, reading the losses back, watching for divergence. Beside
    it stands the share of the time in which the GPU did nothing.
rates: 32 rates stacked against one after another, and which of them is chosen.
seeds: the same for five seeds of the textbook's 1-4-1.
processes: `compare` with two processes on one GPU against one.

Contestants take turns, round after round; what is printed is the median of the ratios of each round, with
their quartiles. --device cpu --rehearse runs every line once on the CPU with next to nothing to compute.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lrfind.config.validate import validated
from lrfind.range_test.config import RangeConfig
from lrfind.range_test.ladder import geometric
from lrfind.range_test.sweep import SweepOptions, sweep
from lrfind.tasks.build import build
from lrfind.training.objective import Objective
from lrfind.training.runs import train_runs
from lrfind.training.stacking.strategy import Strategy
from lrfind.training.task import Task

Make = Callable[[], Task]
"""Makes a task at its start."""


def composed(*overrides: str) -> RangeConfig:
    """The validated config of a range test."""
    from hydra import compose, initialize_config_module

    with initialize_config_module("lrfind.configs", version_base="1.3"):
        return validated(compose(config_name="range", overrides=list(overrides)), RangeConfig)


def synchronized(device: torch.device) -> float:
    """The time, once the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """How long something takes, the device included."""
    began = synchronized(device)
    work()
    return synchronized(device) - began


def spread(values: list[float]) -> str:
    """Median and quartiles."""
    if len(values) == 1:
        return f"{values[0]:.2f}"
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


# --- throughput


class Transformer(nn.Module):
    """A small language model: four layers of width 256 over sequences of 128 tokens."""

    def __init__(self, tokens: int = 1000, width: int = 256, layers: int = 4, length: int = 128) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.place = nn.Parameter(torch.zeros(length, width))
        layer = nn.TransformerEncoderLayer(
            width, 8, 4 * width, dropout=0.0, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, tokens)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of the next token, shape (batch * length, tokens)."""
        return self.head(self.layers(self.embedding(x) + self.place)).flatten(0, 1)


def transformer(device: torch.device, batch_size: int) -> Task:
    """The language model on random tokens that lie on the device, in bf16."""
    torch.manual_seed(0)
    model = Transformer().to(device)
    drawn = [torch.randint(0, 1000, (batch_size, 129), device=device) for _ in range(8)]
    batches = itertools.cycle([(tokens[:, :-1], tokens[:, 1:].flatten()) for tokens in drawn])
    autocast = partial(torch.autocast, device.type, dtype=torch.bfloat16)
    objective = Objective(model, nn.CrossEntropyLoss(), autocast=autocast)
    return Task(objective, torch.optim.AdamW(model.parameters(), lr=1e-3), batches, device)


def resident(config: RangeConfig) -> Task:
    """The task of a config on eight of its batches, which stay on the device."""
    task = build(config)
    with closing(task):
        kept = list(itertools.islice(task.batches, 8))
    return Task(task.objective, task.optimizer, itertools.cycle(kept), task.device, task.options)


def bare(task: Task, steps: int) -> None:
    """The loop without anything else, on one batch."""
    batch = next(task.batches)
    for _ in range(steps):
        task.optimizer.zero_grad()
        with task.objective.autocast():
            loss = task.objective.criterion(task.model(batch[0]), batch[1])  # type: ignore[misc]
        loss.backward()
        task.optimizer.step()


def ranged(task: Task, steps: int, *, paired: bool) -> None:
    """The range test, at rates that change nothing."""
    options = SweepOptions.of(
        num_steps=steps, paired=paired, skip_start=None, skip_end=None, stop_factor=None
    )
    curve = sweep(task, geometric(1e-12, 1e-10, steps), options=options)
    assert len(curve) == steps, curve.status


def idle(work: Callable[[], object], device: torch.device) -> float:
    """Share of the time in which the device ran nothing."""
    from torch.profiler import ProfilerActivity, profile

    on_gpu = device.type == "cuda"
    with profile(activities=[ProfilerActivity.CUDA] if on_gpu else [ProfilerActivity.CPU]) as profiler:
        taken = seconds(work, device) * 1e6
    kind = torch.autograd.DeviceType.CUDA if on_gpu else torch.autograd.DeviceType.CPU
    events = [e.time_range for e in profiler.events() if e.device_type == kind]
    busy, end = 0.0, 0.0
    for event in sorted(events, key=lambda event: event.start):
        busy += max(0.0, event.end - max(event.start, end))
        end = max(end, event.end)
    return 1 - busy / taken


def throughput(makes: dict[str, tuple[Make, int]], rounds: int) -> None:
    """Prints each case's ratios to the bare loop."""
    for name, (make, steps) in makes.items():
        task = make()
        with closing(task):
            device = task.device
            loops = {
                "bare": partial(bare, task, steps),
                "unpaired": partial(ranged, task, steps, paired=False),
                "paired": partial(ranged, task, steps, paired=True),
            }
            for warm in (
                partial(bare, task, 5),
                *(partial(ranged, task, 5, paired=p) for p in (False, True)),
            ):
                warm()
            taken: dict[str, list[float]] = {loop: [] for loop in loops}
            for _ in range(rounds):
                for loop, work in loops.items():
                    taken[loop].append(seconds(work, device))
            print(
                f"{name}: the bare loop takes {statistics.median(taken['bare']) / steps * 1e3:.2f} ms a step"
            )
            for loop, target in (("unpaired", 0.95), ("paired", 0.75)):
                ratios = [b / t for b, t in zip(taken["bare"], taken[loop], strict=True)]
                met = "met" if statistics.median(ratios) >= target else "MISSED"
                nothing = idle(loops[loop], device)
                print(f"    {loop}: {spread(ratios)} of it, target {target} {met}; idle {nothing:.0%}")
        del task


# --- stacking


def mnist_mlp() -> nn.Module:
    """784-100-10."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))


def small_cnn() -> nn.Module:
    """Two convolutions, without batch norm, which cannot be stacked."""
    layers = [nn.Conv2d(1, 16, 3, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(1152, 10))


def random_pictures(model: Callable[[], nn.Module], device: torch.device) -> Task:
    """The model on random pictures of MNIST's size that lie on the device."""
    torch.manual_seed(0)
    net = model().to(device)
    shape = (64, 1, 28, 28)
    kept = [(torch.randn(shape, device=device), torch.randint(0, 10, (64,), device=device)) for _ in range(8)]
    return Task(
        Objective(net, nn.CrossEntropyLoss()),
        torch.optim.SGD(net.parameters(), lr=0.1),
        itertools.cycle(kept),
        device,
        afresh=partial(itertools.cycle, kept),
    )


def stacking(makes: dict[str, Callable[[], Task]], steps: int, rounds: int) -> None:
    """Prints how long 32 rates take stacked, over one after another, and what is chosen."""
    lrs = np.geomspace(1e-6, 1e-4, 32)
    for name, make in makes.items():
        task = make()
        with closing(task):

            def run(strategy: Strategy, task: Task = task) -> object:
                return train_runs(task, lrs, num_steps=steps, strategy=strategy, stop_factor=None)

            run(Strategy.STACKED)
            ratios = []
            for _ in range(rounds):
                alone = seconds(partial(run, Strategy.SEQUENTIAL), task.device)
                ratios.append(seconds(partial(run, Strategy.STACKED), task.device) / alone)
            chosen = train_runs(task, lrs, num_steps=max(steps, 40), stop_factor=None)
        faster = "stacked" if statistics.median(ratios) < 1 else "one after another"
        form = "stacked" if chosen.stacked else "one after another"
        right = "right" if faster == form else "WRONG"
        print(f"{name}, 32 rates stacked: {spread(ratios)} of the time; {form} is chosen: {right}")


def commands(name: str, words: list[str], cases: dict[str, list[str]], rounds: int) -> None:
    """Prints how long a whole command takes in the second case, over the first."""
    taken: dict[str, list[float]] = {case: [] for case in cases}
    with tempfile.TemporaryDirectory() as folder:
        for number, (case, own) in itertools.product(range(rounds), cases.items()):
            run = [
                sys.executable,
                "-m",
                "lrfind",
                "-q",
                *words,
                *own,
                f"hydra.run.dir={folder}/{case}{number}",
            ]
            began = time.perf_counter()
            ended = subprocess.run(run, capture_output=True, text=True, check=False)
            if ended.returncode not in (0, 3):
                raise SystemExit(f"{' '.join(run)} ended with {ended.returncode}: {ended.stderr}")
            taken[case].append(time.perf_counter() - began)
    first, second = cases
    ratios = [b / a for a, b in zip(taken[first], taken[second], strict=True)]
    print(f"{name}: {second} takes {spread(ratios)} of the time of {first}")


# --- the photos


def repeated(photos: Path, copies: int, scratch: Path) -> Path:
    """A folder in which every photo stands `copies` times, each a file that must be read and decoded."""
    for photo in sorted(p for p in photos.rglob("*") if p.is_file()):
        target = scratch / photo.parent.name
        target.mkdir(parents=True, exist_ok=True)
        content = photo.read_bytes()
        for copy in range(copies):
            (target / f"{photo.stem}_{copy}{photo.suffix}").write_bytes(content)
    return scratch


def throughput_cases(arguments: argparse.Namespace, folder: Path) -> Iterator[tuple[str, tuple[Make, int]]]:
    """Name, task and steps of what the range test is compared with the bare loop on."""
    small = arguments.rehearse
    batch, size, model = (4, 32, "resnet18") if small else (arguments.batch_size, 224, "resnet50")
    on = f"device={arguments.device}"
    pictures = composed(
        f"model={model}", "data=imagefolder", f"data.root={folder}", f"data.image_size={size}",
        f"batch_size={batch}", f"num_workers={0 if small else arguments.workers}", "precision=bf16",
        "channels_last=true", on,
    )  # fmt: skip
    steps = 5 if small else arguments.steps
    name = f"{model} in bf16 and channels_last, batch {batch} of {size} x {size}"
    yield f"{name}, from a folder of JPEGs", (partial(build, pictures), steps)
    yield f"{name}, resident", (partial(resident, pictures), steps)
    digits = composed(on)
    yield "MLP on digits, fp32, batch 64, resident", (partial(build, digits), 5 if small else 2000)
    device = torch.device(arguments.device)
    task = partial(transformer, device, 2 if small else 64)
    yield "transformer of 4 layers in bf16, batch of 64 x 128 tokens, resident", (task, 2 if small else 200)


def main() -> None:
    """Runs what is asked for."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--photos", type=Path, required=True, help="a folder of class folders")
    parser.add_argument(
        "--copies", type=int, default=60, help="of every photo, for a folder of realistic size"
    )
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="throughput,rates,seeds,processes")
    parser.add_argument("--rehearse", action="store_true", help="next to nothing to compute")
    arguments = parser.parse_args()
    asked = arguments.only.split(",")
    small = arguments.rehearse
    rounds = 1 if small else arguments.rounds
    on = f"device={arguments.device}"
    if "throughput" in asked:
        with tempfile.TemporaryDirectory() as scratch:
            folder = repeated(arguments.photos, 1 if small else arguments.copies, Path(scratch))
            throughput(dict(throughput_cases(arguments, folder)), rounds)
    if "rates" in asked:
        device = torch.device(arguments.device)
        makes = {"MNIST MLP": mnist_mlp, "small CNN": small_cnn}
        makes = {name: partial(random_pictures, model, device) for name, model in makes.items()}
        stacking(makes, 3 if small else 200, rounds)
    if "seeds" in asked:
        segment = f"[{{start: 0.1, stop: 0.5, step: 0.1, iterations: {1 if small else 400}}}]"
        words = [
            "refine",
            "model=curve_mlp",
            "data=curve",
            "batch_size=10",
            "refine.seeds=5",
            "refine.rounds=1",
        ]
        cases = {name: [f"refine.strategy={name}"] for name in ("sequential", "stacked")}
        words += [f"refine.segments={segment}", on]
        commands("5 seeds of 1-4-1", words, cases, rounds)
    if "processes" in asked:
        grid = "[0.05,0.2]" if small else "[0.02,0.05,0.1,0.2,0.4]"
        words = ["compare", f"compare.lrs={grid}", f"compare.epochs={1 if small else 20}", "compare.seeds=2"]
        words += ["compare.stacked=false", on]
        cases = {f"{n} process{'es' * (n > 1)}": [f"compare.processes={n}"] for n in (1, 2)}
        commands("compare", words, cases, rounds)


if __name__ == "__main__":
    main()
