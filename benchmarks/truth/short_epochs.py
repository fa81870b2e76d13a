"""What the run with samples held out is worth, on tasks drawn for it, with 20 steps an epoch at most.

Each of nine small data sets comes twice, with a model, an optimizer, a batch size and an extra from shuffled
decks as in `drawn.py`. They were drawn when the rule stood, and asked once.

    python -m benchmarks.truth.short_epochs          # measures what is not recorded yet, and prints the table
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch

from benchmarks.truth.coarse import asked, configs_of, name_of, search, table, without_held_out
from benchmarks.truth.drawn import BATCH_SIZES, EXTRAS, MODELS, OPTIMIZERS, SOURCES, Drawn, deck
from benchmarks.truth.lines import append_line, read_lines
from benchmarks.truth.tasks import BUDGET, config_of
from lrfind.range_test.held_out_run import PASSES
from lrfind.tasks.build import data_of

RUNS = Path(__file__).parent / "results" / "short_epochs.jsonl"

SEED = 20261125
"""Of the draw."""

SMALL = 3000
"""Samples trained on, at most; photographs, which have a loader of their own, are left out."""


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
    answers = asked(config, data_of(config), without_held_out)
    return {"task": name_of(task), "answers": answers, **search(task)}


def main() -> None:
    torch.set_num_threads(1)
    done = {line["task"] for line in read_lines(RUNS)}
    missing = [task for task in drawn_tasks() if name_of(task) not in done]
    with configs_of(missing):
        for task in missing:
            append_line(RUNS, measured(task))
    print(table(read_lines(RUNS)))


if __name__ == "__main__":
    main()
