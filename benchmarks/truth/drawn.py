"""The tasks drawn by chance: `python -m benchmarks.truth.drawn` writes their configs and prints them.

Every data set is taken once, in the order below, with a model that can read it, an optimizer, a batch size
and an extra from shuffled decks. A batch that is more than a quarter of the samples trained on, and label
smoothing where there are no classes, cannot be: the next card of the deck is taken. A combination that an
earlier draw has had gets another model.
"""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS = (20261121, 20261122, 20261123, 20261124)
"""Of the draws."""


@dataclass(frozen=True, slots=True)
class Source:
    """A data set that a task can be drawn of.

    Attributes:
        form: Key of `MODELS`: what can read it.
        lines: Of its config, below `data:`; the first names the config where it is one of lrfind's own.
        shape: Of an input.
        outputs: Classes, or width of the target.
        trained: Samples that are left to train on.
        held_out: Samples that are not.
        loss: Config of the criterion.
    """

    form: str
    lines: tuple[str, ...]
    shape: tuple[int, ...]
    outputs: int
    trained: int
    held_out: int
    loss: str = "cross_entropy"


def _own(function: str, *lines: str) -> tuple[str, ...]:
    return ("custom", f"_target_: benchmarks.truth.data.{function}", *lines)


_MNIST = "root: ${oc.env:LRFIND_DATA}/mnist"
_DOGS = ("dogbreed", "root: ${oc.env:LRFIND_DATA}/dogbreed", "image_size: 32")

SOURCES = {
    "mnist": Source("picture", ("mnist", _MNIST), (1, 28, 28), 10, 58_000, 2000),
    "digits": Source("picture", ("digits",), (1, 8, 8), 10, 1400, 397),
    "dogs": Source("picture", _DOGS, (3, 32, 32), 10, 767, 200),
    "noised": Source("itself", _own("noised_mnist", _MNIST), (196,), 196, 9000, 1000, "mse"),
    "cancer": Source("table", _own("table", "name: breast_cancer"), (30,), 2, 419, 150),
    "wine": Source("table", _own("table", "name: wine"), (13,), 3, 118, 60),
    "diabetes": Source("table", _own("table", "name: diabetes"), (10,), 1, 322, 120, "mse"),
    "friedman": Source("table", _own("friedman", "num_samples: 1500"), (10,), 1, 1100, 400, "mse"),
    "spirals": Source("table", _own("spirals"), (2,), 3, 1100, 400),
    "labels": Source("table", _own("several_labels"), (20,), 5, 1500, 500, "bce_with_logits"),
    "waves": Source("sequence", _own("waves"), (32, 1), 4, 1600, 400),
    "marked": Source("sequence", _own("marked_sums"), (12, 2), 1, 2500, 500, "mse"),
    "chars": Source("text", _own("characters", "length: 24"), (24,), 128, 15_000, 2000),
    "modules": Source("text", _own("pieces_of_modules"), (32,), 7, 11_000, 1000),
}
"""Every data set by the name that its task begins with."""

MODELS = {
    "picture": (
        "mlp",
        "tanh_mlp",
        "batchnorm_mlp",
        "cnn",
        "batchnorm_cnn",
        "groupnorm_cnn",
        "gru",
        "attention",
    ),
    "table": ("mlp", "tanh_mlp", "gelu_mlp", "batchnorm_mlp", "layernorm_mlp"),
    "itself": ("autoencoder", "gelu_autoencoder"),
    "sequence": ("rnn", "lstm", "gru", "cnn", "attention"),
    "text": ("rnn", "lstm", "gru", "cnn", "attention"),
}
"""What can read data of a form."""

OPTIMIZERS = (
    "sgd",
    "momentum",
    "nesterov",
    "adam",
    "adamw",
    "rmsprop",
    "nadam",
    "adagrad",
    "adamax",
    "radam",
)

BATCH_SIZES = (8, 16, 32, 64, 128, 256)

EXTRAS = ("plain", "plain", "dropout", "weight_decay", "label_smoothing")

_CLASSES = {"nadam": "NAdam", "adamax": "Adamax", "radam": "RAdam"}
"""Optimizers that lrfind has no config of."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A combination that came out."""

    source: str
    model: str
    optimizer: str
    batch_size: int
    extra: str
    number: int = 1

    @property
    def name(self) -> str:
        """Of the task; those of later draws have their number behind it."""
        name = f"{self.source}_{self.model}_{self.optimizer}"
        return name if self.number == 1 else f"{name}_{self.number}"


def deck(rng: random.Random, cards: tuple[str, ...] | tuple[int, ...], count: int) -> list[str | int]:
    """So many cards, all of them before one comes again."""
    dealt: list[str | int] = []
    while len(dealt) < count:
        dealt += rng.sample(cards, len(cards))
    return dealt


