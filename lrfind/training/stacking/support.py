"""What can be trained as one stacked model, and why not."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lrfind.training.optimizer import moved_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch.optim import Optimizer

    from lrfind.training.objective import Objective

_DEVICES = ("cpu", "cuda")
_DTYPES = (torch.float32, torch.float64)
_ONLY_MOVED = (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW)


def why_not_stacked(
    model: nn.Module, optimizer: Optimizer, objective: Objective, *, scaler: Any = None
) -> str | None:
    """Why these cannot be stacked, in words that follow "not stacked: "; None where nothing is against it.

    Only what can be read off them is said here. A random number drawn in the forward pass, an operation that
    vmap does not know, a buffer that changes: these show in the first steps, which `autotune` compares.
    """
    return next(_reasons(model, optimizer, objective, scaler), None)


def _reasons(model: nn.Module, optimizer: Optimizer, objective: Objective, scaler: Any) -> Iterator[str]:
    name = type(optimizer).__name__
    if type(optimizer) not in _ONLY_MOVED:
        yield f"the optimizer is {name}, and only SGD, Adam and AdamW are stacked"
    if scaler is not None or objective.autocast is not nullcontext:
        yield "mixed precision (autocast, a gradient scaler) is not stacked"
    moved = moved_by(optimizer)
    own = {id(p) for p in model.parameters()}
    if any(id(p) not in own for p in moved):
        yield "the optimizer moves parameters that are not the model's"
    devices = {p.device for p in moved}
    if len(devices) != 1 or next(iter(devices)).type not in _DEVICES:
        yield f"the parameters must lie on one device, {' or '.join(_DEVICES)}"
    if any(p.dtype not in _DTYPES for p in moved):
        yield "the parameters must be float32 or float64"
    betas = [beta for group in optimizer.param_groups for beta in group.get("betas", ())]
    differentiable = any(group.get("differentiable") for group in optimizer.param_groups)
    if differentiable or any(isinstance(beta, Tensor) for beta in betas):
        yield f"{name} has an option (differentiable, betas that are tensors) that is not stacked"
    patched = vars(optimizer).get("step")
    if patched is not None and not getattr(patched, "_wrapped_by_lr_sched", False):
        yield f"the step of {name} has been replaced"
    if optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks:
        yield f"{name} has hooks"
    if any(p._backward_hooks or getattr(p, "_post_accumulate_grad_hooks", None) for p in moved):
        yield "a parameter has hooks"
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        yield f"the model is wrapped in {type(model).__name__}"
    if type(model).__name__ == "OptimizedModule" or getattr(model, "_compiled_call_impl", None) is not None:
        yield "the model is compiled"
    for module in model.modules():
        trains = module.training or not model.training
        kind = type(module).__name__
        if trains and getattr(module, "running_mean", None) is not None:
            yield f"{kind} keeps running statistics, which one stack would mix up"
        # vmap could draw one mask for all copies, but nothing says that it is the mask of a run alone.
        if trains and "Dropout" in kind and getattr(module, "p", 0.0) > 0:
            yield f"{kind} draws random numbers"
        if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks:
            yield f"{kind} has hooks"
        if getattr(module, "sparse", False):
            yield f"{kind} has sparse gradients"
