"""What a LightningModule may ask of its Trainer, where there is none."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lrfind.errors import ModelError, extra_missing

if TYPE_CHECKING:
    from collections.abc import Iterator


def lightning_package() -> Any:
    """The package, which not everybody has."""
    try:
        import lightning
    except ImportError as error:
        raise ModelError(extra_missing("lrfind.adapters.lightning", "lightning", error)) from error
    return lightning


def overrides(owner: Any, name: str) -> bool:
    """Whether a module, or a data module, has a method of its own by that name."""
    lightning = lightning_package()
    base = (
        lightning.LightningModule
        if isinstance(owner, lightning.LightningModule)
        else lightning.LightningDataModule
    )
    return getattr(type(owner), name) is not getattr(base, name)


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
        if name.startswith("__"):
            raise AttributeError(name)
        raise _NotThereError(
            f"the module asks for self.trainer.{name}, and a range test runs without a Trainer: attach one "
            "(module.trainer = lightning.Trainer(...)), or give range_test a forward and an optimizer of "
            "your own."
        )


class TrainerWithoutData:
    """A user's trainer that has no data yet, so that it cannot count the steps of a training.

    Schedulers ask for them, and are left out.
    """

    def __init__(self, trainer: Any, stand_in: StandInTrainer) -> None:
        self._trainer = trainer
        self.estimated_stepping_batches = stand_in.estimated_stepping_batches
        self.num_training_batches = stand_in.num_training_batches

    def __getattr__(self, name: str) -> Any:
        """What the trainer has."""
        return getattr(self._trainer, name)


class _NotThereError(ModelError, AttributeError):
    """Also an AttributeError, so that `hasattr` and `getattr` with a default work."""


@contextmanager
def stand_in_of(owner: Any) -> Iterator[None]:
    """A data module, or a module, with a trainer to ask."""
    before, owner.trainer = getattr(owner, "_trainer", None) or vars(owner).get("trainer"), StandInTrainer()
    try:
        yield
    finally:
        owner.trainer = before


@contextmanager
def in_training(module: Any) -> Iterator[None]:
    """The module as a step may find it: logging does nothing, and there is a trainer to ask."""
    lightning = lightning_package()
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
            elif each._trainer is not None and getattr(each._trainer, "train_dataloader", 1) is None:
                each._trainer = TrainerWithoutData(each._trainer, stand_in)
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
