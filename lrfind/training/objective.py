"""How a batch meets the model: from a batch to a loss, and in words what went wrong where it cannot."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from lrfind.errors import BatchError, ConfigError, DataError, DeviceError, ModelError, UserError
from lrfind.own_code import own_frames, place_text

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
        highest_label: The highest class label of the data, where known. Before the first loss it, and the
            labels of the first batch, are held against the number of outputs where the criterion is one of
            torch's for class labels: on a GPU a label outside them is a crash without a message.
        num_classes: The number of classes of the data, where known; the number of outputs is held against it
            at the same time.
        on_note: Told where they differ.
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
        self._highest_label = -1 if highest_label is None else highest_label
        self._num_classes = num_classes
        self._on_note = on_note
        self._check_labels = _takes_labels(criterion)

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
        outputs: Any = None
        target: Any = None
        part = "model" if self.forward is None else "forward"
        try:
            with self.autocast():
                outputs = self._outputs(batch)
                if self.criterion is None:
                    right = _own_right_answers(outputs, batch) if self.accuracy else None
                    return _own_loss(outputs), right
                part = "criterion"
                target = _target(batch)
                if self._check_labels:
                    self._check_labels = False
                    _check_labels(self._highest_label, outputs, target, _ignored(self.criterion))
                    self._hold_against_classes(outputs, target)
                    _check_log_probabilities(self.criterion, outputs)
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
                    "give it a reduction, such as reduction='mean'."
                )
            loss = loss.reshape(())
        return loss, _share_of_right_answers(outputs, target) if self.accuracy else None

    def loss_only(self) -> Objective:
        """The same without the share of right answers, for steps that have no use for it."""
        other = copy.copy(self)
        other.accuracy = False
        return other

    def _hold_against_classes(self, outputs: Any, target: Any) -> None:
        if self._num_classes is None or self._on_note is None or not _one_score_a_class(outputs, target):
            return
        count = outputs.shape[1]
        if count > self._num_classes:
            self._on_note(
                f"the model has {count} outputs, and the data {self._num_classes} classes: it first learns "
                f"that {count - self._num_classes} of them never come, and that fall is measured, too. Give "
                f"the model {self._num_classes} outputs, unless more are meant."
            )
        elif count < self._num_classes:
            self._on_note(
                f"the model has {count} outputs, and the data say that they have {self._num_classes} "
                f"classes: a label above {count - 1} would end the run. Give the model {self._num_classes} "
                "outputs."
            )

    def _outputs(self, batch: Any) -> Any:
        if self.forward is not None:
            return self.forward(self.model, batch)
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
    first_line = (str(error).strip() or repr(error)).splitlines()[0].rstrip(".") + "."
    dead = dead_worker(error)
    if dead is not None:
        return dead
    if out_of_memory(error):
        return no_memory_left(error, f"on a batch of {_described(batch)}")
    if "deterministic" in str(error) and isinstance(error, RuntimeError):
        return ConfigError(
            f"deterministic algorithms cannot be kept to: {first_line} "
            "Use torch.use_deterministic_algorithms(False)."
        )
    if "find_unused_parameters=True" in str(error):
        return ModelError(
            "the model has parameters that take no part in the loss, and DistributedDataParallel waits for "
            "their gradients: freeze them (requires_grad=False) or leave them out."
        )
    if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        return ConfigError(f"torch.compile failed: {first_line} Leave the model uncompiled.")
    seen = f"a batch of {_described(batch)}"
    advice = " Does the model suit the data?"
    if part == "criterion":
        seen = f"outputs of {_described(outputs)} and a target of {_described(_target(batch))}"
        advice = " Does the criterion suit the data, and has the model as many outputs as there are classes?"
    said = f"{type(error).__name__}: {first_line}"
    frames = own_frames(error)
    if not frames:
        return BatchError(f"{part}: cannot take {seen}: {said}{advice}")
    said = f"{part}: raised {said.rstrip('.')}{place_text(frames)}, given {seen}."
    return BatchError(said if isinstance(error, _BUGS) else said + advice, frames=frames)


_BUGS = (NameError, AttributeError, ImportError, AssertionError, NotImplementedError, ArithmeticError)
"""Exceptions of which the data are no likely cause."""


def no_memory_left(error: Exception, where: str) -> DeviceError:
    """The message for an exception that says there is no memory left."""
    return DeviceError(
        f"the device ran out of memory {where}. Try smaller batches with accumulation_steps=2 or more, "
        "precision='bf16', smaller inputs, or a smaller model. "
        f"({' '.join(str(error).split())[:300]})"
    )


_DEAD_WORKER = re.compile(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)(?: is killed by signal: ([\w ]+))?")


def dead_worker(error: BaseException) -> DataError | None:
    """The message for an exception that says a worker process has died; None for any other.

    Torch raises it wherever the main process happens to be: in the model, in the optimizer, between them.
    """
    # What is told last, that it is gone, may have the signal in its cause.
    chain = [each for each in (error.__cause__, error) if isinstance(each, RuntimeError)]
    matches = [match for each in chain if (match := _DEAD_WORKER.search(str(each)))]
    if not isinstance(error, RuntimeError) or not matches:
        return None
    said = next((match for match in matches if match[2]), matches[0])
    how = f"was killed by signal {said[2].strip()}" if said[2] else "ended"
    why = {
        "Killed": "The system kills for want of memory: use fewer num_workers, or a smaller batch_size.",
        "Bus error": "That is how a full /dev/shm ends a process: use num_workers=0, a smaller batch_size, "
        "or give the container more of it (docker run --shm-size=8g).",
    }.get((said[2] or "").strip(), "num_workers=0 reads the data in the main process and shows what happens.")
    return DataError(f"num_workers: the worker process {said[1].strip()} that reads data {how}. {why}")


def out_of_memory(error: Exception) -> bool:
    """Whether an exception says that a device, or the machine, has no memory left."""
    said = str(error).lower()
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(
        words in said for words in ("out of memory", "can't allocate memory", "alloc_failed")
    )


def _inputs(batch: Any) -> Any:
    # What batches are made of stands first: an abstract class takes ten times as long to tell.
    if isinstance(batch, (tuple, list, Sequence)) and not isinstance(batch, (str, bytes)) and batch:
        return batch[0]
    raise BatchError(
        f"data: a batch must be a tuple (inputs, target, ...) or a dict, and is {_described(batch)}."
    )


def _target(batch: Any) -> Any:
    if isinstance(batch, Mapping):
        return batch
    if isinstance(batch, (tuple, list, Sequence)) and len(batch) > 1:
        return batch[1]
    raise BatchError(
        f"data: a batch holds no target for the criterion: it is {_described(batch)}, and (inputs, target) "
        "was expected. A model that returns its own loss needs criterion=None."
    )


def _takes_labels(criterion: Any) -> bool:
    """Whether a criterion is one of torch's that take one class label a sample."""
    functions = (nn.functional.cross_entropy, nn.functional.nll_loss)
    return (
        isinstance(criterion, (nn.CrossEntropyLoss, nn.NLLLoss, nn.MultiMarginLoss))
        or getattr(criterion, "func", criterion) in functions
    )


