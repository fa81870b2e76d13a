"""What the run with samples held out is worth, on tasks drawn for it, with 20 steps an epoch at most.

Each of nine small data sets comes twice, with a model, an optimizer, a batch size and an extra from shuffled
decks as in `drawn.py`. They were drawn when the rule stood, and asked once.

    python -m benchmarks.truth.short_epochs          # measures what is not recorded yet, and prints the table
"""

from __future__ import annotations

import math
import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.truth import tasks
from benchmarks.truth.drawn import BATCH_SIZES, EXTRAS, MODELS, OPTIMIZERS, SOURCES, Drawn, config_text, deck
from benchmarks.truth.lines import append_line, read_lines, rounded
from benchmarks.truth.tasks import BUDGET, config_of, with_seed
from lrfind.api.caller import Caller
from lrfind.range_test.held_out_run import PASSES
from lrfind.range_test.run import range_test_of
from lrfind.tasks.build import build, data_of
from lrfind.training.runs import train_runs
from lrfind.training.stacking.strategy import Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from lrfind.range_test.config import RangeConfig
    from lrfind.tasks.data.dataset import Data

RUNS = Path(__file__).parent / "results" / "short_epochs.jsonl"

SEED = 20261125
"""Of the draw."""

SMALL = 3000
"""Samples trained on, at most; photographs, which have a loader of their own, are left out."""

LRS = 10 ** np.arange(-4.5, 1.01, 0.25)
"""Rates that every task is trained at, from three seeds."""

ASKED = (100, 101, 102)
"""Seeds that lrfind is asked with."""


def drawn_tasks() -> list[Drawn]:
    """The tasks, in the order in which they were drawn."""
    rng = random.Random(SEED)
    optimizers, extras = deck(rng, OPTIMIZERS, 60), deck(rng, EXTRAS, 60)
    found = []
    for name in [n for n, source in SOURCES.items() if source.trained <= SMALL and n != "dogs"] * 2:
        source = SOURCES[name]
        smooth = source.loss == "cross_entropy"
        extra = next(i for i, each in enumerate(extras) if smooth or each != "label_smoothing")
        sizes = [
            size
            for size in BATCH_SIZES
            if 4 * size <= source.trained and epoch_of(name, size) * PASSES <= BUDGET
        ]
        model = rng.choice(MODELS[source.form])
        optimizer = str(optimizers.pop(0))
        found.append(Drawn(name, model, optimizer, rng.choice(sizes), str(extras.pop(extra)), number=5))
    return found


def epoch_of(name: str, batch_size: int) -> float:
    """Steps of an epoch of all samples of a data set."""
    source = SOURCES[name]
    return (source.trained + source.held_out) / batch_size


def measured(task: Drawn) -> dict[str, Any]:
    """What lrfind answers, with and without the run, and the held-out loss after training at every rate."""
    config = config_of(name_of(task))
    data, held_out = data_of(config), SOURCES[task.source].held_out
    runs = [trained(config, data, seed, LRS, validation_samples=held_out) for seed in range(3)]
    initial, final = zip(*runs, strict=True)
    return {"task": name_of(task), "answers": asked(config, data), "initial": initial, "final": final}


def asked(config: RangeConfig, data: Data) -> list[dict[str, Any]]:
    """What lrfind answers from every seed, and what the curve alone shows."""
    answers = []
    for seed in ASKED:
        found = range_test_of(with_seed(config, seed), observer=Caller(), data=data)
        reading = found.reading
        lr = None if reading.suggestion is None else reading.suggestion.lr
        curve = lr if reading.held_out is None else reading.held_out.lr
        answers.append({"seed": seed, "lr": lr, "curve": curve, "steps": found.steps})
    return answers


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
    """Mean regret of what the curves show, and of what is answered."""
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


def main() -> None:
    torch.set_num_threads(1)
    done = {line["task"] for line in read_lines(RUNS)}
    with tempfile.TemporaryDirectory() as folder:
        tasks.CONFIGS = Path(folder)
        (tasks.CONFIGS / "experiment").mkdir()
        for task in drawn_tasks():
            if name_of(task) not in done:
                (tasks.CONFIGS / "experiment" / f"{name_of(task)}.yaml").write_text(config_text(task))
                append_line(RUNS, measured(task))
    print(table(read_lines(RUNS)))


if __name__ == "__main__":
    main()
