"""A model that several ranks train together: DistributedDataParallel, or FSDP2."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from lrfind.errors import ConfigError, ModelError

_BLOCK = 1 << 20
"""Parameters from which on a layer of a list of layers is gathered by itself."""


def shard(model: nn.Module, device: torch.device) -> None:
    """Leaves each rank its part of every parameter, in place; before there is an optimizer.

    Layers that stand in a list are gathered one at a time. All are given back after the forward pass, the
    root too: else a pass without a backward pass would leave it gathered, and later ones would use weights
    that are no longer those of the shards.
    """
    try:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard
    except ImportError as error:
        raise ConfigError(
            f"distributed=fsdp needs torch 2.6 or newer, and this is {torch.__version__}: use "
            "distributed=ddp."
        ) from error
    for tensor in [*model.parameters(), *model.buffers()]:
        dist.broadcast(tensor.detach(), src=0)
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    try:
        for layer in [*_layers(model), model]:
            fully_shard(layer, mesh=mesh, reshard_after_forward=True)
    except (NotImplementedError, ValueError) as error:
        raise ModelError(
            f"distributed=fsdp: torch cannot shard this model: {error} Use distributed=ddp."
        ) from error


def data_parallel(model: nn.Module, device: torch.device) -> nn.Module:
    """The model with gradients that are averaged over the ranks, beginning as it is on rank 0."""
    return DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)


def inner_model(model: nn.Module) -> nn.Module:
    """The model itself, where `data_parallel` has wrapped it."""
    inner = model.module if isinstance(model, DistributedDataParallel) else model
    assert isinstance(inner, nn.Module)
    return inner


def _layers(model: nn.Module) -> list[nn.Module]:
    """Large members of lists of layers, none inside another, that share no parameter with the rest."""
    users: dict[int, int] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            users[id(parameter)] = users.get(id(parameter), 0) + 1
    found: list[nn.Module] = []
    for container in model.modules():
        if not isinstance(container, (nn.ModuleList, nn.Sequential)):
            continue
        for layer in container:
            own = list(layer.parameters())
            inside = any(layer is module for each in found for module in each.modules())
            if not inside and sum(map(torch.numel, own)) >= _BLOCK and all(users[id(p)] == 1 for p in own):
                found.append(layer)
    return found
