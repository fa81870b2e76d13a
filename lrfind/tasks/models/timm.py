"""timm's models by name, what pictures they were made for, and where their weights come from."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrfind.errors import ModelError, extra_missing
from lrfind.tasks.data.dataset import Normalisation
from lrfind.tasks.models.heads import freeze_all_but, output_width, positive
from lrfind.tasks.models.library import no_such_model, path_of, require_pictures, warn_of_random_features
from lrfind.tasks.models.weights import load_weights, read_state_dict

if TYPE_CHECKING:
    from torch import nn

    from lrfind.tasks.data.dataset import Data

TARGET = "lrfind.tasks.models.timm_model"
"""What a config of `model=timm` names."""

_LIST_MODELS = 'python -c "import timm; print(*timm.list_models())"'
_LOADED_BY_US = ("pretrained", "checkpoint_path", "cache_dir")
"""How arguments begin by which timm would load files of a config's choice."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DataConfig:
    """The pictures that a model of timm was made for, in its own words its data config.

    Attributes:
        mean: Of the pixels between 0 and 1, a channel each.
        is_fixed: Whether the model takes no other size, unless it is built for that.
        heads: Dotted names of the layers that give the logits.
    """

    channels: int
    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    is_fixed: bool
    heads: tuple[str, ...]

    def normalisation(self, scale: float, channels: int) -> Normalisation:
        """The same for pictures of so many channels; of another number than the model's, the average."""
        if channels == len(self.mean):
            return Normalisation(scale, self.mean, self.std)
        mean, std = (sum(values) / len(values) for values in (self.mean, self.std))
        return Normalisation(scale, (mean,) * channels, (std,) * channels)


def data_config(name: str) -> DataConfig:
    """The data config of a model.

    Args:
        name: As timm registers it, with the tag of its weights or without: `resnet18`, `resnet18.a1_in1k`.

    Raises:
        ModelError: There is no such model, or no timm.
    """
    config = _registered(name)
    heads = config.classifier or ()
    return DataConfig(
        channels=config.input_size[0],
        size=(config.input_size[1], config.input_size[2]),
        mean=tuple(config.mean),
        std=tuple(config.std),
        is_fixed=bool(config.fixed_input_size),
        heads=(heads,) if isinstance(heads, str) else tuple(heads),
    )


def timm_model(
    *,
    name: str,
    weights: str | None = None,
    freeze_backbone: bool = False,
    num_outputs: int | None = None,
    in_channels: int | None = None,
    data: Data,
    **arguments: Any,
) -> nn.Module:
    """Makes any model of timm, `(batch, C, H, W)` to logits `(batch, num_outputs)`.

    Head and first layer get the widths of the data. Models that are made for one size of pictures are made
    for the data's; pretrained weights are resampled where timm can do it.

    Args:
        name: A name that `timm.list_models` knows, with the tag of its weights or without.
        weights: None for random weights, `DEFAULT` or a tag of timm's (`a1_in1k`), or the path of a state
            dict.
        freeze_backbone: Train the head alone, batch norm below it as it is.
        num_outputs: Width of the output; None takes it from the data.
        in_channels: Channels of a picture; None takes them from the data, or those the model was made for.
        data: What the model will meet.
        arguments: More of what the model's class in timm takes, such as `drop_path_rate`.

    Raises:
        ModelError: The name, the weights or the data cannot be used, or there is no network to download from.
    """
    shape = data.input_shape
    config = data_config(name)
    require_pictures(f"model.name={name}", data)
    if in_channels is None:
        in_channels = config.channels if shape is None else shape[0]
    num_outputs = output_width(num_outputs, data)
    in_channels = positive("model.in_channels", in_channels)
    loading = sorted(key for key in arguments if key.startswith(_LOADED_BY_US))
    if loading:
        raise ModelError(
            f"model.{loading[0]} is no key here: what is loaded is said by model.weights, which is null, "
            "DEFAULT, the tag of timm's weights or the path of a state dict."
        )
    name = str(name).lower()
    source = _source(name, weights)
    if isinstance(source, str):
        name = source
        config = data_config(name)
    if config.is_fixed and shape is not None and shape[1:] != config.size:
        arguments = {"img_size": shape[1:], **arguments}
    # What can be refused is refused before anything large is read or downloaded.
    state = read_state_dict(source) if isinstance(source, Path) else None
    model = _created(
        name,
        data,
        pretrained=isinstance(source, str),
        num_classes=num_outputs,
        in_chans=in_channels,
        **arguments,
    )
    if getattr(getattr(model, "patch_embed", None), "num_patches", None) == 0:
        raise ModelError(
            f"model.name={name} cuts pictures into patches larger than those of {data.name}; give it the "
            f"size that it was made for: data.image_size={config.size[0]}."
        )
    if state is not None:
        load_weights(model, state, heads=config.heads, what=f"model.weights={weights} for model.name={name}")
    if source is not None and data.normalisation is None:
        _logger.info(
            "model.weights=%s of model.name=%s were trained on pixels of mean %s and standard deviation %s; "
            "%s is taken as it comes, and should bring its pictures so",
            *(weights, name, _numbers(config.mean), _numbers(config.std), data.name),
        )
    if freeze_backbone:
        if source is None:
            warn_of_random_features("timm")
        from timm.layers import freeze_batch_norm_2d

        freeze_all_but(model, [model.get_submodule(head) for head in config.heads])
        freeze_batch_norm_2d(model)  # timm's own layers join it with the activation, so timm replaces them
    return model


