"""What lrfind answers where the model is trained already: fine-tuning tasks, drawn by chance.

Every data set comes once, two of them twice, with a model, an optimizer, a batch size and an extra from
shuffled decks as in `drawn.py`, and from two more decks how the start relates to what is trained on now and
for how long it was trained; in a second draw the inputs have changed since, in all of them. The first half of
each was looked at, the other asked when the rule stood: that runs with samples held out follow and go to
lower rates, for the first draw, and that they go to higher ones, for the second.

    python -m benchmarks.truth.fine_tuning                 measures what is not recorded yet, prints the table
    python -m benchmarks.truth.fine_tuning --draw changed  the second draw
    python -m benchmarks.truth.fine_tuning --half once     the half that is asked once
    python -m benchmarks.truth.fine_tuning --fresh         asks lrfind anew
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import random
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from benchmarks.truth import data as data_sets
from benchmarks.truth import tasks
from benchmarks.truth.coarse import asked, trained, without_held_out
from benchmarks.truth.drawn import (
    EXTRAS,
    MODELS,
    SOURCES,
    Drawn,
    Source,
    config_text,
    deck,
    model_lines,
)
from benchmarks.truth.lines import read_lines, rewrite
from benchmarks.truth.oracle import grid
from benchmarks.truth.pretrained import started
from benchmarks.truth.tasks import config_of, optimizer_kind
from lrfind.tasks.data.dataset import Data

if TYPE_CHECKING:
    from collections.abc import Callable

RUNS = Path(__file__).parent / "results" / "fine_tuning.jsonl"

SEEDS = {"any": 20261126, "changed": 20261127}
"""Of the draws, by how their starts relate to what is trained on now."""

COUNT = 16
"""Tasks of a draw; the first half of each was looked at."""

OPTIMIZERS = ("sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop")
"""Those that models are fine-tuned with."""

BATCH_SIZES = (8, 16, 32, 64, 128)

STARTS = ("classes", "noisier", "shifted", "continued")
"""How the start relates to what is trained on now: it was trained on other classes and has a new head; on the
same samples without noise, or without a shift; or on the very same."""

DRAWS = {"any": STARTS, "changed": ("noisier", "shifted")}
"""Of which starts each draw has its own."""

STEPS_BEFORE = (200, 600, 2000)
"""Of Adam at 1e-3 with batches of 64, that the start was trained for."""

MANY_CLASSES = ("mnist", "digits", "dogs", "waves", "modules")
"""Data sets of which half of the classes make a task."""

TRAINED = (0, 1)
"""Seeds of the runs at every rate: of a new head, order and dropout. All hold out the same samples."""

DECADE = 4
"""Rates of the oracle's grid, from its top down, that ruin what is trained already and are left out."""

LEAST_GAIN = 0.1
"""Share of the loss at the start that counts as what there is to gain, where the best rate gains less."""

WORST = 2.0
"""Regret of a rate that ruins the model, at most."""


@dataclass(frozen=True, slots=True)
class FineTuning:
    """A task that came out: what is trained, and where it starts."""

    drawn: Drawn
    start: str
    steps_before: int

    @property
    def name(self) -> str:
        """Of the task."""
        made = self.drawn
        kind = f"{made.source}_{made.model}_{made.optimizer}_{made.batch_size}"
        return f"{kind}_{self.start}_{self.steps_before}"


@cache
def drawn_tasks(draw: str) -> tuple[FineTuning, ...]:
    """The tasks of a draw, in the order in which they were drawn."""
    rng = random.Random(SEEDS[draw])
    optimizers, batches, extras = (deck(rng, cards, 60) for cards in (OPTIMIZERS, BATCH_SIZES, EXTRAS))
    starts, steps = deck(rng, DRAWS[draw], 60), deck(rng, STEPS_BEFORE, 60)
    found = []
    for name in map(str, deck(rng, tuple(SOURCES), COUNT)[:COUNT]):
        source = SOURCES[name]
        start = next(i for i, each in enumerate(starts) if each != "classes" or name in MANY_CLASSES)
        left = source.trained // 2 if starts[start] == "classes" else source.trained
        batch = next(i for i, size in enumerate(batches) if 4 * int(size) <= left)
        smooth = source.loss == "cross_entropy"
        extra = next(i for i, each in enumerate(extras) if smooth or each != "label_smoothing")
        model, optimizer = rng.choice(MODELS[source.form]), str(optimizers.pop(0))
        made = Drawn(name, model, optimizer, int(batches.pop(batch)), str(extras.pop(extra)))
        found.append(FineTuning(made, str(starts.pop(start)), int(steps.pop(0))))
    return tuple(found)


def task_of(name: str) -> FineTuning:
    """The task of that name."""
    return next(task for draw in DRAWS for task in drawn_tasks(draw) if task.name == name)


