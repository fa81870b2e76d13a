"""A LightningModule, with a LightningDataModule or without, as the arguments of lrfind's functions."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from torch.optim import Optimizer

from lrfind.adapters.adapted import AdaptedModel
from lrfind.errors import DataError, ModelError, OptimizerError, extra_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    import torch
    from torch import nn

_OF_THE_BATCH = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")

_BATCH = 1
"""The index that a training step is told: many do something special, such as to log pictures, at 0."""


def from_module(module: Any, datamodule: Any = None) -> dict[str, Any]:
    """The arguments that `range_test` and its like take of a LightningModule.

    `range_test(**from_module(module, datamodule))`. The loss is that of `training_step`, the optimizer that
    of `configure_optimizers`, whose scheduler is left out: a range test sets the rates. As in `Trainer.fit`,
    `prepare_data` and `setup("fit")` of the data module are called, and `configure_model` and `setup("fit")`
    of the module. During a step `log` and `log_dict` do nothing, and `module.trainer` is a stand-in unless
    there is a trainer; both are put back after each step. Other hooks and callbacks are not called.

    Args:
        module: A LightningModule with automatic optimization and one optimizer.
        datamodule: A LightningDataModule, or any iterable of batches; None: `module.train_dataloader()`.

    Returns:
        `model`, `optimizer`, `criterion` (None), `forward` and `loader`; of a module that has a trainer also
        `accumulation_steps`, `clip_grad_norm` and `precision`.

    Raises:
        UserError: It is no such module, it trains in a way of its own, or there are no data.
    """
    _require(module)
    is_datamodule = isinstance(datamodule, _lightning().LightningDataModule)
    loader = train_loader(datamodule) if is_datamodule else datamodule
    with _in_training(module):
        module.configure_model()
        module.setup("fit")
        if loader is None and _overrides(module, "train_dataloader"):
            module.prepare_data()
            loader = _one_loader(module.train_dataloader(), type(module).__name__)
    optimizer = _optimizer(module)
    forward = _forward(module, datamodule if is_datamodule else None)
    if loader is None:
        raise DataError(
            f"data: {type(module).__name__} has no train_dataloader: give it one, or pass datamodule=, a "
            "LightningDataModule or any iterable of batches."
        )
    return {
        "model": module,
        "optimizer": optimizer,
        "criterion": None,
        "forward": forward,
        "loader": loader,
        **_settings(getattr(module, "_trainer", None)),
    }


def adapted_module(made: Any, hooks: Collection[str] = ()) -> AdaptedModel:
    """A module for the command line.

    Args:
        made: The module.
        hooks: Those of the batch that the data have called already: the module's own are then not.
    """
    _require(made)
    with _in_training(made):
        made.configure_model()
        made.setup("fit")
    return AdaptedModel(made, _forward(made, None, hooks), lambda: _optimizer(made), {})


class HookedBatches:
    """The batches of a data module with its hooks of the batch called, for a model that does not know it.

    Args:
        loader: Where they come from.
        datamodule: Whose hooks are called.
        device: Where they are moved to.

    Attributes:
        loader: Where they come from.
        hooks: Those that the data module has.
        batch_size: Samples a batch, where the loader says it.
    """

    def __init__(self, loader: Iterable[Any], datamodule: Any, device: torch.device) -> None:
        self.hooks = [hook for hook in _OF_THE_BATCH if _overrides(datamodule, hook)]
        self.batch_size = getattr(loader, "batch_size", None)
        self.loader = loader
        self._datamodule = datamodule
        self._device = device

    def __iter__(self) -> Iterator[Any]:
        for batch in self.loader:
            yield self._hooked(batch)

    def __len__(self) -> int:
        return len(self.loader)  # type: ignore[arg-type]

    def of(self, loader: Iterable[Any]) -> HookedBatches:
        """Those of another loader, with the same hooks."""
        return HookedBatches(loader, self._datamodule, self._device)

    def _hooked(self, batch: Any) -> Any:
        own = self._datamodule
        with _stand_in_of(own):
            batch = own.on_before_batch_transfer(batch, 0)
            batch = own.transfer_batch_to_device(batch, self._device, 0)
            return own.on_after_batch_transfer(batch, 0)


def hooked_loader(made: Any, device: torch.device) -> Iterable[Any]:
    """The same as `train_loader`, with the hooks of the batch that a data module has."""
    loader = train_loader(made)
    if not isinstance(made, _lightning().LightningDataModule):
        return loader  # the module calls its own
    batches = HookedBatches(loader, made, device)
    return batches if batches.hooks else loader


def train_loader(made: Any) -> Iterable[Any]:
    """The training batches of a data module, or of a module that has its own.

    Raises:
        DataError: It is neither, or has several loaders.
    """
    lightning = _lightning()
    name = type(made).__name__
    if not isinstance(made, (lightning.LightningDataModule, lightning.LightningModule)):
        raise DataError(
            f"data: {name} is neither a LightningDataModule nor a LightningModule; a data set or a "
            "DataLoader is given as any other."
        )
    if not _overrides(made, "train_dataloader"):
        raise DataError(f"data: {name} has no train_dataloader: give it one, or give the data by themselves.")
    with _stand_in_of(made):
        made.prepare_data()
        made.setup("fit")
        return _one_loader(made.train_dataloader(), name)


class StandInTrainer:
    """What a module may ask of its trainer during a range test: one device, no logger, nothing done yet."""

    def __init__(self) -> None:
        self.max_epochs = self.num_devices = self.num_nodes = self.world_size = 1
        self.accumulate_grad_batches = 1
        self.max_steps = self.estimated_stepping_batches = self.num_training_batches = 1000
        self.current_epoch = self.global_step = self.global_rank = self.local_rank = self.node_rank = 0
        self.is_global_zero = self.training = True
        self.validating = self.testing = self.predicting = self.sanity_checking = self.fast_dev_run = False
        self.logger = self.datamodule = self.gradient_clip_val = None
        self.loggers: list[Any] = []
        self.callbacks: list[Any] = []
        self.callback_metrics: dict[str, Any] = {}
        self.logged_metrics: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        """What a trainer has and this has not.

        Raises:
            AttributeError: In a sentence, which is also a UserError.
        """
        if name.startswith("__"):
            raise AttributeError(name)
        raise _NotThereError(
            f"the module asks for self.trainer.{name}, and a range test runs without a Trainer: attach one "
            "(module.trainer = lightning.Trainer(...)), or give range_test a forward and an optimizer of "
            "your own."
        )


class _NotThereError(ModelError, AttributeError):
    """Also an AttributeError, so that `hasattr` and `getattr` with a default work."""


@contextmanager
def _stand_in_of(owner: Any) -> Iterator[None]:
    """A data module, or a module, with a trainer to ask."""
    before, owner.trainer = getattr(owner, "_trainer", None) or vars(owner).get("trainer"), StandInTrainer()
    try:
        yield
    finally:
        owner.trainer = before


def _lightning() -> Any:
    try:
        import lightning
    except ImportError as error:
        raise ModelError(extra_missing("lrfind.adapters.lightning", "lightning", error)) from error
    return lightning


def _require(module: Any) -> None:
    lightning, name = _lightning(), type(module).__name__
    if not isinstance(module, lightning.LightningModule):
        raise ModelError(
            f"model: {name} is no LightningModule of the package lightning. A module of another make is "
            "given as any model is; one of pytorch_lightning wants its import changed to lightning.pytorch."
        )
    if not _overrides(module, "training_step"):
        raise ModelError(f"model: {name} has no training_step, so there is no loss to measure.")
    if not module.automatic_optimization:
        raise OptimizerError(
            f"optimizer: {name} has automatic_optimization=False, so its training_step makes the updates "
            "itself: give range_test a function that makes one, in Python: range_test(..., step=...), see "
            "docs/howto/odd-loops.md."
        )


def _overrides(owner: Any, name: str) -> bool:
    lightning = _lightning()
    base = (
        lightning.LightningModule
        if isinstance(owner, lightning.LightningModule)
        else lightning.LightningDataModule
    )
    return getattr(type(owner), name) is not getattr(base, name)


def _forward(module: Any, datamodule: Any, called: Collection[str] = ()) -> Callable[[nn.Module, Any], Any]:
    """The training step as the call of a model; hooks of the batch are those of the data module, if any.

    Args:
        module: The module.
        datamodule: Its data module, or None.
        called: Hooks that were called before.
    """
    given = [each for each in (datamodule, module) if each is not None]
    owners = [
        None if hook in called else next((each for each in given if _overrides(each, hook)), None)
        for hook in _OF_THE_BATCH
    ]
    names = list(inspect.signature(module.training_step).parameters)
    if len(names) > 2:
        raise ModelError(
            f"model: training_step({', '.join(names)}) takes more than a batch and its index, which only a "
            "Trainer gives: give range_test a forward of your own."
        )
    index = (_BATCH,) * (len(names) - 1)

    def forward(model: nn.Module, batch: Any) -> Any:
        with _in_training(module), nullcontext() if datamodule is None else _stand_in_of(datamodule):
            for hook, owner in zip(_OF_THE_BATCH, owners, strict=True):
                if owner is not None:
                    more = (module.device,) if hook == "transfer_batch_to_device" else ()
                    batch = getattr(owner, hook)(batch, *more, 0)
            return model.training_step(batch, *index)  # type: ignore[operator]

    return forward


@contextmanager
def _in_training(module: Any) -> Iterator[None]:
    """The module as a step may find it: logging does nothing, and there is a trainer to ask."""
    lightning = _lightning()
    modules = [each for each in module.modules() if isinstance(each, lightning.LightningModule)]
    before = [
        (each, each._trainer, {name: vars(each)[name] for name in _LOGS & vars(each).keys()})
        for each in modules
    ]
    stand_in = StandInTrainer()
    try:
        for each in modules:
            vars(each).update(dict.fromkeys(_LOGS, _nothing))
            if each._trainer is None and each._fabric is None:
                each._trainer = stand_in
        yield
    finally:
        for each, trainer, logs in before:
            each._trainer = trainer
            for name in _LOGS:
                vars(each).pop(name, None)
            vars(each).update(logs)


_LOGS = frozenset({"log", "log_dict"})


def _nothing(*args: Any, **kwargs: Any) -> None:
    """In place of what logs."""


def _optimizer(module: Any) -> Optimizer:
    """The one optimizer of a module, without its scheduler.

    Raises:
        OptimizerError: There is none, or there are several.
    """
    with _in_training(module):
        configured = module.configure_optimizers()
    optimizers = _optimizers(configured)
    if len(optimizers) > 1:
        raise OptimizerError(
            f"optimizer: configure_optimizers of {type(module).__name__} returns {len(optimizers)} "
            "optimizers, and a range test moves one: give range_test the list of them and a function that "
            "makes a whole step of your loop, in Python: range_test(..., step=...), see "
            "docs/howto/odd-loops.md."
        )
    if not optimizers or not isinstance(optimizers[0], Optimizer):
        made = type(optimizers[0] if optimizers else configured).__name__
        raise OptimizerError(
            f"optimizer: configure_optimizers of {type(module).__name__} must return an optimizer, alone, in "
            f"a list or under the key optimizer, and returned {made}."
        )
    for group in optimizers[0].param_groups:
        _undo_scheduler(group, optimizers[0].defaults)
    return optimizers[0]


def _undo_scheduler(group: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Puts back what a scheduler has set when it was made: its first rate, 0 in a warm-up, and momentum."""
    group["lr"] = group.get("initial_lr", group["lr"])
    if "max_momentum" in group:  # OneCycleLR's and CyclicLR's
        group.update({key: defaults[key] for key in ("momentum", "betas") if key in group})


