"""What torch's optimizers do in a step, for a stack of parameters each at a rate of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

State = dict[str, Any]
"""What an optimizer keeps of one stacked parameter: tensors of shape (copies, ...), and `step`, a number."""


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


def clipped(grads: Sequence[Tensor | None], largest: float) -> list[Tensor | None]:
    """As `nn.utils.clip_grad_norm_`, the norm taken copy by copy."""
    norms = [torch.linalg.vector_norm(g.flatten(1), dim=1) for g in grads if g is not None]
    if not norms:
        return list(grads)
    total = torch.linalg.vector_norm(torch.stack(norms), dim=0)
    factor = torch.clamp(largest / (total + 1e-6), max=1.0)
    return [None if g is None else g * factor.to(g.dtype).reshape(-1, *[1] * (g.ndim - 1)) for g in grads]


def sgd(p: Tensor, grad: Tensor, state: State, lr: Tensor, group: dict[str, Any]) -> None:
    """The update of `torch.optim.SGD`; p and grad of shape (rates, ...), lr of shape (rates, 1, ...)."""
    if group["maximize"]:
        grad = -grad
    if group["weight_decay"] != 0:
        grad = grad.add(p, alpha=group["weight_decay"])
    if group["momentum"] != 0:
        buffer = state.get("momentum_buffer")
        if buffer is None:
            buffer = state["momentum_buffer"] = grad.clone()
        else:
            buffer.mul_(group["momentum"]).add_(grad, alpha=1 - group["dampening"])
        grad = grad.add(buffer, alpha=group["momentum"]) if group["nesterov"] else buffer
    p.addcmul_(grad, lr, value=-1)


def adam(p: Tensor, grad: Tensor, state: State, lr: Tensor, group: dict[str, Any]) -> None:
    """The update of `torch.optim.Adam` and `AdamW`; Kingma and Ba 2015, algorithm 1."""
    if group["maximize"]:
        grad = -grad
    if group["weight_decay"] != 0:
        if group["decoupled_weight_decay"]:
            p.mul_(1 - lr * group["weight_decay"])  # Loshchilov and Hutter 2019, algorithm 2
        else:
            grad = grad.add(p, alpha=group["weight_decay"])
    if not state:
        state.update(step=0.0, exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p))
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = torch.zeros_like(p)
    beta1, beta2 = group["betas"]
    state["step"] += 1
    mean, square = state["exp_avg"], state["exp_avg_sq"]
    mean.lerp_(grad, 1 - beta1)
    square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
    if group["amsgrad"]:
        square = torch.maximum(state["max_exp_avg_sq"], square, out=state["max_exp_avg_sq"])
    correction1 = 1 - beta1 ** state["step"]
    correction2 = 1 - beta2 ** state["step"]
    spread = square.sqrt().div_(correction2**0.5).add_(group["eps"])
    p.addcmul_(mean.div(spread), lr / correction1, value=-1)
