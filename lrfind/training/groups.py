"""The groups of an optimizer's parameters, as a user knows them: names, sizes, ratios of their rates."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from lrfind.suggestion import Group
from lrfind.training.optimizer import LearningRate, Optimizers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn
    from torch.optim import Optimizer

_WRAPPERS = ("module", "_orig_mod")
"""What DistributedDataParallel and torch.compile put before a parameter's name."""


def groups_of(model: nn.Module, optimizer: Optimizer) -> tuple[Group, ...]:
    """The groups of an optimizer, in its order; none where it has only one.

    Args:
        model: Names the parameters.
        optimizer: At the rates whose ratio is meant.
    """
    rates = LearningRate(optimizer).groups
    if len(rates) < 2:
        return ()
    numbered = (
        optimizer.names if isinstance(optimizer, Optimizers) else [f"group {i}" for i in range(len(rates))]
    )
    names = {id(parameter): _path(name) for name, parameter in model.named_parameters()}
    groups = []
    for number, (group, ratio) in zip(numbered, rates, strict=True):
        trained = [parameter for parameter in group["params"] if parameter.requires_grad]
        name = group.get("name")
        groups.append(
            Group(
                name=name if isinstance(name, str) and name.strip() else number,
                parameters=sum(parameter.numel() for parameter in trained),
                prefix=_prefix([names.get(id(parameter), ()) for parameter in trained]),
                ratio=float(f"{ratio:.6g}"),
            )
        )
    return tuple(groups)


def _path(name: str) -> tuple[str, ...]:
    return tuple(part for part in name.split(".") if part not in _WRAPPERS)


def _prefix(paths: Sequence[Sequence[str]]) -> str | None:
    """What all names begin with, in whole parts between dots."""
    shared = takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False))
    return ".".join(parts[0] for parts in shared) or None
