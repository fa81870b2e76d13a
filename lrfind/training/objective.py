"""How a batch meets the model: from a batch to a loss."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from lrfind.errors import BatchError, UserError
from lrfind.training.batch import described, inputs_of, target_of
from lrfind.training.first_loss import FirstLoss
from lrfind.training.step_errors import explained

Criterion = Callable[[Any, Any], Tensor]
"""`criterion(outputs, target)`, a loss without axes."""

Forward = Callable[[nn.Module, Any], Any]
"""`forward(model, batch)`, the model's outputs; the loss itself where there is no criterion."""


class Objective:
    """The loss of a model on a batch, and on request the share of right answers.

    A tuple or list is `(inputs, target, ...)`: `criterion(model(inputs), target)`. A mapping goes whole to
    both: `criterion(model(batch), batch)`. Without a criterion the model is called as `model(**batch)` or
    `model(*batch)` and returns its loss: a tensor, an object with `.loss`, or a mapping with `"loss"`; a loss
    with axes, as DataParallel gathers one a replica, is averaged. `forward` replaces the call of the model.

    Args:
        model: The model.
        criterion: The loss function, or None where the model returns its own loss.
        forward: Replaces `model(inputs)`; called with the model and the whole batch.
        accuracy: Also measure the share of right answers: `outputs.argmax(1) == target`; of a model that
            returns its own loss, `logits` beside it against `labels` in the batch.
        autocast: Makes the context that model and loss are computed in.
        highest_label: The highest class label of the data, where known; as the two others for `FirstLoss`.
        num_classes: The number of classes of the data, where known.
        on_note: Told of what `FirstLoss` finds that does not end the run.

    Attributes:
        num_outputs: Outputs a sample, known from the first loss on.
    """

    def __init__(
        self,
        model: nn.Module,
        criterion: Criterion | None,
        *,
        forward: Forward | None = None,
        accuracy: bool = False,
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
        highest_label: int | None = None,
        num_classes: int | None = None,
        on_note: Callable[[str], None] | None = None,
    ) -> None:
        self.model = model
        self.criterion = criterion
        self.forward = forward
        self.accuracy = accuracy
        self.autocast = autocast
        self.num_outputs: int | None = None
        self._first: FirstLoss | None = FirstLoss(
            criterion, highest_label=highest_label, num_classes=num_classes, on_note=on_note
        )

    def modules(self) -> Iterator[nn.Module]:
        """Every module of the model and of the criterion."""
        yield from self.model.modules()
        if isinstance(self.criterion, nn.Module):
            yield from self.criterion.modules()

    def __call__(self, batch: Any) -> tuple[Tensor, Tensor | None]:
        """The loss on a batch, without axes, and the share of right answers or None.

        Raises:
            BatchError: Model or loss cannot take the batch; the message says the shapes.
            DeviceError: The memory of the device does not suffice.
        """
        if self.autocast is nullcontext:  # and not entered, which takes as long as a small layer
            return self._measured(batch)
        with self.autocast():
            return self._measured(batch)

    def loss_only(self) -> Objective:
        """The same without the share of right answers, for steps that have no use for it."""
        other = copy.copy(self)
        other.accuracy = False
        return other

    def _measured(self, batch: Any) -> tuple[Tensor, Tensor | None]:
        """What a call returns, computed in whatever context is open."""
        outputs: Any = None
        target: Any = None
        part = "model" if self.forward is None else "forward"
        try:
            if self.forward is not None:
                outputs = self.forward(self.model, batch)
            elif self.criterion is not None:
                outputs = self.model(inputs_of(batch))
            else:
                outputs = _of_whole(self.model, batch)
            if self.criterion is None:
                right = _own_right_answers(outputs, batch) if self.accuracy else None
                return _own_loss(outputs), right
            part = "criterion"
            target = target_of(batch)
            if self._first is None:
                loss = self.criterion(outputs, target)
            else:
                self._first.check(outputs, target)
                if isinstance(outputs, Tensor) and outputs.ndim:
                    self.num_outputs = outputs.shape[min(1, outputs.ndim - 1)]
                self._first = None
                with warnings.catch_warnings():
                    # Where torch warns of this it repeats numbers until the shapes are the same.
                    warnings.filterwarnings("error", "Using a target size")
                    loss = self.criterion(outputs, target)
        except UserError:
            raise
        except Exception as error:
            raise explained(error, part, batch, outputs) from error
        if not isinstance(loss, Tensor):
            raise BatchError(f"criterion must return a tensor, and returned {described(loss)}.")
        if loss.ndim > 0:
            if loss.numel() > 1:
                raise BatchError(
                    f"criterion must return one number a batch, and returned {described(loss)}: "
                    "give it a reduction, such as reduction='mean'."
                )
            loss = loss.reshape(())
        return loss, _share_of_right_answers(outputs, target) if self.accuracy else None


def _of_whole(model: nn.Module, batch: Any) -> Any:
    """The outputs of a model that computes its own loss."""
    if isinstance(batch, Mapping):
        return model(**batch)
    if isinstance(batch, Sequence):
        return model(*batch)
    return model(batch)


def _own_loss(outputs: Any) -> Tensor:
    loss = outputs
    if isinstance(outputs, Mapping):
        loss = outputs.get("loss")
    elif not isinstance(outputs, Tensor):
        loss = getattr(outputs, "loss", None)
    if isinstance(loss, Tensor) and (loss.ndim < 2 or loss.numel() == 1):
        return loss if loss.ndim == 0 else torch.mean(loss)
    said = (
        "criterion=None: the model must return its loss (a tensor with one number, an object with .loss or a "
        f"dict with 'loss'), and returned {described(outputs)}."
    )
    if loss is None and _logits(outputs) is not None:
        said += " Models of transformers do where the batch has labels, by that name."
    raise BatchError(said)


def _logits(outputs: Any) -> Any:
    """The scores beside a loss; None where there are none."""
    return outputs.get("logits") if isinstance(outputs, Mapping) else getattr(outputs, "logits", None)


def _own_right_answers(outputs: Any, batch: Any) -> Tensor:
    """The share of right answers of a model that returns its own loss, and its scores beside it."""
    logits = _logits(outputs)
    labels = None
    if isinstance(batch, Mapping):
        labels = batch.get("labels", batch.get("label"))
    elif isinstance(batch, Sequence) and len(batch) > 1:
        labels = batch[1]
    if logits is None or labels is None:
        raise BatchError(
            "metric='accuracy' needs scores and labels: of a model that returns its own loss "
            "(criterion=None), .logits beside it, and labels in the batch. It returned "
            f"{described(outputs)} for {described(batch)}: use metric='loss'."
        )
    if isinstance(logits, Tensor) and logits.ndim != 2:
        raise BatchError(
            "metric='accuracy' needs one score a class and sample, and the logits that come with the model's "
            f"own loss have {described(logits)}: use metric='loss'."
        )
    return _share_of_right_answers(logits, labels)


def _share_of_right_answers(outputs: Any, target: Any) -> Tensor:
    labels = isinstance(target, Tensor) and not target.is_floating_point()
    if not (isinstance(outputs, Tensor) and labels and outputs.ndim == target.ndim + 1):
        raise BatchError(
            "metric='accuracy' needs one score a class and integer labels, and met outputs of "
            f"{described(outputs)} and a target of {described(target)}: use metric='loss'."
        )
    return torch.eq(outputs.detach().argmax(1), target).float().mean()
