"""A model of another framework on the command line, with a loss, an optimizer and data of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    import torch
    from torch.optim import Optimizer

FRAMEWORKS = ("lightning", "transformers")
"""What `model.adapter` may be."""

OF_A_MODULE = "the data of your LightningModule"
"""What the user calls the batches that a model brings, where nothing is wrapped about them."""


class AdaptedModel(nn.Module):
    """A model that is called as its framework calls it.

    Args:
        settings: How its framework makes a step, by the key of the config that says the same.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[nn.Module, Any], Any],
        optimizer: Callable[[], Optimizer],
        settings: dict[str, Any],
    ) -> None:
        super().__init__()
        self.model = model
        self.settings = settings
        self._loss = loss
        self._optimizer = optimizer

    def forward(self, batch: Any) -> Any:
        """The loss on a whole batch."""
        return self._loss(self.model, batch)

    def configured_optimizer(self) -> Optimizer:
        """The optimizer that its framework would train it with."""
        return self._optimizer()


class AdaptedBatches(ABC):
    """The batches of a loader as their framework has a model meet them.

    Attributes:
        batch_size: Samples a batch, where the loader says it.
        whose: What the user calls them.
    """

    loader: Any
    batch_size: int | None
    whose: str

    @abstractmethod
    def of(self, loader: Any) -> AdaptedBatches:
        """Those of another loader, made in the same way."""

    def read(self, loader: Any) -> Any:
        """Those of a loader that is read alone, and makes no steps."""
        return self.of(loader)


def adapted(framework: str, made: object, hooks: Collection[str] = ()) -> AdaptedModel:
    """The model of what a user's class or function has made.

    `hooks` are those of the batch that the data of Lightning have called already.
    """
    if framework == "lightning":
        from lrfind.adapters.lightning import adapted_module

        return adapted_module(made, hooks)
    from lrfind.adapters.transformers import adapted_trainer

    return adapted_trainer(made)


def loader_of(framework: str, made: object, device: torch.device) -> Iterable[Any]:
    """The batches that it is trained on: of a Lightning module or data module, or of a Trainer."""
    if framework == "lightning":
        from lrfind.adapters.lightning_data import hooked_loader

        return hooked_loader(made, device)
    from lrfind.adapters.transformers import train_batches

    return train_batches(made)
