"""What to do about what torch says of a batch that a model or a loss cannot take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lrfind.training.batch import described, num_samples, tensors_in

_IMAGE_CHANNELS = (1, 3, 4)

_OTHER_NUMBERS = re.compile(r"dtype|scalar type|Input type|desired output type|not implemented for '")
"""What torch says of numbers of a kind that a layer does not compute with."""


def of_model(error: Exception, batch: Any) -> str:
    """What to do where a model, or a `forward`, does not take what it is given of a batch."""
    said = str(error)
    tensors = tensors_in(batch)
    if "same device" in said:
        return (
            "A tensor that the model has not registered (register_buffer) stays on the device it was made on."
        )
    if "more than 1 value per channel" in said and num_samples(batch) == 1:
        return (
            "Batch norm needs two samples or more in a batch: a larger batch_size, and drop_last=True where "
            "the last batch has one sample."
        )
    if tensors and _OTHER_NUMBERS.search(said) and (remedy := _of_numbers(said, batch)):
        return remedy
    if isinstance(error, TypeError) and not tensors and "must be Tensor" in said:
        return "A batch must hold tensors, as a DataLoader or torch.as_tensor makes them."
    if isinstance(error, TypeError) and isinstance(batch, Mapping) and "must be Tensor" in said:
        if said.endswith("not dict"):
            return (
                "A dict goes whole to the model: criterion=None, for a model that returns its loss, calls "
                "model(**batch); any other wants a forward."
            )
        if any(isinstance(value, (list, tuple)) for value in batch.values()):
            return (
                "A column of lists has come as a list of tensors: end a data set of Hugging Face in "
                ".with_format('torch'), or give its DataLoader a collate_fn."
            )
    if isinstance(error, TypeError) and "forward() missing" in said and isinstance(batch, (tuple, list)):
        if batch and isinstance(batch[0], (tuple, list)):
            return (
                "The model is called with its inputs as one argument: take them apart in the model, or in "
                "Python give forward=lambda model, batch: model(*batch[0])."
            )
        if len(batch) > 2:
            return (
                "The model is called with the first item of a batch: put its inputs together there, as "
                "((a, b), target), or in Python give criterion=None and a forward=lambda model, batch: ... "
                "that returns the loss."
            )
    if found := re.search(r"cannot be multiplied \(\d+x(\d+) and (\d+)x\d+\)", said):
        return (
            f"A layer takes {found[2]} numbers, and is given {found[1]}: the first one must take as many as "
            "a sample has."
        )
    if "must be Tensor" in said and isinstance(batch, (tuple, list)) and _is_text(batch[0]):
        return "The inputs are texts: let the data set turn them into tensors of numbers."
    if (found := re.search(r"to have (\d+) channels, but got (\d+)", said)) and tensors:
        shape = tensors[0].shape
        if len(shape) == 4 and shape[1] not in _IMAGE_CHANNELS and shape[-1] in _IMAGE_CHANNELS:
            return "The pictures seem to have their channels last: give them as inputs.permute(0, 3, 1, 2)."
        return f"The model takes pictures of {found[1]} channels, and these have {found[2]}."
    return "Does the model suit the data?"


def _of_numbers(said: str, batch: Any) -> str:
    """What to do where a model does not take numbers of a dtype; empty where the inputs are not at fault."""
    dtype = tensors_in(batch)[0].dtype
    name = str(dtype).removeprefix("torch.")
    if "'indices'" in said:
        return (
            f"The inputs are {name}, and an embedding takes whole numbers: have the data give inputs.long()."
        )
    if dtype == torch.float32 or (dtype == torch.int64 and "long" not in said.lower()):
        return ""
    scale = " / 255" if dtype == torch.uint8 else ""
    remedy = (
        f"The inputs are {name}, and the model's parameters are not: have the data give inputs.float(){scale}"
    )
    if isinstance(batch, Mapping):
        return f"{remedy}."
    return f"{remedy}, or in Python give forward=lambda model, batch: model(batch[0].float(){scale})."


def _is_text(inputs: Any) -> bool:
    return isinstance(inputs, (tuple, list)) and bool(inputs) and isinstance(inputs[0], str)


def of_criterion(error: Exception, outputs: Any, target: Any, batch: Any) -> str:
    """What to do where a loss does not take outputs and target.

    Args:
        error: What it raised.
        outputs: Of the model.
        target: The second part of the batch.
        batch: All of it.
    """
    said = str(error)
    if not isinstance(outputs, Tensor) and "must be Tensor" in said:
        return (
            f"The model returns a {type(outputs).__name__}, and the criterion is given all of it: give it a "
            "criterion of your own that takes it apart, or in Python a forward=lambda model, batch: ... that "
            "returns the part it is to have."
        )
    more = isinstance(batch, (tuple, list)) and len(batch) > 2
    if isinstance(error, TypeError) and more and "required positional argument" in said:
        return (
            "The criterion is called with the outputs and the second item of a batch. One that takes more "
            "goes into the model, which then returns its loss, or in Python: criterion=None, "
            "forward=lambda model, batch: criterion(model(batch[0]), *batch[1:])."
        )
    if isinstance(target, (int, float)):
        return "These seem to be single samples: give a DataLoader(samples, batch_size=64, shuffle=True)."
    if not isinstance(target, Tensor) or not isinstance(outputs, Tensor):
        return "Does the criterion suit the data?"
    if "multi-target" in said and target.ndim == 2 and target.shape[1] == 1:
        return "Class labels stand in one row: give it target.squeeze(1)."
    if re.search(r"target dtype to be Long|scalar type Long", said) and target.dtype != torch.int64:
        return "Class labels are whole numbers: give it target.long()."
    if "class probabilities" in said and not target.is_floating_point():
        return "Shares of classes are floats: give it target.float(), or the labels, target.argmax(1)."
    if "desired output type" in said or "two bool tensors" in said:
        return "Numbers to compare with are floats: give it target.float()."
    if "between 0 and 1" in said:
        return "The outputs of a model without a sigmoid want torch.nn.BCEWithLogitsLoss."
    return "Does the criterion suit the data, and has the model as many outputs as there are classes?"


def of_backward(error: Exception) -> str:
    """What to do where a loss has no gradient."""
    if "does not require grad" not in str(error):
        return "Does the model suit the data?"
    if not torch.is_grad_enabled():
        return (
            "Gradients are switched off here, by torch.no_grad(), torch.inference_mode() or "
            "torch.set_grad_enabled(False): call it outside of that."
        )
    return "Is the loss computed from the model's parameters, and in torch throughout?"


def of_shapes(error: Exception, outputs: Any, target: Any) -> str | None:
    """The message for a loss to which the shapes of outputs and target do not fit; None for any other."""
    if not re.search(r"target size", str(error), re.IGNORECASE):
        return None
    if not (isinstance(outputs, Tensor) and isinstance(target, Tensor)):
        return None
    seen = f"outputs of {described(outputs)}"
    aim = f"a target of {described(target)}"
    if "Expected target size" in str(error):
        said = f"criterion: cannot take {seen} with {aim}: the classes are the second axis of the outputs"
        if outputs.ndim > 2 and outputs.shape[:-1] == target.shape:
            return f"{said}, and here seem to be the last. Give it outputs.movedim(-1, 1)."
        return f"{said}, and the others must be those of the target."
    said = f"criterion: compares number by number {seen} with {aim}, and their shapes are not the same."
    if outputs.numel() == target.numel():
        shape = ", ".join(map(str, (-1, *outputs.shape[1:])))
        numbers = "" if target.is_floating_point() else ".float()"
        return f"{said} They hold as many numbers: give it target.reshape({shape}){numbers}."
    if not target.is_floating_point() and outputs.ndim == target.ndim + 1:
        return f"{said} Its numbers are class labels. Use torch.nn.CrossEntropyLoss for them."
    return f"{said} Give the model as many outputs a sample as the target has numbers."
