"""A LightningModule, with a LightningDataModule or without, as the arguments of lrfind's functions."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from torch.optim import Optimizer

from lrfind.adapters.adapted import AdaptedModel
from lrfind.adapters.lightning_data import BATCH_HOOKS, one_loader, train_loader
from lrfind.adapters.lightning_trainer import in_training, lightning_package, overrides, stand_in_of
from lrfind.errors import DataError, ModelError, OptimizerError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from torch import nn

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
    is_datamodule = isinstance(datamodule, lightning_package().LightningDataModule)
    loader = train_loader(datamodule) if is_datamodule else datamodule
    with in_training(module):
        module.configure_model()
        module.setup("fit")
        if loader is None and overrides(module, "train_dataloader"):
            module.prepare_data()
            loader = one_loader(module.train_dataloader(), type(module).__name__)
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
    """A module for the command line; hooks of the batch that the data have called already are not called."""
    _require(made)
    with in_training(made):
        made.configure_model()
        made.setup("fit")
    return AdaptedModel(made, _forward(made, None, hooks), lambda: _optimizer(made), {})


def _require(module: Any) -> None:
    lightning, name = lightning_package(), type(module).__name__
    if not isinstance(module, lightning.LightningModule):
        raise ModelError(
            f"model: {name} is no LightningModule of the package lightning. A module of another make is "
            "given as any model is; one of pytorch_lightning wants its import changed to lightning.pytorch."
        )
    if not overrides(module, "training_step"):
        raise ModelError(f"model: {name} has no training_step, so there is no loss to measure.")
    if not module.automatic_optimization:
        raise OptimizerError(
            f"optimizer: {name} has automatic_optimization=False, so its training_step makes the updates "
            "itself: give range_test a function that makes one, in Python: range_test(..., step=...), see "
            "docs/howto/odd-loops.md."
        )


def _forward(module: Any, datamodule: Any, called: Collection[str] = ()) -> Callable[[nn.Module, Any], Any]:
    """The training step as the call of a model; hooks of the batch are those of the data module, if any."""
    given = [each for each in (datamodule, module) if each is not None]
    owners = [
        None if hook in called else next((each for each in given if overrides(each, hook)), None)
        for hook in BATCH_HOOKS
    ]
    names = list(inspect.signature(module.training_step).parameters)
    if len(names) > 2:
        raise ModelError(
            f"model: training_step({', '.join(names)}) takes more than a batch and its index, which only a "
            "Trainer gives: give range_test a forward of your own."
        )
    index = (_BATCH,) * (len(names) - 1)

    def forward(model: nn.Module, batch: Any) -> Any:
        with in_training(module), nullcontext() if datamodule is None else stand_in_of(datamodule):
            for hook, owner in zip(BATCH_HOOKS, owners, strict=True):
                if owner is not None:
                    more = (module.device,) if hook == "transfer_batch_to_device" else ()
                    batch = getattr(owner, hook)(batch, *more, 0)
            return model.training_step(batch, *index)  # type: ignore[operator]

    return forward


def _optimizer(module: Any) -> Optimizer:
    """The one optimizer of a module, without its scheduler."""
    with in_training(module):
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


def _settings(trainer: Any) -> dict[str, Any]:
    """How a trainer makes a step, where a module has one."""
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
