"""Sweeps of the tasks on the default ladder, recorded once, so that rules can be studied and tested on them.

    python -m benchmarks.truth.sweeps             records those of all tuning and report tasks anew

They go to results/sweeps.npz: single precision, NaN after the end of a sweep.
"""

from __future__ import annotations

import argparse
import warnings
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.truth.tasks import TASKS, Role, with_seed
from benchmarks.truth.training import Trainer
from lrfind.range_test.curve import Curve
from lrfind.range_test.sweeps import sweep_task
from lrfind.suggestion import Status
from lrfind.tasks.build import build
from lrfind.training.smoothing import exponential_average

if TYPE_CHECKING:
    from collections.abc import Sequence

SWEEPS = Path(__file__).parent / "results" / "sweeps.npz"

SEEDS = range(200, 212)
"""Other ones than those of the oracle and of the finders."""


def sweep_of(trainer: Trainer, seed: int) -> Curve:
    """One sweep with the settings of the composed config."""
    config = with_seed(trainer.config, seed)
    task = build(config, data=trainer.data)
    with closing(task):
        return sweep_task(task, config.range, lambda step: None)


def record(names: Sequence[str], path: Path = SWEEPS, *, seeds: Sequence[int] = SEEDS) -> None:
    """Sweeps every task from every seed and puts the whole in the place of the file."""
    curves = []
    for name in names:
        trainer = Trainer(name)
        curves += [sweep_of(trainer, seed) for seed in seeds]
    steps = max(curve.planned_steps for curve in curves)

    def table(column: str) -> np.ndarray:
        rows = np.full((len(curves), steps), np.nan, dtype=np.float32)
        for row, curve in zip(rows, curves, strict=True):
            values = getattr(curve, column)
            row[: len(values)] = values
        return rows

    np.savez_compressed(
        path,
        tasks=np.repeat(names, len(seeds)),
        lrs=max((curve.lrs for curve in curves), key=len),
        losses=table("losses"),
        start_losses=table("start_losses"),
        steps=np.array([len(curve) for curve in curves]),
        status=np.array([curve.status.value for curve in curves]),
        momentum=np.array([curve.momentum for curve in curves]),
        epoch_steps=np.array([curve.epoch_steps or np.nan for curve in curves]),
    )


def recorded(path: Path = SWEEPS) -> dict[str, list[Curve]]:
    """The recorded sweeps, task by task."""
    found: dict[str, list[Curve]] = {}
    with np.load(path) as held:
        planned = len(held["lrs"])
        for i, task in enumerate(held["tasks"].tolist()):
            steps = int(held["steps"][i])
            losses = held["losses"][i, :steps].astype(np.float64)
            epoch = float(held["epoch_steps"][i])
            curve = Curve(
                lrs=held["lrs"][:steps],
                losses=losses,
                smoothed=exponential_average(losses, 0.98),
                status=Status(held["status"][i].item()),
                planned_steps=planned,
                start_losses=held["start_losses"][i, :steps].astype(np.float64),
                momentum=float(held["momentum"][i]),
                epoch_steps=None if np.isnan(epoch) else epoch,
            )
            found.setdefault(task, []).append(curve)
    return found


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--sweeps", type=Path, default=SWEEPS, help="where they are recorded")
    args = parser.parse_args()
    torch.set_num_threads(1)
    names = [
        name for name, task in TASKS.items() if task.role in (Role.TUNING, Role.REPORT) and not task.lacks
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        record(names, args.sweeps)
    print(f"{len(names) * len(SEEDS)} sweeps recorded in {args.sweeps}.")


if __name__ == "__main__":
    main()
