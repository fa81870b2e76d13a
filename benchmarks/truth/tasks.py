"""The tasks: which there are, what each is for, and how one is composed, validated and built."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.truth.drawn import SOURCES, draw
from lrfind.config.validate import validated
from lrfind.range_test.config import RangeConfig

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONFIGS = Path(__file__).parent / "configs"
"""Holds `experiment/TASK.yaml`, for every task a file."""

BUDGET = 300
"""Steps of a training run."""

LONG_BUDGET = 1500
"""Steps of a training run where it is asked how much the best rate depends on the budget."""

OLD = {
    "digits_logistic_sgd": 397,
    "digits_mlp_sgd": 397,
    "digits_mlp_adam": 397,
    "digits_deep_momentum": 397,
    "digits_deep_tanh_adamw": 397,
    "digits_cnn_sgd": 397,
    "digits_cnn_rmsprop": 397,
    "digits_cnn_bn_momentum": 397,
    "digits_cnn_bn_adam": 397,
    "chars_lstm_adam": 2000,
    "chars_lstm_momentum": 2000,
    "chars_mlp_sgd": 2000,
    "chars_mlp_rmsprop": 2000,
    "curve_adam": 500,
    "scaled_linear_nesterov": 500,
    "scaled_mlp_sgd": 500,
    "mnist_mlp_sgd": 2000,
    "mnist_mlp_adamw": 2000,
    "mnist_logistic_adam": 2000,
    "mnist_cnn_nesterov": 1000,
}
"""Tasks that the rule may be tuned on, and how many samples of each are held out."""

NEW = {
    "chars_transformer_adamw": 500,
    "rows_gru_adam": 397,
    "cancer_mlp_sgd": 150,
    "wine_raw_rmsprop": 60,
    "diabetes_momentum": 120,
    "new_digits_momentum": 250,
    "mnist_to_digits_adamw": 397,
    "mnist_turned_sgd": 1000,
    "dogs_cnn_adam": 200,
    "mnist_resnet_nesterov": 1000,
    "mnist_mlp_batch4_momentum": 2000,
    "mnist_mlp_batch512_nesterov": 2000,
    "mnist_dropout_sgd": 2000,
    "digits_smoothed_adamw": 397,
}
"""Tasks that the rule is reported on and was never tuned on, and how many samples of each are held out."""

BIASED = {
    "wine_mlp_adamw": 60,
    "diabetes_mlp_adam": 120,
    "cancer_mlp_adamw": 150,
    "mnist_few_mlp_adam": 300,
    "digits_mlp_nadam": 397,
    "mnist_dropout_nadam": 2000,
}
"""Tasks of kinds on which the answer was far off, to find out why, and how many samples of each are held out.

Small tables with Adam and AdamW, where 300 steps are many epochs; NAdam and dropout."""

APART = {
    "iris_mlp_adam": 50,
    "friedman_mlp_adamw": 200,
    "moons_mlp_sgd": 300,
    "cancer_dropout_nadam": 150,
    "digits_autoencoder_adam": 397,
    "digits_lstm_rmsprop": 397,
    "digits_bn_mlp_nesterov": 397,
    "digits_few_cnn_adamw": 397,
    "mnist_wide_mlp_momentum": 2000,
    "mnist_cnn_dropout_nadam": 1000,
    "mnist_layernorm_adamw": 2000,
    "mnist_leaky_batch16_sgd": 2000,
    "chars_gru_adamw": 2000,
    "chars_mlp_momentum": 2000,
}
"""Tasks that were written down before anything was measured on them; looked at once for each rule since.

They are blind no more: the slower sweep of the default was settled with them in sight."""

DRAWN = {task.name: SOURCES[task.source].held_out for number in (1, 2, 3) for task in draw(number)}
"""Tasks that were drawn by chance before anything was measured on them.

