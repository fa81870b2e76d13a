"""Several copies of one model trained side by side as one stacked model.

The copies may begin at the same weights and differ in their learning rates, or each may have weights, and
batches, of its own. The forward pass is one `torch.func.vmap` over the stacked parameters, the backward pass
one ordinary backward pass of the sum of the losses, whose gradient with respect to each copy is that of its
own loss. The update is tensor arithmetic over the stack with a column of rates, and what `torch.optim`
computes.

Source: "Model ensembling", https://docs.pytorch.org/tutorials/intermediate/ensembling.html.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from lrfind.training.batch import num_samples
from lrfind.training.optimizer import LearningRate
from lrfind.training.stacking.tracing import recorded
from lrfind.training.stacking.updates import adam, clipped, sgd, stacked_state
from lrfind.training.step import in_eval_mode
from lrfind.training.step_errors import explained

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray
    from torch.optim import Optimizer

    from lrfind.training.objective import Objective
    from lrfind.training.stacking.updates import State
    from lrfind.training.step import StepOptions

_MOST_RECORDINGS = 4
"""Shapes of batches of which steps are recorded; of others they are computed as ever."""


class _Loss(nn.Module):
    """The objective as a module, so that `functional_call` can exchange the parameters inside it."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.model = objective.model
        self._objective = objective

    def forward(self, batch: Any) -> Tensor:
        return self._objective(batch)[0]


@dataclass(slots=True)
class _Member:
    """One parameter of every copy: its rates, the settings of its group, what the optimizer keeps of it."""

    name: str
    share: float
    column: Tensor
    settings: dict[str, Any]
    state: State


