"""What torchvision's classification models are called, and what they must be told to be built."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrfind.errors import ModelError

if TYPE_CHECKING:
    from lrfind.tasks.data.dataset import Data

_LIST_MODELS = 'python -c "import torchvision.models as m; print(*m.list_models(m))"'


def registered_name(name: str) -> str:
    """Checks that torchvision has a classification model of this name, and spells it as torchvision does.

    Raises:
        ModelError: There is no such model, or it is one for another purpose (detection, video, ...).
    """
    from torchvision import models

    known = models.list_models(models)
    lowered = str(name).lower()
    if lowered in known:
        return lowered
    if lowered not in models.list_models():
        near = difflib.get_close_matches(lowered, known, n=3, cutoff=0.5)
        nearest = f" (nearest: {', '.join(f'model.name={one}' for one in near)})" if near else ""
        raise ModelError(
            f"model.name={name} is no model of torchvision{nearest}; type one that this prints: "
            f"{_LIST_MODELS}"
        )
    # torchvision.models.detection.faster_rcnn: the third part says what it is for.
    kind = models.get_model_builder(lowered).__module__.split(".")[2].replace("_", " ")
    kind = {"quantization": "quantized"}.get(kind, kind)
    raise ModelError(
        f"model.name={name} is one of torchvision's {kind} models, and only classification models can be "
        f"named here; type model.name=resnet50, or another that this prints: {_LIST_MODELS}"
    )


def arguments_of_family(name: str, source: Any, data: Data) -> dict[str, Any]:
    """Finds what a few families must be told when they are built.

    Args:
        name: The model, as torchvision registers it.
        source: Where its weights come from, as `checkpoints.find_weights` returns it.
        data: What the model will meet.

    Raises:
        ModelError: A model that is made for one size of pictures meets another.
    """
    if name in ("googlenet", "inception_v3"):
        # torchvision changes the input's normalization where its weights are used; a checkpoint on disk comes
        # from fine-tuning those as a rule.
        pretrained = source is not None
        return {"aux_logits": False, "transform_input": pretrained, "init_weights": not pretrained}
    if not name.startswith(("vit_", "maxvit_")):
        return {}
    size = None if data.input_shape is None else data.input_shape[1:]
    if source is not None and not isinstance(source, Path):
        made_for = tuple(source.meta["min_size"])
        if size not in (None, made_for):
            height, width = made_for
            raise ModelError(
                f"model.weights={source.name} of model.name={name} takes pictures of {height}x{width}, and "
                f"those of {data.name} are {picture_size(data)}; type data.image_size={height}."
            )
        size = made_for
    if size is None:
        return {}
    if name.startswith("maxvit_"):
        return {"input_size": size}
    if size[0] != size[1]:
        raise ModelError(
            f"model.name={name} takes square pictures, and those of {data.name} are {picture_size(data)}; "
            "type data.image_size=224."
        )
    return {"image_size": size[0]}


def require_three_channels(name: str, data: Data) -> None:
    """Refuses data that torchvision's models, all made for RGB, cannot take.

    Raises:
        ModelError: An input of the data is no picture, or has another number of channels.
    """
    shape = data.input_shape
    if shape is None:
        return
    if len(shape) != 3:
        raise ModelError(
            f"model.name={name} takes pictures of shape (3, height, width), and an input of {data.name} has "
            f"the shape {shape}; type model=mlp."
        )
    if shape[0] != 3:
        raise ModelError(
            f"model.name={name} takes pictures with 3 channels, and those of {data.name} have {shape[0]}; "
            "type data.channels=3."
        )


def picture_size(data: Data) -> str:
    """Words a picture's height and width for a message."""
    return "unknown" if data.input_shape is None else "x".join(str(side) for side in data.input_shape[1:])
