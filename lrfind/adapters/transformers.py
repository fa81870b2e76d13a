"""A Trainer of transformers as the arguments of lrfind's functions."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch.utils.data import RandomSampler

from lrfind.adapters.adapted import AdaptedBatches, AdaptedModel
from lrfind.errors import ModelError, extra_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from torch import nn
    from torch.optim import Optimizer

_ITEMS = "lrfind_num_items_in_batch"
"""Where a batch carries how many items (labels) there are in all batches of its step."""


def from_trainer(trainer: Any) -> dict[str, Any]:
    """The arguments that `range_test` and its like take of a Trainer.

    `range_test(**from_trainer(trainer))`. The loss is that of `compute_loss`, with label smoothing, and a
    loss function of your own; batches come from `get_train_dataloader`, with your collator and without the
    columns that the model does not take; the optimizer is the Trainer's, or what `create_optimizer` makes.
    With gradient accumulation the loss is averaged over all labels of a step, as the Trainer does it. Its
    scheduler, callbacks and logs are left out, and the Trainer is afterwards as it was.

    Args:
        trainer: On one device, without DeepSpeed and FSDP.

    Returns:
        `model`, `optimizer`, `criterion` (None), `loader`, `forward`, `accumulation_steps`, `clip_grad_norm`
        and `precision`.

    Raises:
        UserError: It is no Trainer, or trains in a way that lrfind does not know.
    """
    _require(trainer)
    return {
        "model": trainer.model,
        "optimizer": _optimizer(trainer),
        "criterion": None,
        "loader": train_batches(trainer),
        "forward": _forward(trainer),
        **_settings(trainer),
    }


def adapted_trainer(made: Any) -> AdaptedModel:
    """The model of a Trainer for the command line, drawn anew where the Trainer can."""
    _require(made)
    if made.model_init is not None:
        made.model = made.call_model_init()  # the first one was drawn with the Trainer's own seed
    return AdaptedModel(made.model, _forward(made), lambda: _optimizer(made), _settings(made))


def train_batches(made: Any) -> Iterable[Any]:
    """The batches that a Trainer trains on."""
    _require(made)
    if made.train_dataset is None:
        raise ModelError(f"model: the {type(made).__name__} has no train_dataset.")
    accelerator = made.accelerator
    before = list(accelerator._dataloaders)
    try:
        loader = made.get_train_dataloader()
    finally:
        accelerator._dataloaders[:] = before
    # What is around it keeps accounts in global variables of accelerate, as long as an epoch lasts.
    loader = getattr(loader, "base_dataloader", loader)
    batches = loader.batch_sampler
    if type(getattr(batches, "sampler", None)).__name__ == "SeedableRandomSampler":
        # Its order goes on by a count of epochs; runs that are compared need one that follows torch's seed.
        batches.sampler = RandomSampler(batches.sampler.data_source)
    steps = made.args.gradient_accumulation_steps

    def of_one_step(batches: Iterator[Any]) -> tuple[list[Any], Any]:
        several, items = made.get_batch_samples(batches, steps, made.args.device)
        return several, items

    return CountedBatches(loader, steps, of_one_step)


class CountedBatches(AdaptedBatches):
    """The batches of a loader, each with the number of items in all batches of its step.

    Args:
        steps: Batches a step; what is left over at the end of an epoch is left out.
    """

    whose = "the Trainer's train_dataset"

    def __init__(
        self, loader: Any, steps: int, of_one_step: Callable[[Iterator[Any]], tuple[list[Any], Any]]
    ) -> None:
        self.loader = loader
        self.batch_size = loader.batch_size or getattr(loader.batch_sampler, "batch_size", None)
        self._steps = steps
        self._of_one_step = of_one_step

    def __iter__(self) -> Iterator[Any]:
        batches = iter(self.loader)
        while True:
            several, items = self._of_one_step(batches)
            if len(several) < self._steps:
                return
            for batch in several:
                yield {**batch, _ITEMS: items}

    def __len__(self) -> int:
        return len(self.loader) // self._steps * self._steps

    def of(self, loader: Any) -> CountedBatches:
        """Those of another loader, counted in the same way."""
        return CountedBatches(loader, self._steps, self._of_one_step)

    def read(self, loader: Any) -> Any:
        """The loader itself: items are counted for a step."""
        return loader


def _require(trainer: Any) -> None:
    try:
        from transformers import Trainer
    except ImportError as error:
        raise ModelError(extra_missing("lrfind.adapters.transformers", "transformers", error)) from error
    name = type(trainer).__name__
    if not isinstance(trainer, Trainer):
        raise ModelError(f"model: {name} is no Trainer of transformers.")
    args = trainer.args
    if trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled:
        raise ModelError(
            f"model: the {name} trains with DeepSpeed or FSDP, which wrap model and optimizer as it begins: "
            "make one without for the range test."
        )
    if args.n_gpu > 1:
        raise ModelError(
            f"model: the {name} spreads each batch over {args.n_gpu} GPUs (DataParallel). Let it see one: "
            "CUDA_VISIBLE_DEVICES=0."
        )
    if trainer.neftune_noise_alpha is not None:
        raise ModelError(
            f"model: the {name} has neftune_noise_alpha={trainer.neftune_noise_alpha:g}, noise that it adds "
            "to embeddings as it begins: make one without for the range test."
        )


def _forward(trainer: Any) -> Callable[[nn.Module, Any], Any]:
    """The Trainer's loss as the call of a model; returns loss and logits."""
    from transformers import Trainer

    if type(trainer).training_step is not Trainer.training_step:
        warnings.warn(
            f"{type(trainer).__name__} has a training_step of its own, which is not called: the loss is that "
            "of compute_loss",
            stacklevel=3,
        )

    def forward(model: nn.Module, batch: Any) -> Any:
        inputs = dict(batch)
        counted = _ITEMS in inputs
        items = inputs.pop(_ITEMS, None)
        with _without_logs(trainer):
            loss, outputs = trainer.compute_loss(model, inputs, return_outputs=True, num_items_in_batch=items)
        if counted and _is_of_the_step(trainer, items):
            loss = loss * trainer.args.gradient_accumulation_steps  # divided by it with all batches of a step
        logits = outputs.get("logits") if isinstance(outputs, dict) else None
        return {"loss": loss} if logits is None else {"loss": loss, "logits": logits}

    return forward


