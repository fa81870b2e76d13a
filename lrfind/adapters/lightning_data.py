"""The batches of a LightningDataModule, or of a LightningModule that has its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lrfind.adapters.adapted import OF_A_MODULE, AdaptedBatches
from lrfind.adapters.lightning_trainer import lightning_package, overrides, stand_in_of
from lrfind.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import torch

BATCH_HOOKS = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")
"""Hooks of a batch, in the order in which a Trainer calls them."""


class HookedBatches(AdaptedBatches):
    """The batches of a data module with its hooks of the batch called, for a model that does not know it."""

    whose = OF_A_MODULE

    def __init__(self, loader: Iterable[Any], datamodule: Any, device: torch.device) -> None:
        self.hooks = [hook for hook in BATCH_HOOKS if overrides(datamodule, hook)]
        self.batch_size = getattr(loader, "batch_size", None)
        self.loader = loader
        self._datamodule = datamodule
        self._device = device

    def __iter__(self) -> Iterator[Any]:
        for batch in self.loader:
            yield self._hooked(batch)

    def __len__(self) -> int:
        return len(self.loader)

    def of(self, loader: Iterable[Any]) -> HookedBatches:
        """Those of another loader, with the same hooks."""
        return HookedBatches(loader, self._datamodule, self._device)

    def _hooked(self, batch: Any) -> Any:
        own = self._datamodule
        with stand_in_of(own):
            batch = own.on_before_batch_transfer(batch, 0)
            batch = own.transfer_batch_to_device(batch, self._device, 0)
            return own.on_after_batch_transfer(batch, 0)


def hooked_loader(made: Any, device: torch.device) -> Iterable[Any]:
    """The same as `train_loader`, with the hooks of the batch that a data module has."""
    loader = train_loader(made)
    if not isinstance(made, lightning_package().LightningDataModule):
        return loader  # the module calls its own
    batches = HookedBatches(loader, made, device)
    return batches if batches.hooks else loader


def train_loader(made: Any) -> Iterable[Any]:
    """The training batches of a data module, or of a module that has its own."""
    lightning = lightning_package()
    name = type(made).__name__
    if not isinstance(made, (lightning.LightningDataModule, lightning.LightningModule)):
        raise DataError(
            f"data: {name} is neither a LightningDataModule nor a LightningModule; a data set or a "
            "DataLoader is given as any other."
        )
    if not overrides(made, "train_dataloader"):
        raise DataError(f"data: {name} has no train_dataloader: give it one, or give the data by themselves.")
    with stand_in_of(made):
        made.prepare_data()
        made.setup("fit")
        return one_loader(made.train_dataloader(), name)


def one_loader(loader: Any, name: str) -> Iterable[Any]:
    """What `train_dataloader` returned, which is one loader."""
    if isinstance(loader, (Mapping, list, tuple)) or type(loader).__name__ == "CombinedLoader":
        raise DataError(
            f"data: train_dataloader of {name} returns several loaders, whose batches only a Trainer puts "
            "together: give an iterable of such batches as loader."
        )
    return loader  # type: ignore[no-any-return]
