"""Optimizers by name, the address that configs give: `lrfind.tasks.optimizers.from_model`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfind.adapters.adapted import AdaptedModel
from lrfind.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


def from_model(model: nn.Module) -> Optimizer:
    """The optimizer that a LightningModule or a Trainer has configured."""
    if not isinstance(model, AdaptedModel):
        raise ConfigError(
            "optimizer=from_model needs model=lightning or model=transformers, which configure one; type "
            "optimizer=adamw, or another of the group."
        )
    return model.configured_optimizer()
