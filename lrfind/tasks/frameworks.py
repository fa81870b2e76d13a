"""What a LightningModule or a Trainer brings to a task: loss, optimizer, data, and how a step is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lrfind.adapters.adapted import FRAMEWORKS, AdaptedModel, adapted, loader_of
from lrfind.config.schema import FROM_MODEL
from lrfind.errors import ConfigError, DataError, ModelError
from lrfind.tasks.devices import resolve
from lrfind.tasks.instantiate import call, callable_of, instantiate
from lrfind.training.rng import StreamState, seed_all

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from lrfind.config.schema import TaskConfig

ADAPTER = "adapter"
"""Key of a model or data group that says which framework the class is of."""


def framework_of(node: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """The framework that a group names, or None, and the group without it.

    A class of the user's may take an argument of that name, with other values.
    """
    named = node.get(ADAPTER)
    if named not in FRAMEWORKS:
        return None, node
    return named, {key: value for key, value in node.items() if key != ADAPTER}


def adapted_model(config: TaskConfig, batches: Any) -> AdaptedModel | None:
    """The model where it is one of a framework, else None.

    `batches` is what it is trained on: data of a framework may have called hooks of their own.
    """
    framework, node = framework_of(config.model)
    if framework is None:
        return None
    if not config.criterion.get("from_model"):
        raise ConfigError(f"criterion: model={framework} has a loss of its own: type criterion=from_model.")
    if config.compile:
        raise ConfigError(f"compile=true: the loss of model={framework} is not compiled: type compile=false.")
    own = instantiate("model", node, config.trust, error=ModelError)
    if framework == "transformers":
        seed_all(config.seed)  # a Trainer has set the random streams to its own
    model = adapted(framework, own, getattr(batches, "hooks", ()))
    for key in ("accumulation_steps", "precision"):
        asked, has = getattr(config, key), model.settings.get(key)
        if has is not None and has != getattr(asked, "value", asked):
            raise ConfigError(
                f"{key}={getattr(asked, 'value', asked)}: {node['_target_']} trains with {has}; type "
                f"{key}={has}, or have it made otherwise."
            )
    return model


def whole_batch(model: nn.Module, batch: Any) -> Any:
    """The call of a model of a framework."""
    return model(batch)


def data_of_framework(config: TaskConfig) -> Iterable[Any] | None:
    """The batches that a model or a data module brings; None where the data is none of theirs."""
    framework, node = framework_of(config.data)
    if framework is not None:
        make = callable_of("data", node, config.trust)
        return loader_of(framework, call("data", node, make, error=DataError), resolve(config.device))
    if config.data["_target_"] != FROM_MODEL:
        return None
    framework, node = framework_of(config.model)
    if framework is None:
        return None  # the target itself says what is wrong
    # The model itself is drawn after the data, as it would be with data of another make.
    streams = StreamState(set())
    try:
        return loader_of(
            framework, instantiate("model", node, config.trust, error=ModelError), resolve(config.device)
        )
    finally:
        streams.restore()
