"""The config of `lrfind compare`, and what its values must satisfy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

from lrfind.compare.results import Judge
from lrfind.config.schema import RangeConfig

AUTO = "auto"


class Stacking(str, Enum):
    """Whether the rates of a run are trained side by side as one stacked model."""

    AUTO = "auto"
    """Where a trial of a few steps says that it pays."""
    TRUE = "true"
    """Always; an error where it cannot be done."""
    FALSE = "false"
    """Never."""


@dataclass(kw_only=True, slots=True)
class CompareSettings:
    """Learning curves over learning rates and batch sizes."""

    lrs: list[Any] | str
    """The rates; `auto`: a grid around what a range test suggests, for each batch size and optimizer."""
    num_lrs: int
    """With auto: rates of a grid."""
    factor: float
    """With auto: from one rate to the next."""
    batch_sizes: list[Any] | None
    """The batch sizes; None: `batch_size` alone."""
    optimizers: list[str] | None
    """Options of the optimizer group; None: the one of the config alone."""
    epochs: float | None
    """How long each run trains, in passes over the training set."""
    samples: int | None
    """The same in samples, in place of epochs."""
    readings: int | None
    """How often held-out data are read; None: once an epoch, or ten times with `samples`."""
    held_out: float
    """Samples set apart from training, or a share below 1."""
    judge: Judge | None
    """By what the best rate is chosen; None: accuracy where it is measured, else loss."""
    seeds: int
    """Number of seeds, counted on from `seed`: mean and spread."""
    stacked: Stacking
    """Whether the rates of a run are trained side by side."""
    processes: int | None
    """Runs at a time; None: as many as there are cores, one on a GPU."""
    threads: int | None
    """Threads a run on the CPU; None: the cores divided by the runs that could go on at a time."""
    resume: str | None
    """Run directory of a comparison that was cut off and is to go on."""


@dataclass(kw_only=True, slots=True)
class CompareConfig(RangeConfig):
    """The config of `lrfind compare`: that of the range test, which finds the rates, and its own."""

    compare: CompareSettings
    """The comparison."""


def problems_of_compare(config: CompareConfig) -> list[str]:
    """All that is wrong with the settings, a sentence or two each."""
    settings = config.compare
    problems = _rates(settings.lrs) + _sizes(settings.batch_sizes)
    if settings.lrs == AUTO and config.range.repeats > 1:
        problems.append(
            f"range.repeats={config.range.repeats}: the range test of compare.lrs=auto is one sweep. Leave "
            "range.repeats at 1, or give compare.lrs around what lrfind range with repeats suggests."
        )
    if settings.num_lrs < 2:
        problems.append(f"compare.num_lrs must be at least 2, got {settings.num_lrs}.")
    if not 1 < settings.factor < math.inf:
        problems.append(f"compare.factor must be greater than 1, got {settings.factor:g}.")
    names = settings.optimizers
    if names is not None and (not names or len(set(names)) < len(names)):
        problems.append(
            f"compare.optimizers must name one optimizer or more, each once, such as [sgd,adam]; got {names}."
        )
    if settings.epochs is None and settings.samples is None:
        problems.append("compare.epochs or compare.samples must say how long to train: both are null.")
    if settings.epochs is not None and not 0 < settings.epochs < math.inf:
        problems.append(f"compare.epochs must be greater than 0, got {settings.epochs:g}.")
    for key in ("samples", "readings", "seeds", "processes", "threads"):
        count = getattr(settings, key)
        if count is not None and count < 1:
            problems.append(f"compare.{key} must be at least 1, got {count}.")
    if config.seed + settings.seeds > 2**32:
        problems.append("compare.seeds counts on from seed, and must stay below 2^32.")
    held_out = settings.held_out
    if not (0 < held_out < 1 or (1 <= held_out < math.inf and held_out.is_integer())):
        problems.append(
            "compare.held_out must be a share between 0 and 1, or a whole number of samples, got "
            f"{held_out:g}."
        )
    if settings.judge is Judge.ACCURACY and config.criterion.get("from_model"):
        problems.append(
            "compare.judge=accuracy needs outputs and labels, and a model that returns its own loss shows "
            "neither: use compare.judge=loss."
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
        return [f"compare.lrs must be numbers greater than 0, got {bad[0]!r} among {lrs}."]
    if len(set(lrs)) < len(lrs):
        return [f"compare.lrs must differ, got {lrs}."]
    return []


def _sizes(sizes: list[Any] | None) -> list[str]:
    if sizes is None:
        return []
    if not sizes or any(isinstance(size, bool) or not isinstance(size, int) or size < 1 for size in sizes):
        return [
            "compare.batch_sizes must be whole numbers of at least 1, such as [16,32,64], or null; got "
            f"{sizes}."
        ]
    if len(set(sizes)) < len(sizes):
        return [f"compare.batch_sizes must differ, got {sizes}."]
    return []
