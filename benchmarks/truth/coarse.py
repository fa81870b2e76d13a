"""Tasks drawn for one question: how lrfind answers them, and the held-out loss at 23 rates from three seeds.

A coarser search than that of `oracle.py`, for tasks that are no part of the benchmark.
"""

from __future__ import annotations

import math
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.truth import tasks
from benchmarks.truth.drawn import SOURCES, Drawn, config_text
from benchmarks.truth.lines import rounded
from benchmarks.truth.tasks import BUDGET, config_of, with_seed
from lrfind.api.caller import Caller
from lrfind.range_test.run import range_test_of
from lrfind.tasks.build import build, data_of
from lrfind.training.runs import train_runs
from lrfind.training.stacking.strategy import Strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import ArrayLike

    from lrfind.range_test.config import RangeConfig
    from lrfind.range_test.run import RangeTest
    from lrfind.tasks.data.dataset import Data

LRS = 10 ** np.arange(-4.5, 1.01, 0.25)
"""Rates that every task is trained at, from three seeds."""

ASKED = (100, 101, 102)
"""Seeds that lrfind is asked with."""


@contextmanager
def configs_of(drawn: Iterable[Drawn]) -> Iterator[None]:
    """Has `config_of` find the configs of these tasks, and no others."""
    before = tasks.CONFIGS
    with tempfile.TemporaryDirectory() as folder:
        tasks.CONFIGS = Path(folder)
        (tasks.CONFIGS / "experiment").mkdir()
        try:
            for task in drawn:
                (tasks.CONFIGS / "experiment" / f"{name_of(task)}.yaml").write_text(config_text(task))
            yield
        finally:
            tasks.CONFIGS = before


def asked(
    config: RangeConfig, data: Data, before: Callable[[RangeTest], float | None]
) -> list[dict[str, Any]]:
    """What lrfind answers, seed by seed.

    Args:
        config: Of a task.
        data: To train on.
        before: What a range test would answer without that which is asked about, recorded as `curve`.
    """
    found = []
    for seed in ASKED:
        test = range_test_of(with_seed(config, seed), observer=Caller(), data=data)
        lr = None if test.reading.suggestion is None else test.reading.suggestion.lr
        found.append({"seed": seed, "lr": lr, "curve": before(test), "steps": test.steps})
    return found


def without_held_out(test: RangeTest) -> float | None:
    """What a range test would answer without a run with samples held out."""
    if test.reading.held_out is not None:
        return test.reading.held_out.first
    return None if test.reading.suggestion is None else test.reading.suggestion.lr


def search(task: Drawn) -> dict[str, Any]:
    """The held-out loss before training, seed by seed, and after it at every rate."""
    config = config_of(name_of(task))
    data, held_out = data_of(config), SOURCES[task.source].held_out
    runs = [trained(config, data, seed, LRS, validation_samples=held_out) for seed in range(3)]
    initial, final = zip(*runs, strict=True)
    return {"initial": initial, "final": final}


def trained(
    config: RangeConfig,
    data: Data,
    seed: int,
    lrs: ArrayLike,
    *,
    validation_samples: int = 0,
    held_out: Sequence[Any] | None = None,
    stop_factor: float | None = 100,
) -> tuple[float, list[float | None]]:
    """The held-out loss before training, and after it at every rate, None where it diverged.

    Args:
        config: Of a task.
        data: To train on.
        seed: Of weights, order and dropout, and of what is held out of these data.
        lrs: The rates.
        validation_samples: How many that are.
        held_out: Batches that are held out already, in their place.
        stop_factor: Times of its start at which a loss has diverged; None: where it is not finite.
    """
    built = build(with_seed(config, seed), data=data, validation_samples=validation_samples)
    try:
        runs = train_runs(
            built,
            lrs,
            num_steps=BUDGET,
            held_out=built.validation if held_out is None else held_out,
            read_at=[0, BUDGET],
            strategy=Strategy.SEQUENTIAL,
            stop_factor=stop_factor,
        )
    finally:
        built.close()
    return float(runs.readings[0, 0]), [rounded(float(loss)) for loss in runs.readings[:, -1]]


def regrets(line: dict[str, Any]) -> tuple[float, float]:
    """Mean regret of what is answered without that which is asked about, and with it."""
    start = float(np.mean(line["initial"]))
    ends = [
        [start if loss is None or not math.isfinite(loss) else min(loss, start) for loss in row]
        for row in line["final"]
    ]
    means = np.mean(ends, axis=0)

    def regret(lr: float | None) -> float:
        if lr is None:
            return 1.0
        loss = float(np.interp(math.log10(lr), np.log10(LRS), means))
        return (loss - float(means.min())) / (start - float(means.min()))

    answers = line["answers"]
    before, after = ([regret(each[key]) for each in answers] for key in ("curve", "lr"))
    return float(np.mean(before)), float(np.mean(after))


def table(lines: list[dict[str, Any]]) -> str:
    """A line a task, and the mean of all."""
    found = [regrets(line) for line in lines]
    rows = [f"{line['task']:45} {a:.3f} {b:.3f}" for line, (a, b) in zip(lines, found, strict=True)]
    before, after = np.mean(found, axis=0)
    return "\n".join(
        [f"{'task':45} curve answer", *rows, f"{f'mean of {len(rows)}':45} {before:.3f} {after:.3f}"]
    )


def name_of(task: Drawn) -> str:
    """Of the task: two of them may differ in the batch size alone."""
    return f"{task.name}_{task.batch_size}"
