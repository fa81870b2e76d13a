"""The config of `lrfind compare`, and what its values must satisfy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from lrfind.compare.results import Judge
from lrfind.config.bounds import Bound, at_least, offers, samples_or_share
from lrfind.range_test.config import RangeConfig
from lrfind.training.stacking.strategy import Strategy

AUTO = "auto"


def _are_sizes(sizes: list[Any]) -> bool:
    return bool(sizes) and all(
        isinstance(size, int) and not isinstance(size, bool) and size >= 1 for size in sizes
    )


def _differ(values: list[Any]) -> bool:
    return len(set(values)) == len(values)


_FACTOR = Bound("must be greater than 1, got {:g}.", lambda factor: 1 < factor < math.inf)
_EPOCHS = Bound("must be greater than 0, got {:g}.", lambda epochs: 0 < epochs < math.inf)
_SIZES = Bound(
    "must be whole numbers of at least 1, such as [16,32,64], or null; got {}.",
    _are_sizes,
)
_DIFFERENT = Bound("must differ, got {}.", _differ)
_OPTIMIZERS = Bound(
    "must name one optimizer or more, each once, such as [sgd,adam]; got {}.",
    lambda names: bool(names) and _differ(names),
)


STRATEGIES = {"auto": Strategy.AUTO, "true": Strategy.STACKED, "false": Strategy.SEQUENTIAL}
"""What `compare.stacked` asks for."""


@dataclass(kw_only=True, slots=True)
class CompareSettings:
    """Learning curves over learning rates and batch sizes."""

    lrs: Annotated[list[Any] | str, offers("auto")]
    """The rates; `auto`: a grid around what a range test suggests, for each batch size and optimizer; those
    of an optimizer's batch sizes are parts of one grid."""
    num_lrs: Annotated[int, at_least(2)]
    """With auto: rates of a grid."""
    factor: Annotated[float, _FACTOR]
    """With auto: from one rate to the next."""
    batch_sizes: Annotated[list[Any] | None, _SIZES, _DIFFERENT]
    """The batch sizes; None: `batch_size` alone."""
    optimizers: Annotated[list[str] | None, _OPTIMIZERS]
    """Options of the optimizer group; None: the one of the config alone."""
    epochs: Annotated[float | None, _EPOCHS]
    """How long each run trains, in passes over the training set."""
    samples: Annotated[int | None, at_least(1)]
    """The same in samples, in place of epochs."""
    readings: Annotated[int | None, at_least(1)]
    """How often held-out data are read; None: once an epoch, or ten times with `samples`."""
    held_out: Annotated[float, samples_or_share()]
    """Samples set apart from training, or a share below 1."""
    judge: Judge | None
    """By what the best rate is chosen; None: accuracy where it is measured, else loss."""
    seeds: Annotated[int, at_least(1)]
    """Number of seeds, counted on from `seed`: mean and spread."""
    stacked: Literal["auto", "true", "false"]
    """Whether the rates of a run are trained side by side."""
    processes: Annotated[int | None, at_least(1)]
    """Runs at a time; None: as many as there are cores, one on a GPU."""
    threads: Annotated[int | None, at_least(1)]
    """Threads a run on the CPU; None: as `threads`, at most the cores divided by the runs at a time."""
    resume: str | None
    """Run directory of a comparison that was cut off and is to go on."""

    def problems(self) -> list[str]:
        """What is wrong with the rates, and with values that are each right by themselves."""
        problems = _rates(self.lrs)
        if self.epochs is None and self.samples is None:
            problems.append("compare.epochs or compare.samples must say how long to train: both are null.")
        return problems


@dataclass(kw_only=True, slots=True)
class CompareConfig(RangeConfig):
    """The config of `lrfind compare`: that of the range test, which finds the rates, and its own."""

    compare: CompareSettings
    """The comparison."""

    def problems(self) -> list[str]:
        """What is wrong between the settings and those of the task and of the range test."""
        settings = self.compare
        problems = self.seed_problems("compare.seeds", settings.seeds)
        if settings.judge is Judge.ACCURACY and self.criterion.get("from_model"):
            problems.append(
                "compare.judge=accuracy needs outputs and labels, and a model that returns its own loss "
                "shows neither: use compare.judge=loss."
            )
        return problems


def _rates(lrs: list[Any] | str) -> list[str]:
    if isinstance(lrs, str):
        return [] if lrs == AUTO else [f"compare.lrs must be auto or a list such as [0.1,0.3], got {lrs!r}."]
    if not lrs:
        return ["compare.lrs must hold a rate at least, such as [0.1,0.3], or be auto; got []."]
    bad = [lr for lr in lrs if isinstance(lr, bool) or not isinstance(lr, (int, float))]
    bad = bad or [lr for lr in lrs if not 0 < lr < math.inf]
    if bad:
        return [f"compare.lrs must be finite numbers greater than 0, got {bad[0]!r} among {lrs}."]
    if len(set(lrs)) < len(lrs):
        return [f"compare.lrs must differ, got {lrs}."]
    return []
