"""What lrfind's answers are worth with batches of 1 to 8, on tasks drawn for that question.

Two draws of eight tasks: a data set, a model, an optimizer, a batch size and an extra each, from shuffled
decks as in `drawn.py`. The first is there to look at; the second is asked once, when the rule stands.

    python -m benchmarks.truth.small_batches 1             measures what is not recorded yet, prints the table
    python -m benchmarks.truth.small_batches 1 --fresh     asks lrfind anew; the searches are kept
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from benchmarks.truth.coarse import asked, configs_of, name_of, search, table
from benchmarks.truth.drawn import EXTRAS, MODELS, OPTIMIZERS, SOURCES, Drawn, deck
from benchmarks.truth.lines import append_line, read_lines, rewrite
from benchmarks.truth.tasks import config_of
from lrfind.range_test.reading import DEFAULT_RULE
from lrfind.range_test.slower_sweep import FAINT
from lrfind.tasks.build import data_of

if TYPE_CHECKING:
    from lrfind.range_test.run import RangeTest

RUNS = Path(__file__).parent / "results" / "small_batches.jsonl"

SEED = 20261126
"""Of both draws."""

BATCH_SIZES = (1, 2, 4, 8)

TASKS = 8
"""Of a draw."""


def drawn_tasks(draw: int) -> list[Drawn]:
    """The tasks of a draw, 1 or 2, in the order in which they were drawn."""
    rng = random.Random(SEED)
    sources = deck(rng, tuple(SOURCES), 2 * TASKS)
    optimizers, batches = deck(rng, OPTIMIZERS, 2 * TASKS), deck(rng, BATCH_SIZES, 2 * TASKS)
    extras = deck(rng, EXTRAS, 60)
    found = []
    for name, optimizer, batch in zip(sources, optimizers, batches, strict=False):
        source = SOURCES[str(name)]
        smooth = source.loss == "cross_entropy"
        extra = next(i for i, each in enumerate(extras) if smooth or each != "label_smoothing")
        # Of one sample there is nothing to normalise by.
        models = [model for model in MODELS[source.form] if batch != 1 or "batchnorm" not in model]
        drawn = str(name), rng.choice(models), str(optimizer), int(batch), str(extras.pop(extra))
        found.append(Drawn(*drawn, number=6))
    return found[TASKS * (draw - 1) : TASKS * draw]


def sweep_answer(test: RangeTest) -> float | None:
    """What a range test would answer if runs at constant rates did not follow where batches disagree."""
    reading = test.reading
    if reading.trials is not None and reading.smoothed.share_lost >= FAINT:
        return reading.rules[DEFAULT_RULE.value]
    return None if reading.suggestion is None else reading.suggestion.lr


def main() -> None:
    parser = argparse.ArgumentParser(description="Asks lrfind on tasks with batches of 1 to 8.")
    parser.add_argument("draw", type=int, choices=(1, 2))
    parser.add_argument("--fresh", action="store_true", help="ask lrfind anew")
    args = parser.parse_args()
    torch.set_num_threads(1)
    drawn = drawn_tasks(args.draw)
    names = [name_of(task) for task in drawn]
    known = {line["task"]: line for line in read_lines(RUNS)}
    with configs_of(drawn):
        for name, task in zip(names, drawn, strict=True):
            if name in known and not args.fresh:
                continue
            config = config_of(name)
            searched = known.get(name) or search(task)
            line = {"task": name, **searched, "answers": asked(config, data_of(config), sweep_answer)}
            rewrite(RUNS, [each for each in read_lines(RUNS) if each["task"] != name])
            append_line(RUNS, line)
    print(table([line for line in read_lines(RUNS) if line["task"] in names]))


if __name__ == "__main__":
    main()
