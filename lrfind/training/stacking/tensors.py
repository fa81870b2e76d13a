"""The tensors of several copies of a model, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from lrfind.training.stacking.updates import State


def repeated(value: Tensor, count: int) -> Tensor:
    """As many copies of a tensor, shape (count, ...)."""
    return value.detach().expand(count, *value.shape).clone(memory_format=torch.contiguous_format)


def stacked_state(states: Sequence[dict[str, Any]]) -> State:
    """What the optimizers keep of a parameter, of every copy; the count of steps stays one number."""
    first = states[0]
    return {
        key: float(value)
        if key == "step"
        else torch.stack([state[key].detach() for state in states])
        if isinstance(value, Tensor)
        else value
        for key, value in first.items()
    }


def tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, by the names they have under `model`."""
    named = (*model.named_parameters(), *model.named_buffers())
    return {f"model.{name}": value.detach() for name, value in named}


def differing(copies: Sequence[dict[str, Tensor]], *, without: Container[str]) -> dict[str, Tensor]:
    """What is not trained and yet not the same in every copy, stacked: frozen weights drawn at random."""
    first, *others = copies
    return {
        name: torch.stack([copy[name] for copy in copies])
        for name, value in first.items()
        if name not in without and not all(torch.equal(value, other[name]) for other in others)
    }
