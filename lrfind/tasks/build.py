"""A task from a config: the model on its device, the data behind a loader, the optimizer and the loss."""

from __future__ import annotations

import itertools
import logging
import os
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from lrfind.adapters.adapted import AdaptedModel
from lrfind.collector import collector_is_off, collector_on
from lrfind.config.schema import Distributed
from lrfind.execution.distributed import joined_ranks
from lrfind.tasks import components, devices
from lrfind.tasks.data.held_out import fixed_batches
from lrfind.tasks.data.in_memory import WHOLE, Share
from lrfind.tasks.data.loader import Loaders, make_batches
from lrfind.tasks.data.own_loader import notes_of
from lrfind.tasks.data.prefetch import channels_last
from lrfind.tasks.data.sources import Afresh
from lrfind.tasks.frameworks import whole_batch
from lrfind.tasks.parallel import data_parallel, shard
from lrfind.training.objective import Objective
from lrfind.training.rng import seed_all
from lrfind.training.step import StepOptions
from lrfind.training.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lrfind.config.schema import TaskConfig
    from lrfind.tasks.data.dataset import Data


def data_of(config: TaskConfig) -> Data:
    """The data of a config, for the `data` of several tasks."""
    _seed(config)
    return components.data_of(config)


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

    `validation_samples` is the size of a fixed subset to set apart; `single_batch` gives the first batch at
    every step; `data` is what another task has read already; `skip` batches are left out at the start, as a
    run that goes on has drawn them already.
    """
    if config.deterministic:
        # cuBLAS reads it when it starts, and refuses determinism without it.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    device = devices.resolve(config.device)
    if device.type == "cuda":
        torch.cuda.set_device(device)  # pinned memory and kernels' workspaces go to the current device
    autocast = devices.autocast(config.precision, device)
    _seed(config)
    ranks = joined_ranks()
    with _notes() as notes:
        data = components.data_of(config) if data is None else data
        notes += notes_of(data)
        _end_of_loading()
        model = components.model_of(config, data, device)
        if ranks is not None and config.distributed is Distributed.FSDP:
            shard(model, device)
        optimizer = components.optimizer_of(config, model)
        if ranks is not None and config.distributed is not Distributed.FSDP:
            model = data_parallel(model, device)
        criterion = components.criterion_of(config)
        if isinstance(criterion, nn.Module):
            criterion.to(device)
        objective = Objective(
            torch.compile(model) if config.compile else model,  # type: ignore[arg-type]
            criterion,
            forward=whole_batch if isinstance(model, AdaptedModel) else None,
            accuracy=accuracy,
            autocast=autocast,
            highest_label=None if data.labels is None or not len(data.labels) else int(data.labels.max()),
            num_classes=data.num_outputs,
            on_note=notes.append,
        )
    loaders = _loaders(config, data, device, validation_samples=validation_samples, skip=skip)
    batches = _as_configured(loaders.batches, config)
    validation = loaders.validation
    if validation is not None and config.channels_last:
        validation = [channels_last(batch) for batch in validation]
    if single_batch:
        try:
            batches = itertools.repeat(next(batches))
        except BaseException:
            loaders.close()
            raise
    return Task(
        objective=objective,
        optimizer=optimizer,
        batches=batches,
        device=device,
        options=StepOptions(
            accumulation_steps=config.accumulation_steps,
            clip_grad_norm=_clip_grad_norm(config, model),
            scaler=devices.gradient_scaler(config.precision, device),
            before_backward=None if ranks is None else ranks.agree,
        ),
        afresh=partial(_afresh, config, data, device, validation_samples),
        validation=validation,
        per_epoch=None if single_batch else loaders.per_epoch,
        title=components.title_of(config, data),
        notes=notes,
        skipped=loaders.skipped,
        data=data,
        peers=ranks,
        close=loaders.close,
    )


def fixed_batches_of(
    config: TaskConfig, data: Data, device: torch.device, *, samples: int | None
) -> Iterable[Any]:
    """The same samples again and again, on the device; see `fixed_batches`."""
    found = fixed_batches(data, samples, batch_size=config.samples_a_batch, seed=config.seed, device=device)
    if not config.channels_last:
        return found
    if isinstance(found, list):
        return [channels_last(batch) for batch in found]
    return Afresh(lambda: map(channels_last, found))


def _end_of_loading() -> None:
    """From here on objects come and go."""
    if collector_is_off():
        # With the first optimizer of a process torch loads its compiler, a third of all that is loaded.
        torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        collector_on()


def _clip_grad_norm(config: TaskConfig, model: nn.Module) -> float | None:
    """That of the config; where it leaves it open, that of a Trainer."""
    if config.clip_grad_norm is None and isinstance(model, AdaptedModel):
        return model.settings.get("clip_grad_norm")
    return config.clip_grad_norm


def _afresh(config: TaskConfig, data: Data, device: torch.device, validation_samples: int) -> Iterator[Any]:
    """The batches from the first one on, from loaders of their own."""
    loaders = _loaders(config, data, device, validation_samples=validation_samples)
    try:
        yield from _as_configured(loaders.batches, config)
    finally:
        loaders.close()


def _loaders(
    config: TaskConfig, data: Data, device: torch.device, *, validation_samples: int = 0, skip: int = 0
) -> Loaders:
    return make_batches(
        data,
        batch_size=config.samples_a_batch,
        seed=config.seed,
        device=device,
        num_workers=config.num_workers,
        validation_samples=validation_samples,
        skip=skip,
        share=WHOLE if (ranks := joined_ranks()) is None else Share(ranks.rank, ranks.size),
    )


def _as_configured(batches: Iterator[Any], config: TaskConfig) -> Iterator[Any]:
    return map(channels_last, batches) if config.channels_last else batches


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


def _seed(config: TaskConfig) -> None:
    seed_all(config.seed)
    torch.use_deterministic_algorithms(config.deterministic)
    torch.backends.cudnn.deterministic = config.deterministic
    if config.deterministic:
        torch.backends.cudnn.benchmark = False