def _is_of_the_step(trainer: Any, items: Any) -> bool:
    """Whether a loss is divided by the items of the whole step, as the Trainer decides it."""
    if trainer.loss_is_scaled_for_ga is not None:
        return bool(trainer.loss_is_scaled_for_ga)
    return (trainer.model_accepts_loss_kwargs and items is not None) or trainer.compute_loss_func is not None


@contextmanager
def _without_logs(trainer: Any) -> Iterator[None]:
    own = vars(trainer)
    before = own.get("log")
    own["log"] = _nothing
    try:
        yield
    finally:
        own.pop("log")
        if before is not None:
            own["log"] = before


def _nothing(*args: Any, **kwargs: Any) -> None:
    """In place of what logs."""


def _optimizer(trainer: Any) -> Optimizer:
    """The Trainer's optimizer, or the one that it would make."""
    before = trainer.optimizer
    try:
        optimizer = before if before is not None else trainer.create_optimizer()
    finally:
        trainer.optimizer = before
    return getattr(optimizer, "optimizer", optimizer)  # type: ignore[no-any-return]


def _settings(trainer: Any) -> dict[str, Any]:
    """How it makes a step."""
    args = trainer.args
    return {
        "accumulation_steps": args.gradient_accumulation_steps,
        "clip_grad_norm": args.max_grad_norm or None,
        "precision": "bf16" if args.bf16 else "fp16" if args.fp16 else "fp32",
    }
