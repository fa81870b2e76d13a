"""The groups of parameters of an optimizer, with names that tell them apart."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any

from lrfind.suggestion import Group
from lrfind.training.optimizer import LearningRate, Optimizers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn
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
    paths = {id(parameter): _path(name) for name, parameter in model.named_parameters()}
    trained = [[each for each in group["params"] if each.requires_grad] for group, _ in rates]
    prefixes = [_prefix([paths.get(id(each), ()) for each in parameters]) for parameters in trained]
    # Where the prefix is another group's, too, the name has to tell them apart.
    alike = [i for i, prefix in enumerate(prefixes) if prefixes.count(prefix) > 1]
    kinds = dict(zip(alike, _kinds([(rates[i][0], trained[i]) for i in alike]), strict=True))
    names = [
        _given_name(group) or _unless_twice(i, kinds, prefixes) or number
        for i, (number, (group, _)) in enumerate(zip(numbered, rates, strict=True))
    ]
    return tuple(
        Group(
            name=name,
            parameters=sum(each.numel() for each in parameters),
            prefix=prefix,
            ratio=float(f"{ratio:.6g}"),
        )
        for name, parameters, prefix, (_, ratio) in zip(names, trained, prefixes, rates, strict=True)
    )


def _given_name(group: Mapping[str, Any]) -> str | None:
    name = group.get("name")
    return name if isinstance(name, str) and name.strip() else None


def _kinds(groups: Sequence[tuple[Mapping[str, Any], Sequence[Tensor]]]) -> list[str | None]:
    """What each of some groups is beside the others: by weight decay, or else by what its parameters are."""
    decays = [group.get("weight_decay") for group, _ in groups]
    if len(set(decays)) > 1 and all(isinstance(decay, (int, float)) for decay in decays):
        return [f"weight decay {decay:g}" if decay else "no weight decay" for decay in decays]
    return [_shape(parameters) for _, parameters in groups]


def _shape(parameters: Sequence[Tensor]) -> str | None:
    dimensions = [each.ndim for each in parameters]
    if min(dimensions, default=0) > 1:
        return "weights"
    return "biases and norms" if 0 < max(dimensions, default=0) < 2 else None


def _unless_twice(index: int, kinds: Mapping[int, str | None], prefixes: Sequence[str | None]) -> str | None:
    """A group's kind, with its prefix where several are of that kind; None where that names several, too."""
    kind, prefix = kinds.get(index), prefixes[index]
    same = [other for other in kinds if kinds[other] == kind]
    if kind is None or sum(prefixes[other] == prefix for other in same) > 1:
        return None
    return kind if len(same) == 1 or prefix is None else f"{prefix}, {kind}"


def _path(name: str) -> tuple[str, ...]:
    return tuple(part for part in name.split(".") if part not in _WRAPPERS)


def _prefix(paths: Sequence[Sequence[str]]) -> str | None:
    """What all names begin with, in whole parts between dots."""
    shared = takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False))
    return ".".join(parts[0] for parts in shared) or None