def _ignored(criterion: Any) -> int:
    given = getattr(criterion, "keywords", {}).get("ignore_index", -100)
    return int(getattr(criterion, "ignore_index", given))


def _check_labels(highest: int, outputs: Any, target: Any, ignored: int) -> None:
    if not _one_score_a_class(outputs, target):
        return
    count = outputs.shape[1]
    seen = target[target != ignored]
    lowest = int(seen.min()) if len(seen) else 0
    highest = max(highest if highest != ignored else -1, int(seen.max()) if len(seen) else -1)
    if highest >= count:
        raise DataError(
            f"data: the labels go up to {highest}, and the model has {count} outputs, for labels 0 to "
            f"{count - 1}. Give the model at least {highest + 1} outputs, or labels that start at 0."
        )
    if lowest < 0:
        raise DataError(
            f"data: there is a label {lowest}; labels must lie in 0 to {count - 1}. If it stands "
            f"for none, give the criterion ignore_index={lowest}."
        )


def _one_score_a_class(outputs: Any, target: Any) -> bool:
    labels = isinstance(target, Tensor) and not target.is_floating_point() and target.ndim == 1
    return labels and isinstance(outputs, Tensor) and outputs.ndim == 2


def _check_log_probabilities(criterion: Any, outputs: Any) -> None:
    takes_them = isinstance(criterion, nn.NLLLoss)
    takes_them = takes_them or getattr(criterion, "func", criterion) is nn.functional.nll_loss
    if takes_them and isinstance(outputs, Tensor) and (highest := float(outputs.detach().max())) > 1e-3:
        raise BatchError(
            f"criterion: nll takes log-probabilities, which are at most 0, and the model gives up to "
            f"{highest:.3g}: the loss would fall without end. Use torch.nn.CrossEntropyLoss, or end the "
            "model with a log-softmax."
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
        "criterion=None: the model must return its loss (a tensor, an object with .loss or a dict "
        f"with 'loss'), and returned {_described(outputs)}."
    )


def _own_right_answers(outputs: Any, batch: Any) -> Tensor:
    """The share of right answers of a model that returns its own loss, and its scores beside it."""
    logits = outputs.get("logits") if isinstance(outputs, Mapping) else getattr(outputs, "logits", None)
    labels = None
    if isinstance(batch, Mapping):
        labels = batch.get("labels", batch.get("label"))
    elif isinstance(batch, Sequence) and len(batch) > 1:
        labels = batch[1]
    if logits is None or labels is None:
        raise BatchError(
            "metric='accuracy' needs scores and labels: of a model that returns its own loss "
            "(criterion=None), .logits beside it, and labels in the batch. It returned "
            f"{_described(outputs)} for {_described(batch)}: use metric='loss'."
        )
    if isinstance(logits, Tensor) and logits.ndim != 2:
        raise BatchError(
            "metric='accuracy' needs one score a class and sample, and the logits that come with the model's "
            f"own loss have {_described(logits)}: use metric='loss'."
        )
    return _share_of_right_answers(logits, labels)


def _share_of_right_answers(outputs: Any, target: Any) -> Tensor:
    labels = isinstance(target, Tensor) and not target.is_floating_point()
    if not (isinstance(outputs, Tensor) and labels and outputs.ndim == target.ndim + 1):
        raise BatchError(
            "metric='accuracy' needs one score a class and integer labels, and met outputs of "
            f"{_described(outputs)} and a target of {_described(target)}: use metric='loss'."
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
