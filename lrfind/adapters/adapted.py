"""A model of another framework on the command line, with the loss and the optimizer that are its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    import torch
    from torch.optim import Optimizer

FRAMEWORKS = ("lightning", "transformers")
"""What `model.adapter` may be."""


class AdaptedModel(nn.Module):
    """A model that is called as its framework calls it.

    Args:
        model: What is trained.
        loss: Called with the model and a batch.
        optimizer: Makes the framework's own optimizer.
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


def adapted(framework: str, made: object, hooks: Collection[str] = ()) -> AdaptedModel:
    """The model of what a user's class or function has made.

    Args:
        framework: One of `FRAMEWORKS`.
        made: What was made.
        hooks: Of Lightning, those of the batch that the data have called already.

    Raises:
        UserError: It is not what the framework has, or cannot be trained so.
    """
    if framework == "lightning":
        from lrfind.adapters.lightning import adapted_module

        return adapted_module(made, hooks)
    from lrfind.adapters.transformers import adapted_trainer

    return adapted_trainer(made)


def loader_of(framework: str, made: object, device: torch.device) -> Iterable[Any]:
    """The batches that it is trained on: of a Lightning module or data module, or of a Trainer.

    Args:
        framework: One of `FRAMEWORKS`.
        made: What was made.
        device: Where a data module's hooks move them to.

    Raises:
        UserError: It brings none.
    """
    if framework == "lightning":
        from lrfind.adapters.lightning import hooked_loader

        return hooked_loader(made, device)
    from lrfind.adapters.transformers import train_batches

    return train_batches(made)
