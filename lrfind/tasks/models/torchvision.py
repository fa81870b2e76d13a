"""torchvision's classification models by name, and what they must be told to be built."""

from __future__ import annotations

import difflib
import sys
from contextlib import redirect_stdout
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError

import torch
from torch import nn

from lrfind.errors import ModelError
from lrfind.tasks.models import heads
from lrfind.tasks.models.heads import output_width
from lrfind.tasks.models.library import no_such_model, path_of, require_pictures, warn_of_random_features
from lrfind.tasks.models.weights import DAMAGED, cleaned, load_weights, read_state_dict, reason_of

if TYPE_CHECKING:
    from lrfind.tasks.data.dataset import Data
    from lrfind.tasks.models.weights import StateDict

_LIST_MODELS = 'python -c "import torchvision.models as m; print(*m.list_models(m))"'


def torchvision_model(
    *,
    name: str,
    weights: str | None = None,
    freeze_backbone: bool = False,
    num_outputs: int | None = None,
    data: Data,
) -> nn.Module:
    """Makes any classification model of torchvision, `(batch, 3, H, W)` to logits `(batch, num_outputs)`.

    The head gets the width that the data asks for. Pretrained weights keep their own head only where it has
    that width already. googlenet and inception_v3 come without their auxiliary heads, so that they return
    plain logits in training, too. Vision transformers and maxvit, which are made for one size of pictures,
    are made for the data's, except with torchvision's own weights.

    Args:
        name: A name that `torchvision.models.list_models` knows, of a classifier.
        weights: None for random weights, the name of torchvision's (`DEFAULT`, `IMAGENET1K_V2`), or the path
            of a state dict.
        freeze_backbone: Train the head alone; see `lrfind.tasks.models.heads.freeze_backbone` for batch norm.
        num_outputs: Width of the output; None takes it from the data.
        data: What the model will meet.

    Raises:
        ModelError: The name, the weights or the data cannot be used, or there is no network to download from.
    """
    from torchvision.models import get_model

    name = _registered_name(name)
    _require_three_channels(name, data)
    width = output_width(num_outputs, data)
    source = find_weights(name, weights)
    # What can be refused is refused before anything large is read or downloaded.
    arguments = {"num_classes": width, **_arguments_of_family(name, source, data)}
    if source is None:
        state = None
    else:
        state = read_state_dict(source) if isinstance(source, Path) else _downloaded(source)
    try:
        model = get_model(name, weights=None, **arguments)
    except (AssertionError, ValueError) as error:
        raise ModelError(
            f"model.name={name} cannot be built for the pictures of {data.name}, {_picture_size(data)}: "
            f"{str(error).splitlines()[0].rstrip('. ')}; give it the size that it was made for, such as "
            "data.image_size=224."
        ) from error
    assert isinstance(model, nn.Module)
    if state is not None:
        head, _ = heads.find_head(model)
        load_weights(model, state, heads=(head,), what=f"model.weights={weights} for model.name={name}")
    if freeze_backbone:
        if state is None:
            warn_of_random_features("torchvision")
        heads.freeze_backbone(model)
    return model


def find_weights(name: str, weights: str | None) -> Any:
    """What `model.weights` means, not loaded yet: None, a member of torchvision's enum, or a `Path`."""
    from torchvision.models import get_model_weights

    if weights is None:
        return None
    path = path_of(weights, "torchvision")
    members = get_model_weights(name).__members__
    # torchvision's own spelling has the enum's name in front: ResNet50_Weights.IMAGENET1K_V2.
    short = weights.rpartition("_Weights.")[2]
    if short in members:
        return members[short]
    if path is not None:
        return path
    near = difflib.get_close_matches(weights.upper(), members, n=1, cutoff=0.6)
    raise ModelError(
        f"model.weights={weights} is no file, and model.name={name} has no weights of that name; type one of "
        f"{', '.join(members)}, a path to a state dict, or null"
        + (f" (nearest: model.weights={near[0]})." if near else ".")
    )


def _downloaded(weights: Any) -> StateDict:
    """Pretrained weights, a member of an enum of torchvision's, from the net or the cache of torch.hub."""
    cached = Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rpartition("/")[2]
    instead = "or give a state dict that is on disk: model.weights=PATH"
    try:
        # torch.hub announces a download on stdout, which belongs to the results.
        with redirect_stdout(sys.stderr):
            state = weights.get_state_dict(
                progress=sys.stderr.isatty(), check_hash=True, map_location="cpu", weights_only=True
            )
    except (URLError, TimeoutError, ConnectionError, HTTPException) as error:
        raise ModelError(
            f"model.weights={weights.name} must be downloaded, and {weights.url} cannot be reached "
            f"({reason_of(error)}); check the network, {instead}."
        ) from error
    except OSError as error:
        raise ModelError(
            f"model.weights={weights.name} cannot be kept in {cached.parent} ({reason_of(error)}); "
            f"set TORCH_HOME to a folder that can be written, {instead}."
        ) from error
    except DAMAGED as error:
        raise ModelError(
            f"model.weights={weights.name}: the downloaded file is damaged ({reason_of(error)}); "
            f"delete {cached} and run again, {instead}."
        ) from error
    return cleaned(state, f"model.weights={weights.name}")


def _registered_name(name: str) -> str:
    """The name of a classification model, not one for another purpose, as torchvision spells it."""
    from torchvision import models

    known = models.list_models(models)
    lowered = str(name).lower()
    if lowered in known:
        return lowered
    if lowered not in models.list_models():
        raise no_such_model(name, known, library="torchvision", listing=_LIST_MODELS)
    # torchvision.models.detection.faster_rcnn: the third part says what it is for.
    kind = models.get_model_builder(lowered).__module__.split(".")[2].replace("_", " ")
    kind = {"quantization": "quantized"}.get(kind, kind)
    raise ModelError(
        f"model.name={name} is one of torchvision's {kind} models, and only classification models can be "
        f"named here; type model.name=resnet50, or another that this prints: {_LIST_MODELS}"
    )


def _arguments_of_family(name: str, source: Any, data: Data) -> dict[str, Any]:
    """What a few families must be told when they are built; `source` is what `find_weights` returned."""
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
                f"those of {data.name} are {_picture_size(data)}; type data.image_size={height}."
            )
        size = made_for
    if size is None:
        return {}
    if name.startswith("maxvit_"):
        return {"input_size": size}
    if size[0] != size[1]:
        raise ModelError(
            f"model.name={name} takes square pictures, and those of {data.name} are {_picture_size(data)}; "
            "type data.image_size=224."
        )
    return {"image_size": size[0]}


def _require_three_channels(name: str, data: Data) -> None:
    """Refuses data that torchvision's models, all made for RGB, cannot take."""
    require_pictures(f"model.name={name}", data, channels="3")
    shape = data.input_shape
    if shape is not None and shape[0] != 3:
        raise ModelError(
            f"model.name={name} takes pictures with 3 channels, and those of {data.name} have {shape[0]}; "
            "type data.channels=3."
        )


def _picture_size(data: Data) -> str:
    """Words a picture's height and width for a message."""
    return "unknown" if data.input_shape is None else "x".join(str(side) for side in data.input_shape[1:])
