"""One training step, the learning rate it is made with, and the loss on fixed batches."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lrfind.errors import BatchError, OptimizerError, UserError
from lrfind.own_code import own_frames, place_text, raised_text
from lrfind.training.batch import num_samples
from lrfind.training.optimizer import clear_gradients, moved_by
from lrfind.training.step_errors import dead_worker, explained, out_of_memory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch.optim import Optimizer

    from lrfind.training.objective import Objective


OwnStep = Callable[[Any], Tensor]
"""`step(batch)`: one whole training step of a caller's, which returns the loss before its updates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOptions:
    """How a step is made.

    Attributes:
        accumulation_steps: Batches a step; the logged loss is the mean over them.
        clip_grad_norm: Largest norm of the whole gradient, or None.
        scaler: A `torch.amp.GradScaler` for fp16, or None.
        own_step: Makes the whole step on a batch, updates included, and returns its loss, in place of all
            that is here; None: the step is made here.
        before_backward: Called before every backward pass, once the loss is there; None: nothing is.
    """

    accumulation_steps: int = 1
    clip_grad_norm: float | None = None
    scaler: Any = None
    own_step: OwnStep | None = None
    before_backward: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        steps, limit = self.accumulation_steps, self.clip_grad_norm
        if not isinstance(steps, int) or steps < 1:
            raise UserError(f"accumulation_steps must be a whole number of at least 1, got {steps!r}.")
        if limit is not None and not (isinstance(limit, (int, float)) and limit > 0):
            raise UserError(f"clip_grad_norm must be greater than 0, or None, got {limit!r}.")


def train_step(
    objective: Objective, optimizer: Optimizer, batches: Iterator[Any], options: StepOptions
) -> tuple[Tensor, Tensor | None]:
    """One update; returns the mean loss, and accuracy, over its batches, detached."""
    if options.own_step is not None:
        return _loss_of(options.own_step, next(batches)), None
    scaler = options.scaler
    parts = options.accumulation_steps
    total: Tensor | None = None
    accuracy: Tensor | None = None
    clear_gradients(optimizer)
    for _ in range(parts):
        batch = next(batches)
        loss, right = objective(batch)
        if parts > 1:
            loss = loss / parts
            right = None if right is None else right / parts
        if options.before_backward is not None:
            options.before_backward()
        try:
            (loss if scaler is None else scaler.scale(loss)).backward()
        except Exception as error:
            raise explained(error, "backward", batch) from error
        detached = loss.detach()
        total = detached if total is None else total + detached
        accuracy = right if accuracy is None or right is None else accuracy + right
    assert total is not None
    if options.clip_grad_norm is not None:
        if scaler is not None:
            scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(moved_by(optimizer), options.clip_grad_norm)
    try:
        if scaler is None:
            optimizer.step()
        else:
            scaler.step(optimizer)
            scaler.update()
    except UserError:
        raise
    except Exception as error:
        raise _explained_update(error, optimizer, batch) from error
    return total, accuracy


def _loss_of(step: OwnStep, batch: Any) -> Tensor:
    """Makes a caller's step and returns its loss, detached and without axes."""
    try:
        loss = step(batch)
    except UserError:
        raise
    except Exception as error:
        raise explained(error, "step", batch) from error
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        given = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else repr(loss)
        raise BatchError(f"step must return its loss, a tensor with one number, and returned {given}.")
    return loss.detach().reshape(())


def _explained_update(error: Exception, optimizer: Optimizer, batch: Any) -> UserError:
    if out_of_memory(error) or dead_worker(error) is not None:
        return explained(error, "optimizer", batch)
    frames = own_frames(error)
    said = f"optimizer: {type(optimizer).__name__}.step() raised {raised_text(error).rstrip('.')}"
    closure = ""
    if "closure" in str(error):
        closure = (
            " An optimizer that needs a closure wants a step of your own, in Python: range_test(..., "
            "step=...), see docs/howto/odd-loops.md."
        )
    return OptimizerError(f"{said}{place_text(frames)}.{closure}", frames=frames)


@torch.no_grad()
def evaluate(objective: Objective, batches: Iterable[Any]) -> tuple[Tensor, Tensor | None]:
    """The mean loss over fixed batches in eval mode, weighted by their sizes; modes are put back.

    The second is the share of right answers where the objective measures it, else None.
    """
    sizes, losses, shares = [], [], []
    with in_eval_mode(objective.model):
        for batch in batches:
            size = num_samples(batch)
            loss, share = objective(batch)
            sizes.append(size)
            losses.append(loss * size)
            if share is not None:
                shares.append(share * size)
    right = torch.stack(shares).sum() / sum(sizes) if shares else None
    return torch.stack(losses).sum() / sum(sizes), right


@contextmanager
def in_eval_mode(model: nn.Module) -> Iterator[None]:
    """Inside, every module is in eval mode; afterwards each is in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
