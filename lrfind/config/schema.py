"""The config that all commands share: what is trained, on what, how; that of a command stands in its room.

What a field means stands in its docstring and in the YAML, what its values must satisfy in its annotation.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any

from lrfind.config.bounds import Bound, at_least, offers

AUTO = "auto"

FROM_MODEL = "lrfind.tasks.data.from_model"
"""What a config of `data=from_model` names."""

_BATCH_SIZE = 64
_SEEDS = 2**32
_SEED = Bound("must be below 2^32, which is what NumPy takes, got {}.", lambda seed: seed < _SEEDS)
_CLIP_GRAD_NORM = Bound(
    "must be greater than 0 and finite, or null, got {:g}.", lambda norm: 0 < norm < math.inf
)
_DEVICE = Bound(
    "must be auto, cpu, cuda, cuda:N or mps, got {!r}.",
    lambda name: re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name) is not None,
)

_THREADS = Bound(
    "must be auto, or a whole number of at least 1, got {!r}.",
    lambda threads: threads == AUTO if isinstance(threads, str) else threads >= 1,
)


class Precision(str, Enum):
    """The arithmetic of forward and backward pass."""

    FP32 = "fp32"
    BF16 = "bf16"
    """Autocast to bfloat16."""
    FP16 = "fp16"
    """Autocast to float16, with a gradient scaler."""


class Distributed(str, Enum):
    """How the ranks share a model."""

    AUTO = "auto"
    """What suits: ddp."""
    DDP = "ddp"
    """Each has the whole model, and they average their gradients."""
    FSDP = "fsdp"
    """Each has its part of the parameters and of the optimizer's state (FSDP2)."""


class SweepObjective(str, Enum):
    """What a job gives to the sweeper that has started it."""

    LR = "lr"
    """The suggested rate; not a number where there is none."""
    LOSS = "loss"
    """The loss at the best rate; infinite where there is none."""


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
    device: Annotated[str, _DEVICE, offers("auto", "cpu", "cuda", "cuda:0", "mps")]
    """Where it is trained; cuda:N is the GPU of that number."""
    seed: Annotated[int, at_least(0), _SEED]
    """Initial weights, order of the batches, dropout."""
    precision: Precision
    """The arithmetic of forward and backward pass."""
    channels_last: bool
    """Memory format of pictures and convolutions."""
    compile: bool
    """torch.compile the model."""
    batch_size: Annotated[int | None, at_least(1)]
    """Samples a batch, on each rank; None: 64, or what a `DataLoader` of the user's has."""
    num_workers: Annotated[int | None, at_least(0)]
    """Processes that load data; None: chosen by data and device."""
    threads: Annotated[int | str, _THREADS] = AUTO
    """Threads of the processor to train with; `auto`: by the operations of a step, one for small work."""
    accumulation_steps: Annotated[int, at_least(1)]
    """Batches a step."""
    clip_grad_norm: Annotated[float | None, _CLIP_GRAD_NORM]
    """Largest norm of the gradient, or None."""
    deterministic: bool
    """Deterministic algorithms only."""
    ranks: Annotated[int, at_least(1)] = 1
    """Processes that train one model together, each on a part of every global batch and a GPU of its own."""
    distributed: Distributed = Distributed.AUTO
    """auto, ddp or fsdp: how they share the model; of no effect on one rank."""
    objective: SweepObjective = SweepObjective.LR
    """What a sweeper is given: lr, or the loss at the best rate, which is to be small."""
    trust: list[str] = field(default_factory=list)
    """Packages that `_target_` may name beside the known ones."""

    def __post_init__(self) -> None:
        """Says how large batches are, but for data that may come in batches of their own."""
        target = str(self.data.get("_target_", ""))
        if self.batch_size is None and target.startswith("lrfind.") and target != FROM_MODEL:
            self.batch_size = _BATCH_SIZE

    @property
    def samples_a_batch(self) -> int:
        """Samples a batch, where the data do not come in batches of their own."""
        return self.batch_size or _BATCH_SIZE

    @property
    def global_batch_size(self) -> int:
        """Samples a batch, those of all ranks together."""
        return self.samples_a_batch * self.ranks

    def seed_problems(self, key: str, seeds: int | None) -> list[str]:
        """What is wrong with a number of seeds that are counted on from `seed`."""
        if seeds is None or self.seed + seeds <= _SEEDS:
            return []
        return [f"{key} counts on from seed, and must stay below 2^32."]
