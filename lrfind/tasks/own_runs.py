"""A caller's task opened again and again: with other random numbers, or at its start for each seed."""

from __future__ import annotations

import dataclasses
import itertools
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any

import torch

from lrfind.tasks.data.dataset import Data
from lrfind.tasks.data.held_out import spared_samples
from lrfind.tasks.data.own_loader import batch_size_of, can_be_parted, parted
from lrfind.training.batch import endless, on_device
from lrfind.training.rng import seed_all
from lrfind.training.snapshot import Snapshot, generators_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from torch import nn

    from lrfind.training.task import Task


def batches_of(loader: Iterable[Any], device: torch.device) -> Iterator[Any]:
    """The batches of a loader on the device, without end."""
    return (on_device(batch, device) for batch in endless(loader))


class RepeatedTask:
    """Opens a caller's task again and again, an `OpenTask`: what is drawn at random differs each time.

    From the second time on it is put back and the random streams are seeded anew; the loader goes on.

    Args:
        start: The state it begins at, that of the loader apart.
        times: How often it is opened.
    """

    def __init__(
        self, task: Task, loader: Iterable[Any], start: Snapshot, *, times: int, single_batch: bool
    ) -> None:
        self._task = task
        self._loader = loader
        self._start = start
        with torch.random.fork_rng(devices=[]):  # the first time is what it would be alone
            self._seeds = torch.randint(2**31, (times,)).tolist() if times > 1 else [0]
        self._single_batch = single_batch
        self._opened = False

    def with_held_out(self) -> RepeatedTask | None:
        """The same with a fifth of the samples held out, where the caller gives no others; on one rank alone.

        What is held out comes off the data set behind a plain DataLoader; None of any other loader.
        """
        if self._task.validation is not None:
            return self
        data = Data(self._loader, "the loader")
        size = batch_size_of(data)
        if self._task.peers is not None or size is None or not can_be_parted(data):
            return None
        samples = spared_samples(data, size)
        if samples is None:
            return None
        rest, apart = parted(self._loader, samples, seed=0)
        validation = [on_device(batch, self._task.device) for batch in apart]
        tasks = copy(self)
        tasks._loader = rest
        tasks._task = dataclasses.replace(self._task, validation=validation, per_epoch=len(rest))
        return tasks

    @contextmanager
    def __call__(self, seed: int, *, skip: int = 0) -> Iterator[Task]:
        """Opens it for the time that is counted by `seed`."""
        if self._opened:
            self._start.restore(loader=False)
            torch.manual_seed(self._seeds[seed])
        self._opened = True
        batches = batches_of(self._loader, self._task.device)
        if not self._single_batch:
            yield dataclasses.replace(self._task, batches=batches)
        else:
            yield dataclasses.replace(self._task, batches=itertools.repeat(next(batches)), per_epoch=None)


class SeededTask:
    """Opens a caller's task at its start, but for what a seed changes, an `OpenTask`.

    For several seeds, or with `initialise`, the random streams and the generators of the loader are seeded
    with 0, 1, ...; else nothing is seeded.

    Args:
        initialise: Draws initial weights; None: all seeds have those that are given.
    """

    def __init__(
        self,
        task: Task,
        loader: Iterable[Any],
        start: Snapshot,
        *,
        seeds: int = 1,
        initialise: Callable[[nn.Module], None] | None = None,
    ) -> None:
        self._task = task
        self._loader = loader
        self._start = start
        self._seeded = seeds > 1 or initialise is not None
        self._initialise = initialise

    @contextmanager
    def __call__(self, seed: int, *, skip: int = 0) -> Iterator[Task]:
        """Opens the task of a seed, counted from 0."""
        self._start.restore()
        if self._seeded:
            self._seed(seed)
        task = self._task
        order: Snapshot | None = None

        def afresh() -> Iterator[Any]:
            nonlocal order
            if order is None:  # before the first batch is drawn
                order = Snapshot(task.model, task.optimizer, scaler=task.scaler, loader=self._loader)
            order.restore_loader()
            return batches_of(self._loader, task.device)

        yield dataclasses.replace(task, batches=batches_of(self._loader, task.device), afresh=afresh)

    def _seed(self, seed: int) -> None:
        seed_all(seed)
        for generator in generators_of(self._loader):
            generator.manual_seed(seed)
        if self._initialise is not None:
            self._initialise(self._task.model)
