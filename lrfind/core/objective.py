"""How a batch meets the model: from a batch to a loss, and in words what went wrong where it cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from lrfind.errors import BatchError, ConfigError, DataError, DeviceError, UserError

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
        accuracy: Also measure the share of right answers: `outputs.argmax(1) == target`.
        autocast: Makes the context that model and loss are computed in.
        highest_label: The highest class label of the data, where known. It is held against the number of
            outputs before the first loss, since on a GPU a label outside them is a crash without a message.
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
    ) -> None:
        if accuracy and criterion is None:
            raise UserError(
                "range.metric=accuracy needs outputs and labels, and a model that returns its own loss "
                "(criterion=from_model) shows neither: use range.metric=loss."
            )
        self.model = model
        self.criterion = criterion
        self._forward = forward
        self._accuracy = accuracy
        self._autocast = autocast
        self._highest_label = highest_label

    def __call__(self, batch: Any) -> tuple[Tensor, Tensor | None]:
        """The loss on a batch, without axes, and the share of right answers or None.

        Raises:
            BatchError: Model or loss cannot take the batch; the message says the shapes.
            DeviceError: The memory of the device does not suffice.
        """
        outputs: Any = None
        target: Any = None
        part = "model"
        try:
            with self._autocast():
                outputs = self._outputs(batch)
                if self.criterion is None:
                    return _own_loss(outputs), None
                part = "criterion"
                target = _target(batch)
                if self._highest_label is not None:
                    _check_label(self._highest_label, outputs, target)
                    self._highest_label = None
                loss = self.criterion(outputs, target)
        except UserError:
            raise
        except Exception as error:
            raise explained(error, part, batch, outputs) from error
        if not isinstance(loss, Tensor):
            raise BatchError(f"criterion must return a tensor, and returned {_described(loss)}.")
        if loss.ndim > 0:
            if loss.numel() > 1:
                raise BatchError(
                    f"criterion must return one number a batch, and returned {_described(loss)}: "
                    "give it a reduction, such as criterion.reduction=mean."
                )
            loss = loss.reshape(())
        return loss, _share_of_right_answers(outputs, target) if self._accuracy else None

    def _outputs(self, batch: Any) -> Any:
        if self._forward is not None:
            return self._forward(self.model, batch)
        if self.criterion is not None:
            return self.model(batch if isinstance(batch, Mapping) else _inputs(batch))
        if isinstance(batch, Mapping):
            return self.model(**batch)
        if isinstance(batch, Sequence):
            return self.model(*batch)
        return self.model(batch)


def explained(error: Exception, part: str, batch: Any, outputs: Any = None) -> UserError:
    """What went wrong in a step, as a message to the user.

    Args:
        error: What model, loss or backward pass raised.
        part: Which of them.
        batch: The batch it happened on.
        outputs: What the model returned, where it came so far.
    """
    first_line = (str(error).strip() or repr(error)).splitlines()[0]
    if out_of_memory(error):
        return DeviceError(
            f"batch_size: the device ran out of memory on a batch of {_described(batch)}. Try a smaller "
            "batch_size with accumulation_steps=2 or more, precision=bf16, or a smaller data.image_size. "
            f"({first_line})"
        )
    if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        return ConfigError(f"compile=true failed: {first_line} Use compile=false.")
    seen = f"a batch of {_described(batch)}"
    if part == "criterion":
        seen = f"outputs of {_described(outputs)} and a target of {_described(_target(batch))}"
        advice = "Does the criterion suit the data, and has the model as many outputs as there are classes?"
    else:
        advice = "Does the model suit the data?"
    return BatchError(f"{part}: cannot take {seen}: {type(error).__name__}: {first_line} {advice}")


def out_of_memory(error: Exception) -> bool:
    """Whether an exception says that a device, or the machine, has no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _inputs(batch: Any) -> Any:
    if isinstance(batch, Sequence) and not isinstance(batch, (str, bytes)) and batch:
        return batch[0]
    raise BatchError(
        f"data: a batch must be a tuple (inputs, target, ...) or a dict, and is {_described(batch)}."
    )


def _target(batch: Any) -> Any:
    if isinstance(batch, Mapping):
        return batch
    if isinstance(batch, Sequence) and len(batch) > 1:
        return batch[1]
    raise BatchError(
        f"data: a batch holds no target for the criterion: it is {_described(batch)}, and (inputs, target) "
        "was expected. A model that returns its own loss needs criterion=from_model."
    )


def _check_label(highest: int, outputs: Any, target: Any) -> None:
    labels = isinstance(target, Tensor) and not target.is_floating_point() and target.ndim == 1
    if labels and isinstance(outputs, Tensor) and outputs.ndim == 2 and highest >= outputs.shape[1]:
        count = outputs.shape[1]
        raise DataError(
            f"data: the labels go up to {highest}, and the model has {count} outputs, for labels 0 to "
            f"{count - 1}. Give the model at least {highest + 1} outputs (model.num_outputs), or labels that "
            "start at 0."
        )


def _own_loss(outputs: Any) -> Tensor:
    loss = outputs
    if isinstance(outputs, Mapping):
        loss = outputs.get("loss")
    elif not isinstance(outputs, Tensor):
        loss = getattr(outputs, "loss", None)
    if isinstance(loss, Tensor):
        return loss if loss.ndim == 0 else torch.mean(loss)
    raise BatchError(
        "criterion=from_model: the model must return its loss (a tensor, an object with .loss or a dict "
        f"with 'loss'), and returned {_described(outputs)}."
    )


def _share_of_right_answers(outputs: Any, target: Any) -> Tensor:
    labels = isinstance(target, Tensor) and not target.is_floating_point()
    if not (isinstance(outputs, Tensor) and labels and outputs.ndim == target.ndim + 1):
        raise BatchError(
            "range.metric=accuracy needs one score a class and integer labels, and met outputs of "
            f"{_described(outputs)} and a target of {_described(target)}: use range.metric=loss."
        )
    return torch.eq(outputs.detach().argmax(1), target).float().mean()


def _described(value: Any) -> str:
    """Shapes and types, for a message."""
    if isinstance(value, Tensor):
        return f"shape {tuple(value.shape)} ({str(value.dtype).removeprefix('torch.')})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_described(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(_described(item) for item in value[:6]) + ")"
    return type(value).__name__
