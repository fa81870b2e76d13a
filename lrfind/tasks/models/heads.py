"""What of a model hangs on the data: the widths of its layers, and the head of a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from torch import nn

from lrfind.errors import ModelError

if TYPE_CHECKING:
    from typing_extensions import Self

    from lrfind.tasks.data.dataset import Data

# Where torchvision's classification models keep the layer that gives the logits; within a Sequential it is
# the last layer of its kind (squeezenet's is a 1x1 convolution, followed by a ReLU and a pooling).
_HEAD_ATTRIBUTES = ("fc", "classifier", "head", "heads")


class FixedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalization that always uses, and never changes, its running statistics.

    `model.train()` reaches every module and would put a plain layer back to the statistics of the batch; this
    one stays in eval mode. Its state dict has the same keys as `nn.BatchNorm2d`.
    """

    @classmethod
    def copy_of(cls, layer: nn.BatchNorm2d) -> FixedBatchNorm2d:
        """Makes a fixed layer that shares the parameters and running statistics of `layer`."""
        fixed = cls(layer.num_features, eps=layer.eps, momentum=layer.momentum, affine=False)
        fixed.affine = layer.affine
        fixed.weight, fixed.bias = layer.weight, layer.bias
        fixed.running_mean, fixed.running_var = layer.running_mean, layer.running_var
        fixed.num_batches_tracked = layer.num_batches_tracked
        return fixed.train()

    def train(self, mode: bool = True) -> Self:
        """Stays in eval mode, whatever `mode` asks for."""
        del mode
        return super().train(False)


def find_head(model: nn.Module) -> tuple[str, nn.Linear | nn.Conv2d]:
    """Finds the layer that gives a classifier's logits.

    Returns:
        The layer's dotted name in the model, such as `fc`, `classifier.6` or `heads.head`, and the layer.
    """
    for attribute in _HEAD_ATTRIBUTES:
        child = getattr(model, attribute, None)
        if not isinstance(child, nn.Module):
            continue
        for name, layer in reversed(list(child.named_modules(prefix=attribute))):
            if isinstance(layer, (nn.Linear, nn.Conv2d)):
                return name, layer
    raise ModelError(
        f"model: {type(model).__name__} has no head that lrfind can find (it looks for a Linear or Conv2d in "
        f"{', '.join(_HEAD_ATTRIBUTES)}); build it yourself with model=custom model._target_=mymodel.Net "
        "trust=[mymodel]."
    )


def freeze_backbone(model: nn.Module) -> None:
    """Freezes all of a classifier but its head, in place.

    Parameters outside the head get `requires_grad=False`. Batch norm outside the head is replaced by
    `FixedBatchNorm2d`: a frozen backbone is a fixed function, so that its features do not depend on the rest
    of the batch and its statistics do not drift from the weights that they belong to. (Whoever trains on with
    the suggested rate should do the same.) Dropout and stochastic depth regularize as before.
    """
    _, head = find_head(model)
    freeze_all_but(model, [head])
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, FixedBatchNorm2d.copy_of(child))


def freeze_all_but(model: nn.Module, heads: Sequence[nn.Module]) -> None:
    """Takes `requires_grad` from every parameter outside the heads, in place."""
    model.requires_grad_(False)
    for head in heads:
        head.requires_grad_(True)


def output_width(num_outputs: int | None, data: Data) -> int:
    """The width of the output: what the config says, else what the data says."""
    return stated(data, output_size(num_outputs, data))[0]


def output_size(num_outputs: int | None, data: Data) -> Size:
    """The width of the output, as far as it is known."""
    unknown = (
        "how many classes it has; type model.num_outputs=N (classes, or width of the target), or give the "
        "data set a list named classes."
    )
    return Size("model.num_outputs", num_outputs, data.num_outputs, unknown)


class Size(NamedTuple):
    """A size that a key gives, or else the data; `unknown` ends the message where neither does."""

    key: str
    given: int | None
    of_data: int | None
    unknown: str


def stated(data: Data, *sizes: Size) -> list[int]:
    """The sizes; where some are not known one message names all of them."""
    found = [size.of_data if size.given is None else size.given for size in sizes]
    missing = [size for size, known in zip(sizes, found, strict=True) if known is None]
    if missing:
        said = (f"{size.key} is null, and {data.name} does not say {size.unknown}" for size in missing)
        raise ModelError(" ".join(said))
    return [positive(size.key, known) for size, known in zip(sizes, found, strict=True)]


def sizes_of(key: str, sizes: object) -> list[int]:
    """The sizes that a key gives, each checked."""
    # A string is a sequence, too: model.channels=abc.
    if not isinstance(sizes, Sequence) or isinstance(sizes, str):
        raise ModelError(f"{key} must be a list of sizes, got {sizes!r}; type {key}=[64,64].")
    return [positive(f"{key}[{index}]", size) for index, size in enumerate(sizes)]


def positive(key: str, value: object) -> int:
    """The size that a key gives, checked."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ModelError(f"{key} must be a whole number of at least 1, got {value!r}.")
    return value