def _optimizers(configured: Any) -> list[Any]:
    """The optimizers of all forms that `configure_optimizers` may return."""
    if configured is None:
        return []
    if isinstance(configured, Mapping):
        return [configured.get("optimizer")]
    if isinstance(configured, Sequence):
        if len(configured) == 2 and isinstance(configured[0], Sequence):
            return list(configured[0])
        return [optimizer for each in configured for optimizer in _optimizers(each)]
    return [configured]


def _one_loader(loader: Any, name: str) -> Iterable[Any]:
    if isinstance(loader, (Mapping, list, tuple)) or type(loader).__name__ == "CombinedLoader":
        raise DataError(
            f"data: train_dataloader of {name} returns several loaders, whose batches only a Trainer puts "
            "together: give an iterable of such batches as loader."
        )
    return loader  # type: ignore[no-any-return]


def _settings(trainer: Any) -> dict[str, Any]:
    """How a trainer makes a step, where a module has one.

    Raises:
        ModelError: In a way that lrfind does not know.
    """
    if trainer is None:
        return {}
    if trainer.gradient_clip_val and trainer.gradient_clip_algorithm not in (None, "norm"):
        raise ModelError("the Trainer clips gradients by value, and lrfind clips by norm alone.")
    known = {"32-true": "fp32", "16-mixed": "fp16", "bf16-mixed": "bf16"}
    precision = str(trainer.precision)
    if precision not in known:
        raise ModelError(f"the Trainer has precision={precision}, and lrfind knows {', '.join(known)}.")
    return {
        "accumulation_steps": trainer.accumulate_grad_batches,
        "clip_grad_norm": trainer.gradient_clip_val or None,
        "precision": known[precision],
    }
