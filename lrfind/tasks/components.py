"""The parts of a task from a config: data, model, optimizer and loss, each checked to be one."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.optim import Optimizer

from lrfind.config.schema import FROM_MODEL
from lrfind.errors import ConfigError, DataError, ModelError, OptimizerError, UserError
from lrfind.execution.environment import variables_set
from lrfind.own_code import own_frames, place_text, raised_text
from lrfind.report.formatting import momentum_text
from lrfind.tasks.data.collate import COLLATE, collate_of, require_tensors
from lrfind.tasks.data.dataset import OF_THE_MODEL, Data, wrap
from lrfind.tasks.data.own_loader import batch_size_of, in_batches_of
from lrfind.tasks.data.sources import Source, source_of
from lrfind.tasks.frameworks import adapted_model, data_of_framework
from lrfind.tasks.instantiate import call, callable_of, instantiate, parameters_of, raised_as
from lrfind.tasks.models import timm
from lrfind.tasks.optimizer_arguments import check_arguments
from lrfind.training.step_errors import out_of_memory

if TYPE_CHECKING:
    from lrfind.config.schema import TaskConfig
    from lrfind.tasks.data.dataset import Normalisation

TIMEOUT = "timeout"
"""Key of the data group that is ours, unless a class of the user's takes an argument of that name."""

_TENSORS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
"""Variable that torch.load obeys whatever it is called with: some data sets of torchvision unpickle files."""

_FOLDERS = ("lrfind.tasks.data.imagefolder", "lrfind.tasks.data.dogbreed")
"""Data whose pictures come in any size, so that they can be given the one that a model was made for."""

OWN = "lrfind."
"""Names that begin so are ours: our model factories are told of the data."""


def data_of(config: TaskConfig) -> Data:
    """The data of a config, wrapped where it is a stranger's, and as a model of timm wants it."""
    node = dict(config.data)
    made_for = None
    if config.model["_target_"] == timm.TARGET:
        made_for = timm.data_config(config.model.get("name", ""))
        if node["_target_"] in _FOLDERS and node.get("image_size") is None:
            node["image_size"] = made_for.size[0]
    ours = {}
    if keys := {TIMEOUT, COLLATE} & node.keys():
        function = callable_of("data", {"_target_": node["_target_"]}, config.trust).func
        ours = {key: node.pop(key) for key in keys if key not in parameters_of(function)}
    collate = collate_of(ours.get(COLLATE), config.trust)
    timeout = _seconds(ours.get(TIMEOUT))
    obj = data_of_framework(dataclasses.replace(config, data=node))
    name = OF_THE_MODEL if node["_target_"] == FROM_MODEL else node_name(node)
    if obj is None:
        make = callable_of("data", node, config.trust)
        of_torchvision = node["_target_"].startswith("torchvision.")
        with variables_set({_TENSORS_ONLY: "1"} if of_torchvision else {}):
            obj = call("data", node, make, error=DataError)
        name = type(obj).__name__
    if collate is None:
        require_tensors(obj)
    with raised_as(DataError, f"data: {node['_target_']} raised"):
        data = obj if isinstance(obj, Data) else wrap(obj, name)
    if collate is not None and source_of(data.dataset) not in (Source.MAP, Source.STREAM):
        raise ConfigError(
            f"data.{COLLATE} puts samples together to batches, and {node['_target_']} gives "
            f"{source_of(data.dataset).value}: leave it out."
        )
    data = dataclasses.replace(
        data, timeout=timeout, normalisation=_normalisation(data, made_for), collate=collate
    )
    return data if config.batch_size is None else in_batches_of(config.batch_size, data)


def _normalisation(data: Data, made_for: timm.DataConfig | None) -> Normalisation | None:
    """That of the data, with the mean and standard deviation that a model was made for."""
    if made_for is None or data.normalisation is None or data.input_shape is None:
        return data.normalisation
    return made_for.normalisation(data.normalisation.scale, data.input_shape[0])


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (number and 0 < value < math.inf):
        raise ConfigError(
            f"data.timeout must be a finite number of seconds greater than 0, or null, got {value!r}."
        )
    return float(value)