def _registered(name: str) -> Any:
    """The config of a model as timm has it."""
    try:
        import timm
    except ImportError as error:
        raise ModelError(extra_missing("model=timm", "timm", error)) from error
    lowered = str(name).lower()
    base, _, tag = lowered.partition(".")
    known = timm.list_models()
    if base not in known:
        raise no_such_model(name, known, library="timm", listing=_LIST_MODELS)
    if tag:
        _require_tag("model.name", name, base, tag)
    config = timm.models.get_pretrained_cfg(lowered)
    if config is None:
        raise ModelError(
            f"model.name={name}: timm does not say what pictures it was made for; build it yourself with "
            "model=custom model._target_=mymodel.Net trust=[mymodel]."
        )
    return config


def _require_tag(key: str, value: str, base: str, tag: str) -> None:
    import timm

    tags = [each.partition(".")[2] for each in timm.list_pretrained(f"{base}.*")]
    if tag not in tags:
        have = ", ".join(tags) or "none"
        raise ModelError(f"{key}={value}: timm has no weights {tag} of {base}; it has {have}.")


def _source(name: str, weights: str | None) -> str | Path | None:
    """Where weights come from: timm (the whole name, with a tag where one is asked for), a file, nowhere."""
    import timm

    if weights is None:
        return None
    if (path := path_of(weights, "timm")) is not None:
        return path
    base = name.partition(".")[0]
    if weights.upper() != "DEFAULT":
        _require_tag("model.weights", weights, base, weights.lower())
        return f"{base}.{weights.lower()}"
    if not timm.list_pretrained(f"{base}.*"):
        raise ModelError(
            f"model.weights=DEFAULT: timm has no pretrained weights of {name}; type model.weights=null, or "
            "the path of a state dict."
        )
    return name


def _created(name: str, data: Data, *, pretrained: bool, **arguments: Any) -> nn.Module:
    """What timm makes."""
    import timm

    try:
        model: nn.Module = timm.create_model(name, pretrained=pretrained, **arguments)
    except TypeError as error:
        asked = ", ".join(f"{key}={value}" for key, value in arguments.items())
        size = "x".join(map(str, data_config(name).size))
        raise ModelError(
            f"model.name={name} cannot be made with {asked}: {error}. It was made for pictures of {size}; "
            "arguments of your own are +model.NAME=VALUE, as the model's class in timm takes them."
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split())
        if not pretrained:
            raise ModelError(f"model.name={name} cannot be made: {type(error).__name__}: {reason}") from error
        raise ModelError(
            f"model.weights of model.name={name} cannot be downloaded or do not fit "
            f"({type(error).__name__}: {reason.rstrip('.')}); check the network, or give a state dict that "
            "is on disk: model.weights=PATH."
        ) from error
    return model


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)