@cache
def parts(name: str) -> dict[str, tuple[Tensor, Tensor]]:
    """The samples of a task: those that its start was trained on, and those to train on and held out now."""
    task = task_of(name)
    source = SOURCES[task.drawn.source]
    x, y = _samples(task.drawn.source)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    x, y = x[order], y[order]
    before = None
    if task.start == "classes":
        first = (int(y.max()) + 2) // 2
        before = x[y < first], y[y < first]
        x, y = x[y >= first], y[y >= first] - first
    held_out = min(source.held_out, len(x) // 4)
    if before is None:
        before = x[held_out:], y[held_out:]
    x = _changed(x, task.start)
    return {"before": before, "held_out": (x[:held_out], y[:held_out]), "now": (x[held_out:], y[held_out:])}


def samples(task: str) -> Data:
    """What a task trains on."""
    x, y = parts(task)["now"]
    labels = y if y.dtype == torch.int64 else None
    outputs = y.shape[1] if y.ndim > 1 else source_of(task_of(task)).outputs
    return Data(TensorDataset(x, y), task, tuple(x.shape[1:]), num_outputs=outputs, labels=labels)


def model(task: str, dropout: float = 0.0) -> nn.Module:
    """The model of a task as it starts: trained before, but for a new head where there are other classes."""
    made = task_of(task)
    x, y = parts(task)["before"]
    before = SOURCES[made.drawn.source]
    if made.start == "classes":
        before = dataclasses.replace(before, outputs=int(y.max()) + 1)
    losses: dict[str, Callable[..., Tensor]] = {
        "cross_entropy": nn.functional.cross_entropy,
        "mse": nn.functional.mse_loss,
        "bce_with_logits": nn.functional.binary_cross_entropy_with_logits,
    }
    with torch.random.fork_rng(devices=[]):
        like = _network(made, before, dropout)
    epochs = max(1, round(made.steps_before / math.ceil(len(x) / 64)))
    state = started(f"fine_{task}", like, lambda: (x, y), epochs=epochs, loss=losses[before.loss])
    network = _network(made, source_of(made), dropout)
    if made.start == "classes":
        head = [name for name, layer in network.named_modules() if isinstance(layer, nn.Linear)][-1]
        state = {key: value for key, value in state.items() if not key.startswith(f"{head}.")}
    network.load_state_dict(state, strict=made.start != "classes")
    return network


def source_of(task: FineTuning) -> Source:
    """The data set of a task, with the classes that are left for it."""
    source = SOURCES[task.drawn.source]
    if task.start != "classes":
        return source
    return dataclasses.replace(source, outputs=source.outputs - (source.outputs + 1) // 2)


def _network(task: FineTuning, source: Source, dropout: float) -> nn.Module:
    node = OmegaConf.create("\n".join(model_lines(task.drawn.model, source)))
    made: nn.Module = instantiate(node, dropout=dropout, _convert_="all")
    return made


def _samples(source: str) -> tuple[Tensor, Tensor]:
    """All samples of a data set; of MNIST the first 12,000."""
    root = Path(os.environ.get("LRFIND_DATA", ""))
    own: dict[str, Callable[[], Data]] = {
        "mnist": lambda: data_sets.few_mnist(str(root / "mnist"), 12_000),
        "digits": lambda: data_sets.few_digits(1797),
        "dogs": lambda: data_sets.dogs_of(str(root / "dogbreed"), range(10), 32),
    }
    made = own.get(source, lambda: instantiate(OmegaConf.create("\n".join(SOURCES[source].lines[1:]))))()
    x, y = made.dataset.tensors
    return x, y


def _changed(x: Tensor, how: str) -> Tensor:
    """Inputs with noise or with a shift; of text every seventh character drawn anew, or its case changed."""
    generator = torch.Generator().manual_seed(1)
    if how not in ("noisier", "shifted"):
        return x
    if x.is_floating_point():
        scale = x.std()
        noise = torch.randn(x.shape, generator=generator)
        return x + 0.5 * scale * noise if how == "noisier" else 0.7 * x + 0.5 * scale
    if how == "noisier":
        anew = torch.rand(x.shape, generator=generator) < 1 / 7
        return torch.where(anew, x.flatten()[torch.randint(x.numel(), x.shape, generator=generator)], x)
    lower, upper = (x >= ord("a")) & (x <= ord("z")), (x >= ord("A")) & (x <= ord("Z"))
    return x + 32 * upper.long() - 32 * lower.long()


def text_of(task: FineTuning) -> str:
    """The experiment of a task: that of the combination, with the samples and the model from here."""
    here = "benchmarks.truth.fine_tuning"
    node = OmegaConf.create(config_text(task.drawn))
    dropout = node.model.dropout
    node.model = {"_target_": f"{here}.model", "task": task.name, "dropout": dropout}
    node.data = {"_target_": f"{here}.samples", "task": task.name}
    node.defaults[1] = {"override /data": "custom"}
    return "# @package _global_\n" + OmegaConf.to_yaml(node)


def measured(task: FineTuning) -> dict[str, Any]:
    """What lrfind answers, and the held-out loss before training and after it at every rate."""
    config = config_of(task.name)
    data, lrs = samples(task.name), grid(optimizer_kind(config))[:-DECADE]
    held_out = [parts(task.name)["held_out"]]
    runs = [trained(config, data, seed, lrs, held_out=held_out, stop_factor=None) for seed in TRAINED]
    initial, final = zip(*runs, strict=True)
    line = {"task": task.name, "answers": asked(config, data, without_held_out), "lrs": lrs}
    return line | {"initial": initial, "final": final}


def regret(line: dict[str, Any], lr: float | None) -> float:
    """Of a rate; without one the model stays as it was at the start.

    (Loss at the rate - at the best) / (at the start - at the best), but the best is at most the start, and
    what there is to gain counts for `LEAST_GAIN` of the start at least: where nothing can be gained every
    rate is as good that does no harm, and one that adds a tenth to the loss counts as 1. A rate at which the
    model ends worse than it began counts as more than 1, up to `WORST`.
    """
    start = float(np.mean(line["initial"]))
    ends = np.array([[math.inf if loss is None else loss for loss in row] for row in line["final"]])
    gain = max(start - float(ends.mean(axis=0).min()), LEAST_GAIN * start)
    means = np.minimum(ends, start + WORST * gain).mean(axis=0)
    least = min(start, float(means.min()))
    loss = start if lr is None else float(np.interp(math.log10(lr), np.log10(line["lrs"]), means))
    return min(WORST, (loss - least) / gain)


RULES = {"before": "no runs", "lower": "lower rates", "answers": "higher too"}
"""By where a line has the answers: without runs on samples held out, with lower rates alone, today's."""


def regrets(line: dict[str, Any]) -> dict[str, list[float]]:
    """Of the answers that each rule gave, as far as it was asked."""
    return {rule: [regret(line, each["lr"]) for each in line[rule]] for rule in RULES if rule in line}


def table(lines: list[dict[str, Any]]) -> str:
    """A line a task, and the mean of all."""
    every = [regrets(line) for line in lines]
    found = {rule: np.array([each[rule] for each in every]) for rule in every[0]}
    rows = [f"{'task':46} {'  '.join(f'{RULES[rule]:>11}' for rule in found)}"]
    for line, each in zip(lines, every, strict=True):
        said = " ".join(
            "none" if answer["lr"] is None else f"{answer['lr']:.3g}" for answer in line["answers"]
        )
        good = [lr for lr in line["lrs"] if regret(line, lr) <= 0.05]
        near = f"within 0.05: {good[0]:.2g} to {good[-1]:.2g}"
        means = "  ".join(f"{np.mean(of_rule):11.3f}" for of_rule in each.values())
        rows.append(f"{line['task']:46} {means}  {said:28} {near}")
    figures = {
        f"mean of {len(lines)}": [f"{of_rule.mean():.3f}" for of_rule in found.values()],
        "within 0.05": [f"{(of_rule <= 0.05).mean():.0%}" for of_rule in found.values()],
        "made worse": [str((of_rule > 1).sum()) for of_rule in found.values()],
        "steps": [f"{np.mean([[a['steps'] for a in line[rule]] for line in lines]):.0f}" for rule in found],
    }
    rows += [f"{name:46} {'  '.join(f'{text:>11}' for text in texts)}" for name, texts in figures.items()]
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draw", choices=DRAWS, default="any", help="which draw")
    parser.add_argument("--half", choices=("seen", "once"), default="seen", help="which half of the draw")
    parser.add_argument("--fresh", action="store_true", help="ask lrfind anew")
    args = parser.parse_args()
    torch.set_num_threads(1)
    half = COUNT // 2
    drawn = drawn_tasks(args.draw)
    chosen = drawn[:half] if args.half == "seen" else drawn[half:]
    lines = {line["task"]: line for line in read_lines(RUNS)}
    with tempfile.TemporaryDirectory() as folder:
        tasks.CONFIGS = Path(folder)
        (tasks.CONFIGS / "experiment").mkdir()
        for task in chosen:
            (tasks.CONFIGS / "experiment" / f"{task.name}.yaml").write_text(text_of(task))
            if task.name not in lines:
                lines[task.name] = measured(task)
            elif args.fresh:
                answers = asked(config_of(task.name), samples(task.name), without_held_out)
                lines[task.name]["answers"] = answers
            else:
                continue
            rewrite(RUNS, lines.values())
    print(table([lines[task.name] for task in chosen]))


if __name__ == "__main__":
    main()