def model_of(config: TaskConfig, data: Data, device: torch.device) -> nn.Module:
    """The model of a config on its device."""
    about_data = {"data": data} if config.model["_target_"].startswith(OWN) else {}
    model = adapted_model(config, data.dataset)
    if model is None:
        model = instantiate("model", config.model, config.trust, error=ModelError, **about_data)
    if not isinstance(model, nn.Module):
        raise ModelError(
            f"model: {config.model['_target_']} must make a torch.nn.Module, and made a "
            f"{type(model).__name__}: name a class, or a function that returns a module."
        )
    if any(nn.parameter.is_lazy(parameter) for parameter in model.parameters()):
        raise ModelError(
            f"model: {node_name(config.model)} has parameters whose shape is not known yet (a lazy module, "
            "such as LazyLinear): give the sizes, or let what makes the model call it once on a batch."
        )
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ModelError(
            f"model: {node_name(config.model)} has no trainable parameters, so no learning rate can matter: "
            "is everything frozen (requires_grad=False), or is it a module without weights?"
        )
    try:
        model.to(device)
        if config.channels_last:
            model.to(memory_format=torch.channels_last)
    except Exception as error:
        if out_of_memory(error):
            raise
        frames = own_frames(error)
        raise ModelError(
            f"model: {node_name(config.model)} cannot be moved to device={device}: "
            f"{raised_text(error).rstrip('.')}{place_text(frames)}.",
            frames=frames,
        ) from error
    return model


def optimizer_of(config: TaskConfig, model: nn.Module) -> Optimizer:
    """The optimizer over the model's own groups where it names some, else over all that trains.

    A model may have a method `parameter_groups()`, which returns groups as torch's optimizers take them; a
    function whose first argument is called `model` is given the model instead of parameters.
    """
    make = callable_of("optimizer", config.optimizer, config.trust)
    taken = parameters_of(make.func)
    check_arguments(config.optimizer, taken)
    groups: Any = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not isinstance(make.func, type) and next(iter(taken), None) == "model":
        groups = model
    elif callable(getattr(model, "parameter_groups", None)):
        with raised_as(ModelError, f"model: {node_name(config.model)}.parameter_groups() raised"):
            groups = model.parameter_groups()  # type: ignore[operator]
    optimizer = call("optimizer", config.optimizer, make, groups, error=OptimizerError)
    if not isinstance(optimizer, Optimizer):
        raise OptimizerError(
            f"optimizer: {config.optimizer['_target_']} must make a torch.optim.Optimizer, and made a "
            f"{type(optimizer).__name__}: name a class, or a function that returns one."
        )
    return optimizer


def criterion_of(config: TaskConfig) -> Any:
    """The loss of a config; None where the model returns its own."""
    node = config.criterion
    if node.get("from_model"):
        return None
    if node.get("_partial_"):
        return callable_of("criterion", node, config.trust)
    try:
        criterion = instantiate("criterion", node, config.trust)
    except UserError as error:
        raise ConfigError(
            f"{error} If {node['_target_']} is the loss itself rather than a class that makes one, add "
            "+criterion._partial_=true.",
            frames=error.frames,
        ) from error.__cause__
    if not callable(criterion):
        raise ConfigError(
            f"criterion: {node['_target_']} must make something to call as criterion(outputs, target), and "
            f"made a {type(criterion).__name__}. A bare function is named with +criterion._partial_=true."
        )
    return criterion


def title_of(config: TaskConfig, data: Data) -> str:
    """What is trained on what and how."""
    parts = [f"{node_name(config.model)} on {data.name}", node_name(config.optimizer)]
    parts[-1] += momentum_text(config.optimizer)
    # A loader has made its batches already, and an iterable of batches does not say how large they are.
    size = config.samples_a_batch
    if source_of(data.dataset) in (Source.LOADER, Source.BATCHES):
        size = batch_size_of(data) or 0
    times = f" x {config.accumulation_steps}" if config.accumulation_steps > 1 else ""
    if size and config.ranks > 1:
        parts.append(f"batch size {size * config.ranks} ({config.ranks} ranks x {size}){times}")
    elif size:
        parts.append(f"batch size {size}{times}")
    return ", ".join(parts)


def node_name(node: dict[str, Any]) -> str:
    """The name of a part: its `name`, or the last word of its `_target_`."""
    if str(node.get("_target_", "")).endswith(".from_model"):
        return "its own optimizer"
    named = node.get("name")
    return str(named) if named else str(node["_target_"]).rsplit(".", 1)[-1]
