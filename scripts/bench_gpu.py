"""Throughput of the range test on a GPU, over a bare loop on resident data. Run by scripts/gpu_check.sh.

Both train the same model in the same precision; the bare loop trains again and again on one batch that lies
on the device, and waits for nothing. What the range test adds is everything else: reading, decoding and
copying pictures, setting the rate, reading the losses back, watching for divergence.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from contextlib import closing
from pathlib import Path

import torch

from lrfind.config.validate import validated
from lrfind.range_test.config import RangeConfig
from lrfind.range_test.ladder import geometric
from lrfind.range_test.sweep import SweepOptions, sweep
from lrfind.tasks.build import build


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


def bare(config: RangeConfig, steps: int) -> float:
    """Samples a second of the bare loop on one resident batch."""
    task = build(config)
    with closing(task):
        batch = next(task.batches)

        def step() -> None:
            task.optimizer.zero_grad()
            task.objective(batch)[0].backward()
            task.optimizer.step()

        for _ in range(5):
            step()
        started = synchronized(task.device)
        for _ in range(steps):
            step()
        return steps * config.batch_size / (synchronized(task.device) - started)


def tested(config: RangeConfig, steps: int, warm: int) -> float:
    """Samples a second of the range test, after `warm` steps that start workers and choose kernels."""
    task = build(config)
    options = SweepOptions.of(num_steps=steps, skip_start=None, skip_end=None, stop_factor=None)
    with closing(task):
        for number, count in enumerate((warm, steps)):
            started = synchronized(task.device)
            rates = geometric(1e-8, 1e-6, count)
            sweep(task, rates, options=options)
            if number:
                return count * config.batch_size / (synchronized(task.device) - started)
    raise AssertionError


def repeated(photos: Path, copies: int, scratch: Path) -> Path:
    """A folder in which every photo stands `copies` times, each a file that must be read and decoded."""
    for photo in sorted(p for p in photos.rglob("*") if p.is_file()):
        target = scratch / photo.parent.name
        target.mkdir(parents=True, exist_ok=True)
        content = photo.read_bytes()
        for copy in range(copies):
            (target / f"{photo.stem}_{copy}{photo.suffix}").write_bytes(content)
    return scratch


def main() -> None:
    """Runs each contest and prints its ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--copies", type=int, default=60)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    folder = repeated(arguments.photos, arguments.copies, arguments.scratch)
    device = f"device={arguments.device}"
    contests = {
        f"{arguments.model}, bf16, batch {arguments.batch_size}, from a folder": (
            composed(
                f"model={arguments.model}", "data=imagefolder", f"data.root={folder}",
                f"data.image_size={arguments.image_size}", f"batch_size={arguments.batch_size}",
                f"num_workers={arguments.workers}", "precision=bf16", "channels_last=true", device,
            ),
            arguments.steps,
        ),
        "mlp on digits, fp32, batch 64, in memory": (composed(device), 2000),
    }  # fmt: skip
    for name, (config, steps) in contests.items():
        ratios, bares = [], []
        for _ in range(arguments.rounds):
            bares.append(bare(config, steps))
            ratios.append(tested(config, steps, warm=20) / bares[-1])
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{name}: {statistics.median(ratios):.2f} of the bare loop ({spread}), which makes "
              f"{statistics.median(bares):,.0f} samples/s")  # fmt: skip


if __name__ == "__main__":
    main()
