"""A task from a config: the model on its device, the data behind a loader, the optimizer and the loss."""

from __future__ import annotations

import inspect
import itertools
import logging
import os
import random
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lrfind.core.objective import Objective, out_of_memory
from lrfind.errors import ConfigError, DataError, ModelError, OptimizerError, UserError
from lrfind.tasks import devices, precision
from lrfind.tasks.data import Data, wrap
from lrfind.tasks.instantiate import callable_of, called, made
from lrfind.tasks.loaders import Loaders, make_batches
from lrfind.tasks.reading import fixed_batches
from lrfind.tasks.sources import Source, source_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lrfind.config.schema import TaskConfig

OWN = "lrfind."
"""Names that begin so are ours: our model factories are told of the data."""


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """All that a sweep trains.

    Attributes:
        objective: The loss on a batch; it holds the model.
        optimizer: Over the trainable parameters.
        batches: Endless, on the device.
        validation: Fixed batches set apart from training, or None.
        device: Where everything is.
        scaler: The gradient scaler of fp16, or None.
        title: What is trained on what and how, for a picture's title.
        notes: Sentences that the user should know of, such as a head that a checkpoint had no weights for.
        loaders: What the batches come from; close it when done.
        data: What the batches are made of.
        config: What it was built from.
        validation_samples: Size of the subset that training never sees.
    """

    objective: Objective
    optimizer: Optimizer
    batches: Iterator[Any]
    validation: list[Any] | None
    device: torch.device
    scaler: Any
    title: str
    notes: list[str]
    loaders: Loaders
    data: Data
    config: TaskConfig
    validation_samples: int = 0

    @property
    def model(self) -> nn.Module:
        """The model, compiled where the config says so."""
        return self.objective.model

    def afresh(self) -> Iterator[Any]:
        """The batches from the first one on, in the same order, from loaders of their own."""
        loaders = _loaders(self.config, self.data, self.device, validation_samples=self.validation_samples)
        try:
            yield from _as_configured(loaders.batches, self.config)
        finally:
            loaders.close()

    def fixed_batches(self, samples: int | None) -> Iterable[Any]:
        """The same samples again and again, on the device; see `lrfind.tasks.reading.fixed_batches`."""
        found = fixed_batches(
            self.data,
            samples,
            batch_size=self.config.batch_size,
            seed=self.config.seed,
            device=self.device,
        )
        if not self.config.channels_last:
            return found
        return [_channels_last(batch) for batch in found] if isinstance(found, list) else _Mapped(found)


def data_of(config: TaskConfig) -> Data:
    """The data of a config, for the `data` of several tasks."""
    _seed(config)
    return _data(config)


def build(
    config: TaskConfig,
    *,
    accuracy: bool = False,
    validation_samples: int = 0,
    single_batch: bool = False,
    data: Data | None = None,
    skip: int = 0,
) -> Task:
    """Builds the task of a config.

    Args:
        config: Validated.
        accuracy: Also measure the share of right answers.
        validation_samples: Size of a fixed subset to set apart; 0: none.
        single_batch: Give the first batch at every step.
        data: The data, where another task has read it already.
        skip: Batches to leave out at the start, as a run that goes on has drawn them already.

    Raises:
        UserError: Something in it cannot be used as given.
    """
    if config.deterministic:
        # cuBLAS reads it when it starts, and refuses determinism without it.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    device = devices.resolve(config.device)
    if device.type == "cuda":
        torch.cuda.set_device(device)  # pinned memory and kernels' workspaces go to the current device
    autocast = precision.autocast(config.precision, device)
    _seed(config)
    with _notes() as notes:
        data = _data(config) if data is None else data
        model = _model(config, data, device)
        optimizer = _optimizer(config, model)
        criterion = _criterion(config)
        if isinstance(criterion, nn.Module):
            criterion.to(device)
        objective = Objective(
            torch.compile(model) if config.compile else model,  # type: ignore[arg-type]
            criterion,
            accuracy=accuracy,
            autocast=autocast,
            highest_label=None if data.labels is None else int(data.labels.max()),
        )
    loaders = _loaders(config, data, device, validation_samples=validation_samples, skip=skip)
    batches = _as_configured(loaders.batches, config)
    validation = loaders.validation
    if config.channels_last:
        validation = None if validation is None else [_channels_last(batch) for batch in validation]
    if single_batch:
        with _closed_on_failure(loaders):
            batches = itertools.repeat(next(batches))
    return Task(
        objective=objective,
        optimizer=optimizer,
        batches=batches,
        validation=validation,
        device=device,
        scaler=precision.gradient_scaler(config.precision, device),
        title=_title(config, data),
        notes=notes,
        loaders=loaders,
        data=data,
        config=config,
        validation_samples=validation_samples,
    )


def _loaders(
    config: TaskConfig, data: Data, device: torch.device, *, validation_samples: int = 0, skip: int = 0
) -> Loaders:
    return make_batches(
        data,
        batch_size=config.batch_size,
        seed=config.seed,
        device=device,
        num_workers=config.num_workers,
        validation_samples=validation_samples,
        skip=skip,
    )


def _as_configured(batches: Iterator[Any], config: TaskConfig) -> Iterator[Any]:
    return map(_channels_last, batches) if config.channels_last else batches


