"""Several copies of one model trained side by side, each at its own learning rate, as one stacked model.

The forward pass is one `torch.func.vmap` over the stacked parameters, the backward pass one ordinary
backward pass of the sum of the losses, whose gradient with respect to each copy is that of its own loss.
The update is tensor arithmetic over the stack with a column of rates, and what `torch.optim` computes.

Source: "Model ensembling", https://docs.pytorch.org/tutorials/intermediate/ensembling.html.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from lrfind.core.batches import num_samples
from lrfind.core.objective import Objective, explained
from lrfind.core.training import LearningRate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch.optim import Optimizer

    from lrfind.core.training import StepOptions

State = dict[str, Any]
"""What an optimizer keeps of one stacked parameter: tensors of shape (rates, ...), and `step`, a number."""

_DEVICES = ("cpu", "cuda")
_DTYPES = (torch.float32, torch.float64)
_ONLY_MOVED = (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW)


def why_not_stacked(
    model: nn.Module, optimizer: Optimizer, objective: Objective, *, scaler: Any = None
) -> str | None:
    """Why these cannot be stacked, in words that follow "not stacked: "; None where nothing is against it.

    Only what can be read off them is said here. A random number drawn in the forward pass, an operation that
    vmap does not know, a buffer that changes: these show in the first steps, which `probe` compares.

    Args:
        model: The model; in eval mode it counts as if it were put in training mode.
        optimizer: Its optimizer.
        objective: The loss of the model on a batch.
        scaler: The gradient scaler, where one is used.
    """
    return next(_reasons(model, optimizer, objective, scaler), None)


def _reasons(model: nn.Module, optimizer: Optimizer, objective: Objective, scaler: Any) -> Iterator[str]:
    name = type(optimizer).__name__
    if type(optimizer) not in _ONLY_MOVED:
        yield f"the optimizer is {name}, and only SGD, Adam and AdamW are stacked"
    if scaler is not None or objective._autocast is not nullcontext:
        yield "mixed precision (autocast, a gradient scaler) is not stacked"
    moved = [p for group in optimizer.param_groups for p in group["params"]]
    own = {id(p) for p in model.parameters()}
    if any(id(p) not in own for p in moved):
        yield "the optimizer moves parameters that are not the model's"
    devices = {p.device for p in moved}
    if len(devices) != 1 or next(iter(devices)).type not in _DEVICES:
        yield f"the parameters must lie on one device, {' or '.join(_DEVICES)}"
    if any(p.dtype not in _DTYPES for p in moved):
        yield "the parameters must be float32 or float64"
    if any(group.get("differentiable") or not _plain_betas(group) for group in optimizer.param_groups):
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


def _plain_betas(group: dict[str, Any]) -> bool:
    return not any(isinstance(beta, Tensor) for beta in group.get("betas", ()))


class _Loss(nn.Module):
    """The objective as a module, so that `functional_call` can exchange the parameters inside it."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.model = objective.model
        self._objective = objective

    def forward(self, batch: Any) -> Tensor:
        return self._objective(batch)[0]