They are blind no more: that runs at constant rates follow weak sweeps was settled with the first 14 in sight,
what came after with 28, and how these runs are read with all 42."""

BLIND = {task.name: SOURCES[task.source].held_out for task in draw(4)}
"""Tasks that were drawn by chance likewise, and that nothing was chosen on."""

LARGE = {
    "large_mnist_mlp_sgd": 5000,
    "large_mnist_mlp_momentum": 5000,
    "large_mnist_cnn_adamw": 5000,
    "large_dogs_resnet_momentum": 192,
    "large_dogs_trained_momentum": 120,
    "large_text_transformer_adamw": 500,
    "large_text_lstm_adam": 1000,
}
"""Tasks an order of magnitude larger, reported apart, and how many samples of each are held out."""

LONG = ("digits_mlp_sgd", "scaled_mlp_sgd", "mnist_mlp_adamw", "cancer_mlp_sgd", "new_digits_momentum")
"""Tasks that are also trained for `LONG_BUDGET` steps."""

ONE_CYCLE = (
    "digits_mlp_sgd",
    "digits_cnn_bn_momentum",
    "chars_mlp_rmsprop",
    "mnist_mlp_adamw",
    "cancer_mlp_sgd",
    "new_digits_momentum",
    "rows_gru_adam",
    "mnist_mlp_batch512_nesterov",
)
"""Tasks that are also trained with a one-cycle schedule."""


_BY_SKLEARN = ("table", "friedman", "moons", "several_labels")
"""Functions of `data` that need scikit-learn."""


class Role(str, Enum):
    """What a task is for."""

    TUNING = "tuning"
    """A rule may be chosen or tuned on it."""
    REPORT = "report"
    """No number was to be chosen on it, but some decisions were made with it in sight."""
    APART = "apart"
    """Nothing was measured on it before a rule stood, and since then the slower sweep was chosen on it."""
    DRAWN = "drawn"
    """Drawn by chance; nothing was measured on it before a rule stood, and since then it has been seen."""
    BLIND = "blind"
    """Drawn by chance; nothing was measured on it before the rule stood."""
    LARGE = "large"
    """It is an order of magnitude larger, no number was chosen on it, and it is reported apart."""


@dataclass(frozen=True, slots=True)
class Task:
    """One training run of the benchmark.

    Attributes:
        name: Of the experiment.
        role: What it is for.
        held_out: Samples that are never trained on; the loss on them is what counts.
    """

    name: str
    role: Role
    held_out: int

    @property
    def path(self) -> Path:
        """The experiment."""
        return CONFIGS / "experiment" / f"{self.name}.yaml"

    @property
    def lacks(self) -> str | None:
        """What is missing here to build it, or None."""
        text = self.path.read_text()
        folders = {"/mnist": "mnist", "/dogbreed": "dogbreed", "pretrained.mnist": "mnist"}
        folders |= {"data.dogs": "dogbreed", "pretrained.dogs": "dogbreed"}
        root = Path(os.environ.get("LRFIND_DATA", ""))
        for word, folder in folders.items():
            if word in text and not ("LRFIND_DATA" in os.environ and (root / folder).is_dir()):
                return f"LRFIND_DATA names no folder with {folder}/ in it"
        made_by_sklearn = any(f"data.{name}" in text for name in _BY_SKLEARN)
        if made_by_sklearn and importlib.util.find_spec("sklearn") is None:
            return "scikit-learn is not installed"
        return None


TASKS = {
    name: Task(name, role, held_out)
    for role, group in (
        (Role.TUNING, OLD | BIASED),
        (Role.REPORT, NEW),
        (Role.APART, APART),
        (Role.DRAWN, DRAWN),
        (Role.BLIND, BLIND),
    )
    for name, held_out in group.items()
}
"""All small tasks by name."""

LARGE_TASKS = {name: Task(name, Role.LARGE, held_out) for name, held_out in LARGE.items()}
"""The larger ones by name."""


def task_named(name: str) -> Task:
    """A task of either size."""
    return TASKS[name] if name in TASKS else LARGE_TASKS[name]


@cache
def composed(name: str, *overrides: str) -> DictConfig:
    """What `lrfind --config-dir benchmarks/truth/configs experiment=NAME` composes, not yet resolved."""
    from hydra import compose, initialize_config_module

    search = f"hydra.searchpath=[file://{CONFIGS.resolve()}]"
    with initialize_config_module("lrfind.configs", version_base="1.3"):
        return compose("range", overrides=[search, f"experiment={name}", *overrides])


def config_of(name: str, *overrides: str) -> RangeConfig:
    """The validated config of a task, on the CPU.

    Raises:
        UserError: It cannot be used as given.
    """
    return validated(composed(name, "device=cpu", *overrides), RangeConfig)


def with_seed(config: RangeConfig, seed: int) -> RangeConfig:
    """The same with another seed: of weights, order, dropout, and of what is held out."""
    return dataclasses.replace(config, seed=seed)


def optimizer_kind(config: RangeConfig) -> str:
    """`sgd`, `momentum`, `nesterov`, or the lower-case name of the class."""
    node = config.optimizer
    if node.get("nesterov"):
        return "nesterov"
    if node.get("momentum") and node["_target_"].endswith(".SGD"):
        return "momentum"
    return str(node["_target_"]).rsplit(".", 1)[-1].lower()