@contextmanager
def _notes() -> Iterator[list[str]]:
    """Collects what the parts of a task log under `lrfind`, which is meant for the user."""
    notes: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            notes.append(record.getMessage())

    logger = logging.getLogger("lrfind")
    handler, before = Collector(), (logger.level, logger.propagate)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield notes
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


@contextmanager
def _closed_on_failure(loaders: Loaders) -> Iterator[None]:
    try:
        yield
    except BaseException:
        loaders.close()
        raise


def _seed(config: TaskConfig) -> None:
    random.seed(config.seed)
    np.random.seed(config.seed)
    torch.manual_seed(config.seed)
    torch.use_deterministic_algorithms(config.deterministic)
    torch.backends.cudnn.deterministic = config.deterministic
    if config.deterministic:
        torch.backends.cudnn.benchmark = False


def _data(config: TaskConfig) -> Data:
    obj = made("data", config.data, config.trust, error=DataError)
    return obj if isinstance(obj, Data) else wrap(obj, type(obj).__name__)


def _model(config: TaskConfig, data: Data, device: torch.device) -> nn.Module:
    about_data = {"data": data} if config.model["_target_"].startswith(OWN) else {}
    model = made("model", config.model, config.trust, error=ModelError, **about_data)
    if not isinstance(model, nn.Module):
        raise ModelError(
            f"model: {config.model['_target_']} must make a torch.nn.Module, and made a "
            f"{type(model).__name__}."
        )
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ModelError(
            f"model: {_name(config.model)} has no trainable parameters, so no learning rate can matter: "
            "is everything frozen (requires_grad=False), or is it a module without weights?"
        )
    try:
        model.to(device)
        if config.channels_last:
            model.to(memory_format=torch.channels_last)
    except Exception as error:
        if out_of_memory(error):
            raise
        raise ModelError(
            f"model: {_name(config.model)} cannot be moved to device={device}: "
            f"{type(error).__name__}: {error}"
        ) from error
    return model


def _optimizer(config: TaskConfig, model: nn.Module) -> Optimizer:
    """The optimizer over the model's own groups where it names some, else over all that trains.

    A model may have a method `parameter_groups()`, which returns groups as torch's optimizers take them; a
    function whose first argument is called `model` is given the model instead of parameters.
    """
    make = callable_of("optimizer", config.optimizer, config.trust)
    groups: Any = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if _wants_model(make.func):
        groups = model
    elif callable(getattr(model, "parameter_groups", None)):
        groups = model.parameter_groups()  # type: ignore[operator]
    optimizer = called("optimizer", config.optimizer, make, groups, error=OptimizerError)
    if not isinstance(optimizer, Optimizer):
        raise OptimizerError(
            f"optimizer: {config.optimizer['_target_']} must make a torch.optim.Optimizer, and made a "
            f"{type(optimizer).__name__}."
        )
    return optimizer


def _wants_model(function: Any) -> bool:
    if isinstance(function, type):
        return False
    try:
        return next(iter(inspect.signature(function).parameters), None) == "model"
    except (TypeError, ValueError):
        return False


def _criterion(config: TaskConfig) -> Any:
    node = config.criterion
    if node.get("from_model"):
        return None
    if node.get("_partial_"):
        return callable_of("criterion", node, config.trust)
    try:
        criterion = made("criterion", node, config.trust)
    except UserError as error:
        raise ConfigError(
            f"{error} If {node['_target_']} is the loss itself rather than a class that makes one, add "
            "+criterion._partial_=true."
        ) from error
    if not callable(criterion):
        raise ConfigError(
            f"criterion: {node['_target_']} must make something to call as criterion(outputs, target), and "
            f"made a {type(criterion).__name__}. A bare function is named with +criterion._partial_=true."
        )
    return criterion


class _Mapped:
    """Batches in channels_last, as often as they are asked for."""

    def __init__(self, batches: Iterable[Any]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[Any]:
        return map(_channels_last, self._batches)


def _channels_last(batch: Any) -> Any:
    """The batch with its pictures, and only them, in channels_last."""
    if isinstance(batch, Tensor):
        return batch.contiguous(memory_format=torch.channels_last) if batch.ndim == 4 else batch
    if isinstance(batch, (list, tuple)) and not hasattr(batch, "_fields"):
        return type(batch)(_channels_last(item) for item in batch)
    if type(batch) is dict:
        return {key: _channels_last(item) for key, item in batch.items()}
    return batch


def _title(config: TaskConfig, data: Data) -> str:
    parts = [f"{_name(config.model)} on {data.name}", _name(config.optimizer)]
    settings = []
    momentum = config.optimizer.get("momentum")
    if isinstance(momentum, (int, float)) and momentum:
        settings.append(f"momentum {momentum:g}")
    if config.optimizer.get("nesterov"):
        settings.append("Nesterov")
    if settings:
        parts[-1] += f" ({', '.join(settings)})"
    # A loader has made its batches already, and an iterable of batches does not say how large they are.
    size = config.batch_size
    if source_of(data.dataset) in (Source.LOADER, Source.BATCHES):
        size = getattr(data.dataset, "batch_size", None) or 0
    times = f" x {config.accumulation_steps}" if config.accumulation_steps > 1 else ""
    if size:
        parts.append(f"batch size {size}{times}")
    return ", ".join(parts)


def _name(node: dict[str, Any]) -> str:
    named = node.get("name")
    return str(named) if named else str(node["_target_"]).rsplit(".", 1)[-1]