def draw(number: int) -> list[Drawn]:
    """All combinations of a draw, counted from 1, in the order of the data sets."""
    rng = random.Random(SEEDS[number - 1])
    optimizers, batches, extras = (deck(rng, cards, 60) for cards in (OPTIMIZERS, BATCH_SIZES, EXTRAS))
    before = {dataclasses.replace(task, number=1) for earlier in range(1, number) for task in draw(earlier)}
    drawn = []
    for name, source in SOURCES.items():
        model = rng.choice(MODELS[source.form])
        batch = next(i for i, size in enumerate(batches) if 4 * int(size) <= source.trained)
        smooth = source.loss == "cross_entropy"
        extra = next(i for i, each in enumerate(extras) if smooth or each != "label_smoothing")
        cards = str(optimizers.pop(0)), int(batches.pop(batch)), str(extras.pop(extra))
        while (task := Drawn(name, model, *cards)) in before:
            model = rng.choice(MODELS[source.form])
        drawn.append(dataclasses.replace(task, number=number))
    return drawn


def config_text(task: Drawn) -> str:
    """The experiment of a combination."""
    return "\n".join(["# @package _global_", *_config(task), ""])


def _config(task: Drawn) -> Iterator[str]:
    source = SOURCES[task.source]
    yield f"# lrfind --config-dir benchmarks/truth/configs experiment={task.name}"
    yield f"# Drawn by benchmarks/truth/drawn.py: {task.extra.replace('_', ' ')}, {task.optimizer}."
    yield "defaults:"
    own = task.optimizer in _CLASSES
    kinds = {"model": "custom", "data": source.lines[0], "optimizer": "custom" if own else task.optimizer}
    for kind, chosen in (kinds | {"criterion": source.loss}).items():
        yield f"  - override /{kind}: {chosen}"
    yield ""
    yield f"batch_size: {task.batch_size}"
    yield "model:"
    dropout = [f"dropout: {0.3 if task.extra == 'dropout' else 0.0}"]
    yield from (f"  {line}" for line in [*model_lines(task.model, source), *dropout])
    if source.lines[1:]:
        yield "data:"
        yield from (f"  {line}" for line in source.lines[1:])
    decays = task.extra == "weight_decay"
    if own or decays:
        yield "optimizer:"
    if own:
        yield f"  _target_: torch.optim.{_CLASSES[task.optimizer]}"
        yield "  lr: 0.001"
    if decays:
        yield f"  weight_decay: {0.1 if task.optimizer == 'adamw' else 0.0005}"
    if task.extra == "label_smoothing":
        yield "criterion:"
        yield "  label_smoothing: 0.1"
    yield "trust: [benchmarks]"


def model_lines(model: str, source: Source) -> Iterator[str]:
    """The config of a model that reads these data, without its dropout."""
    numbers = 1
    for size in source.shape:
        numbers *= size
    kind = model.rsplit("_", 1)[-1]
    before = model.removesuffix(kind).rstrip("_")
    if kind in ("mlp", "autoencoder"):
        hidden = [64, 64] if kind == "mlp" else [64, 16, 64]
        yield "_target_: benchmarks.truth.models.dense"
        yield f"sizes: {[numbers, *hidden, source.outputs]}"
        if before in ("tanh", "gelu"):
            yield f"activation: {before}"
        elif before:
            yield f"norm: {before.removesuffix('norm')}"
        return
    names = {"rnn": "Recurrent", "lstm": "Recurrent", "gru": "Recurrent", "attention": "Attention"}
    picture = source.form == "picture"
    names["cnn"] = "convolutions" if picture else "Convolutions"
    yield f"_target_: benchmarks.truth.networks.{names[kind]}"
    if kind in ("rnn", "lstm", "gru"):
        yield f"cell: {kind}"
    if kind == "attention":
        yield f"length: {source.shape[-2] if picture else source.shape[0]}"
    if picture and kind == "cnn":
        yield f"channels: {source.shape[0]}"
        if before:
            yield f"norm: {before.removesuffix('norm')}"
    else:
        # A picture is read row by row; characters are embedded.
        width = source.shape[0] * source.shape[-1] if picture else source.shape[-1]
        yield f"inputs: {'null' if source.form == 'text' else width}"
    yield f"num_outputs: {source.outputs}"


def main() -> None:
    from benchmarks.truth.tasks import CONFIGS

    for task in (task for number in range(1, len(SEEDS) + 1) for task in draw(number)):
        (CONFIGS / "experiment" / f"{task.name}.yaml").write_text(config_text(task))
        print(f"{task.name:40} {SOURCES[task.source].held_out:5} {task.batch_size:4} {task.extra}")


if __name__ == "__main__":
    main()
