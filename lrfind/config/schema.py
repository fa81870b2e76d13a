"""The config of each command as dataclasses. What a field means stands in its docstring and in the YAML."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from lrfind.core.ladder import Spacing
from lrfind.core.suggest import Rule


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
    skip_start: int | None
    """Steps at the start that are not read; None: a tenth, at most 10."""
    skip_end: int | None
    """Steps at the end that are not read after an early stop; None: a twentieth, at most 5."""
    metric: Metric
    """What the suggestion is read from."""
    single_batch: bool
    """The same batch at every step."""
    validation: ValidationSettings
    """A held-out loss beside the training loss."""
    rule: Rule
    """The rule that makes the suggestion."""


@dataclass(kw_only=True, slots=True)
class RangeConfig(TaskConfig):
    """The config of `lrfind range`."""

    range: RangeSettings
    """The range test."""