class Stack:
    """Copies of a model as it is now, with what its optimizer knows, one a learning rate.

    It takes as much memory as that many models and optimizer states. Model and optimizer stay as they are.

    Args:
        objective: The loss on a batch.
        optimizer: SGD, Adam or AdamW; several groups keep the ratio of their rates.
        lrs: The rates, shape (rates,), in the sense of `LearningRate`.
        options: How a step is made; without a scaler.
    """

    def __init__(
        self, objective: Objective, optimizer: Optimizer, lrs: NDArray[Any], *, options: StepOptions
    ) -> None:
        self._loss = _Loss(objective)
        self._options = options
        names = {id(p): name for name, p in self._loss.named_parameters()}
        self._leaves: dict[str, Tensor] = {}
        self._members: list[tuple[str, Tensor, dict[str, Any], State]] = []
        decoupled = isinstance(optimizer, torch.optim.AdamW)
        self._update = _sgd if isinstance(optimizer, torch.optim.SGD) else _adam
        for group, share in LearningRate(optimizer)._groups:
            settings = {"decoupled_weight_decay": decoupled} | group
            for p in group["params"]:
                if not p.requires_grad:
                    continue
                leaf = _repeated(p, len(lrs)).requires_grad_()
                rates = torch.tensor(lrs * share, dtype=p.dtype, device=p.device)
                column = rates.reshape(-1, *[1] * p.ndim)
                name = names[id(p)]
                self._leaves[name] = leaf
                state = _stacked_state(optimizer.state.get(p, {}), len(lrs))
                self._members.append((name, column, settings, state))

    def step(self, batches: Iterator[Any]) -> Tensor:
        """One update of every copy; returns their mean losses over its batches, shape (rates,)."""
        parts = self._options.accumulation_steps
        leaves = list(self._leaves.values())
        total: Tensor | None = None
        grads: list[Tensor | None] = [None] * len(leaves)
        for _ in range(parts):
            batch = next(batches)
            losses = self._losses(batch)
            if parts > 1:
                losses = losses / parts
            try:
                new = torch.autograd.grad(losses.sum(), leaves, allow_unused=True)
            except Exception as error:
                raise explained(error, "backward", batch) from error
            grads = [b if a is None else a if b is None else a + b for a, b in zip(grads, new, strict=True)]
            detached = losses.detach()
            total = detached if total is None else total + detached
        assert total is not None
        if self._options.clip_grad_norm is not None:
            grads = _clipped(grads, self._options.clip_grad_norm)
        with torch.no_grad():
            for (name, column, settings, state), grad in zip(self._members, grads, strict=True):
                if grad is not None:  # torch's optimizers pass over a parameter without a gradient
                    self._update(self._leaves[name], grad, state, column, settings)
        return total

    @torch.no_grad()
    def read(self, batches: Sequence[Any]) -> Tensor:
        """The mean loss of every copy over fixed batches in eval mode, shape (rates,); see `evaluate`."""
        modes = [(module, module.training) for module in self._loss.model.modules()]
        self._loss.model.eval()
        try:
            sizes = [num_samples(batch) for batch in batches]
            losses = [self._losses(batch) * size for batch, size in zip(batches, sizes, strict=True)]
            return torch.stack(losses).sum(0) / sum(sizes)
        finally:
            for module, training in modes:
                module.training = training

    @torch.no_grad()
    def keep(self, positions: Sequence[int]) -> None:
        """Drops every copy but those at these positions; the others are moved up and not changed."""
        device = next(iter(self._leaves.values())).device
        index = torch.tensor(list(positions), dtype=torch.long, device=device)
        self._leaves = {name: leaf[index].requires_grad_() for name, leaf in self._leaves.items()}
        self._members = [
            (
                name,
                column[index],
                settings,
                {key: value[index] if isinstance(value, Tensor) else value for key, value in state.items()},
            )
            for name, column, settings, state in self._members
        ]

    @torch.no_grad()
    def put_into_model(self, position: int) -> None:
        """Gives the model the parameters of one copy, to be read as a model alone is; the stack stays."""
        for name, parameter in self._loss.named_parameters():
            if name in self._leaves:
                parameter.copy_(self._leaves[name][position])

    def _losses(self, batch: Any) -> Tensor:
        def loss(parameters: dict[str, Tensor]) -> Tensor:
            found: Tensor = functional_call(self._loss, parameters, (batch,))
            return found

        losses: Tensor = vmap(loss, randomness="error")(self._leaves)
        return losses


@contextmanager
def own_parameters(model: nn.Module) -> Iterator[None]:
    """Every module gets its own parameters back, even if an interrupt came while they were exchanged."""
    slots = [(module, dict(module._parameters)) for module in model.modules()]
    try:
        yield
    finally:
        for module, parameters in slots:
            module._parameters.update(parameters)


def _repeated(value: Tensor, count: int) -> Tensor:
    return value.detach().expand(count, *value.shape).clone(memory_format=torch.contiguous_format)


def _stacked_state(state: dict[str, Any], count: int) -> State:
    """What the optimizer keeps of a parameter, for every copy; the count of steps stays one number."""
    return {
        key: float(value)
        if key == "step"
        else _repeated(value, count)
        if isinstance(value, Tensor)
        else value
        for key, value in state.items()
    }


def _clipped(grads: Sequence[Tensor | None], largest: float) -> list[Tensor | None]:
    """As `nn.utils.clip_grad_norm_`, the norm taken copy by copy."""
    norms = [torch.linalg.vector_norm(g.flatten(1), dim=1) for g in grads if g is not None]
    if not norms:
        return list(grads)
    total = torch.linalg.vector_norm(torch.stack(norms), dim=0)
    factor = torch.clamp(largest / (total + 1e-6), max=1.0)
    return [None if g is None else g * factor.to(g.dtype).reshape(-1, *[1] * (g.ndim - 1)) for g in grads]


def _sgd(p: Tensor, grad: Tensor, state: State, lr: Tensor, group: dict[str, Any]) -> None:
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


def _adam(p: Tensor, grad: Tensor, state: State, lr: Tensor, group: dict[str, Any]) -> None:
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