class Stack:
    """Copies of a model as it is now, with what its optimizer knows.

    It takes as much memory as that many models and optimizer states. Model and optimizer stay as they are.

    Args:
        objective: The loss on a batch.
        optimizer: SGD, Adam or AdamW; several groups keep the ratio of their rates.
        lrs: The rates, one a copy, shape (copies,), in the sense of `LearningRate`.
        options: How a step is made; without a scaler.
        others: Model and optimizer of every copy but the first, made alike, where each has its own weights;
            then each has its own batches, too. None: all are copies of the one.
        record: Record a step and play it back, where that can be done; for `recordable` losses only.
    """

    def __init__(
        self,
        objective: Objective,
        optimizer: Optimizer,
        lrs: NDArray[Any],
        *,
        options: StepOptions,
        others: Sequence[tuple[nn.Module, Optimizer]] | None = None,
        record: bool = False,
    ) -> None:
        self._loss = _Loss(objective)
        self._options = options
        self._own_batches = others is not None
        self._recordings: dict[Any, Callable[..., list[Tensor]] | None] | None = {} if record else None
        count = len(lrs)
        models = [objective.model, *(model for model, _ in others or ())]
        optimizers = [optimizer, *(each for _, each in others or ())]
        names = {id(p): name for name, p in self._loss.named_parameters()}
        self._leaves: dict[str, Tensor] = {}
        self._members: list[_Member] = []
        decoupled = isinstance(optimizer, torch.optim.AdamW)
        self._update = sgd if isinstance(optimizer, torch.optim.SGD) else adam
        for i, (group, share) in enumerate(LearningRate(optimizer).groups):
            settings = {"decoupled_weight_decay": decoupled} | group
            for j, p in enumerate(group["params"]):
                if not p.requires_grad:
                    continue
                name = names[id(p)]
                if others is None:
                    copies = p.detach().expand(count, *p.shape).clone(memory_format=torch.contiguous_format)
                    self._leaves[name] = copies.requires_grad_()
                    state = stacked_state([optimizer.state.get(p, {})] * count)
                else:
                    own = [each.param_groups[i]["params"][j] for each in optimizers]
                    self._leaves[name] = torch.stack([each.detach() for each in own]).requires_grad_()
                    kept = [each.state.get(q, {}) for each, q in zip(optimizers, own, strict=True)]
                    state = stacked_state(kept)
                column = torch.empty(count, *[1] * p.ndim, dtype=p.dtype, device=p.device)
                self._members.append(_Member(name, share, column, settings, state))
        self._fixed = _differing([_tensors(model) for model in models], without=self._leaves)
        self.set_lrs(lrs)

    @torch.no_grad()
    def set_lrs(self, lrs: ArrayLike) -> None:
        """Goes on at these rates, shape (copies,) or (), in the sense of `LearningRate`."""
        given = torch.as_tensor(np.asarray(lrs, dtype=np.float64))
        for member in self._members:
            column = member.column
            if given.ndim == 0:  # a number is handed over with the call: a copy would wait for the GPU
                column.fill_(given.item() * member.share)
                continue
            rates = (given * member.share).to(column.dtype)
            column.copy_(rates.reshape(-1, *[1] * (column.ndim - 1)).expand_as(column))

    def step(self, batches: Iterator[Any]) -> Tensor:
        """One update of every copy; returns their mean losses over its batches, shape (copies,).

        Where each copy has its own batches, a batch is a tuple of tensors of shape (copies, samples, ...).
        """
        total: Tensor | None = None
        grads: list[Tensor | None] = [None] * len(self._leaves)
        for _ in range(self._options.accumulation_steps):
            losses, new = self._gradients(next(batches))
            grads = [b if a is None else a if b is None else a + b for a, b in zip(grads, new, strict=True)]
            total = losses if total is None else total + losses
        assert total is not None
        if self._options.clip_grad_norm is not None:
            grads = clipped(grads, self._options.clip_grad_norm)
        with torch.no_grad():
            for member, grad in zip(self._members, grads, strict=True):
                if grad is not None:  # torch's optimizers pass over a parameter without a gradient
                    leaf = self._leaves[member.name]
                    self._update(leaf, grad, member.state, member.column, member.settings)
        return total

    @torch.no_grad()
    def read(self, batches: Iterable[Any]) -> Tensor:
        """The mean loss of every copy over the same fixed batches in eval mode, shape (copies,).

        See `evaluate`.
        """
        sizes, losses = [], []
        with in_eval_mode(self._loss.model):
            for batch in batches:
                sizes.append(num_samples(batch))
                losses.append(self._losses(self._leaves, batch, own=False) * sizes[-1])
        return torch.stack(losses).sum(0) / sum(sizes)

    @torch.no_grad()
    def keep(self, positions: Sequence[int]) -> None:
        """Drops every copy but those at these positions; the others are moved up and not changed."""
        device = next(iter(self._leaves.values())).device
        index = torch.tensor(list(positions), dtype=torch.long, device=device)
        self._leaves = {name: leaf[index].requires_grad_() for name, leaf in self._leaves.items()}
        self._fixed = {name: value[index] for name, value in self._fixed.items()}
        for member in self._members:
            member.column = member.column[index]
            member.state = {
                key: value[index] if isinstance(value, Tensor) else value
                for key, value in member.state.items()
            }
        if self._recordings is not None:
            self._recordings = {}

    @torch.no_grad()
    def put_into_model(self, position: int) -> None:
        """Gives the model the parameters of one copy, to be read as a model alone is; the stack stays."""
        for name, parameter in self._loss.named_parameters():
            if name in self._leaves:
                parameter.copy_(self._leaves[name][position])

    def state(self) -> dict[str, Any]:
        """Weights, and what the optimizer keeps, of every copy, as plain values and tensors."""
        return {
            "leaves": {name: leaf.detach() for name, leaf in self._leaves.items()},
            "optimizer": [dict(member.state) for member in self._members],
        }

    @torch.no_grad()
    def load(self, state: Mapping[str, Any]) -> None:
        """Puts back what `state` gave of as many copies; that of another stack is refused by a ValueError."""
        if state["leaves"].keys() != self._leaves.keys() or len(state["optimizer"]) != len(self._members):
            raise ValueError("it holds another model's state")
        for name, leaf in self._leaves.items():
            saved = state["leaves"][name]
            if saved.shape != leaf.shape or saved.dtype != leaf.dtype:
                raise ValueError(f"it holds another model's state: {name.removeprefix('model.')} differs")
            leaf.copy_(saved)
        for member, kept in zip(self._members, state["optimizer"], strict=True):
            leaf = self._leaves[member.name]
            tensors = [each for each in kept.values() if isinstance(each, Tensor) and each.ndim]
            if any(each.numel() not in (leaf.numel(), len(leaf)) for each in tensors):
                raise ValueError("it holds another optimizer's state")
            member.state = dict(kept)

    def _gradients(self, batch: Any) -> tuple[Tensor, list[Tensor | None]]:
        """The loss of every copy, shape (copies,), and the gradients with respect to the leaves."""
        if self._recordings is None or not _is_tensors(batch):
            return self._computed(self._leaves, batch)
        shapes = tuple((each.shape, each.dtype) for each in batch)
        if shapes not in self._recordings:
            if len(self._recordings) >= _MOST_RECORDINGS:
                return self._computed(self._leaves, batch)
            found = self._computed(self._leaves, batch)
            self._recordings[shapes] = self._recorded(batch, [grad is not None for grad in found[1]])
            return found
        play = self._recordings[shapes]
        if play is None:
            return self._computed(self._leaves, batch)
        with torch.no_grad():
            losses, *grads = play(*self._leaves.values(), *batch)
        return losses, list(grads)

    def _recorded(self, batch: tuple[Tensor, ...], used: list[bool]) -> Callable[..., list[Tensor]] | None:
        if not all(used):
            return None
        count = len(self._leaves)

        def computed(*given: Tensor) -> list[Tensor]:
            leaves = dict(zip(self._leaves, given[:count], strict=True))
            losses, grads = self._computed(leaves, given[count:])
            return [losses, *(grad for grad in grads if grad is not None)]

        return recorded(computed, (*self._leaves.values(), *batch))

    def _computed(self, leaves: dict[str, Tensor], batch: Any) -> tuple[Tensor, list[Tensor | None]]:
        losses = self._losses(leaves, batch, own=self._own_batches)
        if self._options.accumulation_steps > 1:
            losses = losses / self._options.accumulation_steps
        try:
            grads = torch.autograd.grad(losses.sum(), list(leaves.values()), allow_unused=True)
        except Exception as error:
            raise explained(error, "backward", batch) from error
        return losses.detach(), list(grads)

    def _losses(self, leaves: dict[str, Tensor], batch: Any, *, own: bool) -> Tensor:
        def loss(tensors: dict[str, Tensor], batch: Any) -> Tensor:
            found: Tensor = functional_call(self._loss, tensors, (batch,))
            return found

        in_dims = (0, 0 if own else None)
        losses: Tensor = vmap(loss, in_dims=in_dims, randomness="error")({**leaves, **self._fixed}, batch)
        return losses


def _is_tensors(batch: Any) -> bool:
    return isinstance(batch, tuple) and all(isinstance(each, Tensor) for each in batch)


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, by the names they have under `model`."""
    named = (*model.named_parameters(), *model.named_buffers())
    return {f"model.{name}": value.detach() for name, value in named}


def _differing(copies: Sequence[dict[str, Tensor]], *, without: Container[str]) -> dict[str, Tensor]:
    """What is not trained and yet not the same in every copy, stacked: frozen weights drawn at random."""
    first, *others = copies
    return {
        name: torch.stack([copy[name] for copy in copies])
        for name, value in first.items()
        if name not in without and not all(torch.equal(value, other[name]) for other in others)
    }
