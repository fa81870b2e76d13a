"""The config of each command as dataclasses. What a field means stands in its docstring and in the YAML."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from lrfind.range_test.ladder import Spacing
from lrfind.range_test.reading import Rule


class Precision(str, Enum):
    """The arithmetic of forward and backward pass."""

    FP32 = "fp32"
    BF16 = "bf16"
    """Autocast to bfloat16."""
    FP16 = "fp16"
    """Autocast to float16, with a gradient scaler."""


class Metric(str, Enum):
    """What a suggestion is read from."""

    LOSS = "loss"
    ACCURACY = "accuracy"


@dataclass(kw_only=True, slots=True)
class TaskConfig:
    """What is trained, on what, how: shared by all commands."""

    model: dict[str, Any]
    """The model group: a `_target_` and its arguments."""
    data: dict[str, Any]
    """The data group."""
    optimizer: dict[str, Any]
    """The optimizer group; its `lr` only sets the ratio between parameter groups."""
    criterion: dict[str, Any]
    """The criterion group; `{from_model: true}` where the model returns its loss."""
    device: str
    """auto, cpu, cuda, cuda:N or mps."""
    seed: int
    """Initial weights, order of the batches, dropout."""
    precision: Precision
    """fp32, bf16 or fp16."""
    channels_last: bool
    """Memory format of pictures and convolutions."""
    compile: bool
    """torch.compile the model."""
    batch_size: int
    """Samples a batch."""
    num_workers: int | None
    """Processes that load data; None: chosen by data and device."""
    accumulation_steps: int
    """Batches a step."""
    clip_grad_norm: float | None
    """Largest norm of the gradient, or None."""
    deterministic: bool
    """Deterministic algorithms only."""
    trust: list[str] = field(default_factory=list)
    """Packages that `_target_` may name beside the known ones."""


@dataclass(kw_only=True, slots=True)
class ValidationSettings:
    """A fixed subset whose loss is measured during the sweep."""

    samples: int = 0
    """Size of the subset; 0: none."""
    every: int = 10
    """Steps from one measurement to the next."""


@dataclass(kw_only=True, slots=True)
class RangeSettings:
    """The range test."""

    start_lr: float
    """First rate of the ladder."""
    end_lr: float
    """Last rate."""
    num_steps: int
    """Steps from the first to the last rate, both included."""
    spacing: Spacing
    """geometric or linear."""
    beta: float
    """Weight of the past in the smoothed loss, in [0, 1)."""
    stop_factor: float | None
    """Stop when the smoothed loss passes this many times its lowest; None: never."""
    paired: bool
    """Whether the model as it was at the start is measured on the same batches, and its loss subtracted."""
    skip_start: int | None
    """Steps at the start that are not read; None: none where paired, else a tenth, at most 10."""
    skip_end: int | None
    """The same at the end, after an early stop; None: none where paired, else a twentieth, at most 5."""
    metric: Metric
    """What the suggestion is read from."""
    single_batch: bool
    """The same batch at every step."""
    validation: ValidationSettings
    """A held-out loss beside the training loss."""
    repeats: int
    """Sweeps, with the seeds from the top-level one on; their median curve is read."""
    rule: Rule
    """The rule that makes the suggestion."""


@dataclass(kw_only=True, slots=True)
class RangeConfig(TaskConfig):
    """The config of `lrfind range`."""

    range: RangeSettings
    """The range test."""


class Iteration(str, Enum):
    """What one iteration of a refined sweep is."""

    BATCH = "batch"
    """One step."""
    EPOCH = "epoch"
    """A pass over the training set; the last incomplete batch is dropped."""


class Read(str, Enum):
    """On what the loss of an iteration is read."""

    BATCH = "batch"
    """Its own batches, each before its update: the mean of their training losses."""
    SUBSET = "subset"
    """A fixed subset of the training set, after it, in eval mode."""
    TRAIN = "train"
    """The whole training set, after it, in eval mode."""


class Restart(str, Enum):
    """Where each rate begins."""

    FALSE = "false"
    """Where the rate before it ended: training goes on, as in the chapter."""
    TRUE = "true"
    """At the same initial weights, with the same batches in the same order."""
    BOTH = "both"
    """Both are run, to be compared."""


class Strategy(str, Enum):
    """How several seeds of a continued sweep, or the rates of a restarted one, are trained."""

    AUTO = "auto"
    """Side by side in one model where that is possible and, by a trial of a few steps, faster."""
    SEQUENTIAL = "sequential"
    """One after another."""
    STACKED = "stacked"
    """Side by side, or not at all."""


@dataclass(kw_only=True, slots=True)
class RefineSettings:
    """The coarse-to-fine sweep."""

    segments: list[Any]
    """Segments {start, stop, step, iterations} of the first round, or a list of such lists, one a round."""
    around: float | None
    """Start at the closing round about this rate, in place of `segments`."""
    rounds: int | None
    """Number of rounds; None: those given where there are several, else until the turn is closed in."""
    iterations: int
    """How long each rate of a derived round is held."""
    iteration: Iteration
    """What one iteration is: batch or epoch."""
    read: Read
    """On what the loss of an iteration is read: batch, subset or train."""
    subset: int
    """Samples of the fixed subset."""
    restart: Restart
    """Where each rate begins: false, true or both."""
    halving: bool
    """With restart: rates that fall behind are dropped at half of the iterations and at a quarter."""
    seeds: int
    """Number of seeds, counted on from `seed`: mean and spread."""
    strategy: Strategy
    """Seeds, or with restart rates, side by side or one after another: auto, sequential or stacked."""
    save_every: float | None
    """Seconds between two savings of the state that `resume` needs; None: never."""
    resume: str | None
    """Run directory of a sweep that was cut off and is to go on."""


@dataclass(kw_only=True, slots=True)
class RefineConfig(TaskConfig):
    """The config of `lrfind refine`."""

    refine: RefineSettings
    """The coarse-to-fine sweep."""
