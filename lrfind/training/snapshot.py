"""Everything a test disturbs, saved and put back, whatever happens."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.modules import module as global_hooks

from lrfind.errors import ModelError, RestoreError
from lrfind.interrupts import interrupts_held
from lrfind.own_code import caller_level
from lrfind.training.object_state.modes import GlobalModes
from lrfind.training.object_state.objects import Limits, ObjectState
from lrfind.training.optimizer import moved_by
from lrfind.training.rng import StreamState

if TYPE_CHECKING:
    from torch.optim import Optimizer

_OF_A_LOADER = Limits(nbytes=2**24, elements=10_000)
"""Larger things that a loader holds are the data."""

_GLOBAL_HOOKS = [
    (name, hooks)
    for name, hooks in vars(global_hooks).items()
    if name.startswith("_global_") and isinstance(hooks, dict)
]


class Snapshot:
    """A copy of model, optimizer, gradient scaler, loader, random streams and torch's modes, in memory.

    It holds whatever these objects hold, as `ObjectState` says: parameters with their gradients and
    requires_grad, buffers (persistent or not), train/eval modes, other attributes of modules, hooks; the
    state, groups and attributes of the optimizer, and of optimizers inside it; the scaler; what a loader
    draws its order from. Then the global random streams of Python, NumPy, torch on the CPU and on the
    devices the model lives on, and what `GlobalModes` holds. Putting back is bitwise and in place: tensors
    and containers stay the same objects. The copies take as much memory as model and optimizer, on the same
    device; no file is written.

    Not seen is what code keeps in global variables, in closures (but for generators) and in other processes.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        *,
        criterion: Any = None,
        scaler: Any = None,
        loader: Any = None,
    ) -> None:
        devices = _devices(model, optimizer)
        roots = [("model", model), ("optimizer", optimizer), ("criterion", criterion), ("scaler", scaler)]
        with interrupts_held():  # to count open autocast contexts is to open one
            self._modes = GlobalModes()
        self._objects = ObjectState([*roots, *_GLOBAL_HOOKS])
        self._streams = StreamState(devices)
        self._loader = loader
        self._order = ObjectState([] if loader is None else [("loader", loader)], limits=_OF_A_LOADER)

    def warn(self) -> None:
        """Warns of what may change in training and cannot be put back."""
        names = list(self._objects.not_understood)
        if self._order.not_understood and isinstance(self._loader, Iterator):
            warnings.warn(
                "the loader is an iterator, as iter(DataLoader) makes one: batches taken from it are gone. "
                "Give the DataLoader itself, which begins again.",
                stacklevel=caller_level(),
            )
        else:
            names += self._order.not_understood
        if getattr(self._loader, "_iterator", None) is not None:
            names.append("the random streams of the loader's worker processes (persistent_workers)")
        if names:
            warnings.warn(
                f"cannot be copied, so that training steps change it for good: {', '.join(names)}",
                stacklevel=caller_level(),
            )

    def restore(self, *, loader: bool = True) -> None:
        """Puts everything back, with `loader` its order too; a RestoreError names what refuses."""
        refused = self._restore_all_but_the_loader()
        if loader:
            refused += self._restore_order()
        _report(refused, raising=True)

    def restore_loader(self) -> None:
        """Puts the loader back, and nothing else: its order begins again."""
        _report(self._restore_order(), raising=True)

    def restore_to_the_end(self) -> None:
        """Restores, without being stopped half-way by an interrupt, which comes afterwards.

        Where an exception is under way it stays the one that is raised; what refuses is then warned of.

        Raises:
            RestoreError: Something refuses; it is named, and all else was put back.
        """
        raising = sys.exc_info()[1] is None
        try:
            with interrupts_held():
                refused = self._restore_all_but_the_loader() + self._order.restore()
        except KeyboardInterrupt:  # before they were held, or at the end
            with interrupts_held():
                self._restore_all_but_the_loader()
                self._order.restore()
            raise
        _report(refused, raising=raising)

    def _restore_all_but_the_loader(self) -> list[str]:
        self._modes.restore()
        refused = self._objects.restore()
        self._streams.restore()
        return refused

    def _restore_order(self) -> list[str]:
        """The loader but for its worker processes, which take seconds to start again."""
        workers = getattr(self._loader, "_iterator", None)
        refused = self._order.restore()
        if workers is not None:
            vars(self._loader)["_iterator"] = workers
        return refused


@contextmanager
def preserved(model: nn.Module, optimizer: Optimizer, **others: Any) -> Iterator[Snapshot]:
    """Whatever happens inside, everything is afterwards as it was before; arguments are those of `Snapshot`.

    Warns:
        UserWarning: Something may change in training and cannot be copied; it is named.
    """
    snapshot = Snapshot(model, optimizer, **others)
    snapshot.warn()
    try:
        yield snapshot
    finally:
        try:
            snapshot.restore_to_the_end()
        except KeyboardInterrupt:  # on the way into it
            snapshot.restore_to_the_end()
            raise


def _report(refused: list[str], *, raising: bool) -> None:
    if not refused:
        return
    message = (
        f"could not be put back as it was before the test: {', '.join(refused)}. All else was. Make it anew "
        "before training."
    )
    if raising:
        raise RestoreError(message)
    warnings.warn(message, stacklevel=caller_level())


def _devices(model: nn.Module, optimizer: Optimizer) -> set[torch.device]:
    """Where the parameters are that are trained or could be."""
    parameters = [*model.parameters(), *moved_by(optimizer)]
    if any(nn.parameter.is_lazy(parameter) for parameter in parameters):
        raise ModelError(
            "the model has parameters whose shape is not known yet (a lazy module): "
            "call it once on a batch before the range test"
        )
    return {parameter.device for parameter in parameters}


def generators_of(loader: Any) -> list[torch.Generator]:
    """The random generators that a DataLoader draws its order from."""
    batches = getattr(loader, "batch_sampler", None)
    owners = (loader, getattr(loader, "sampler", None), batches, getattr(batches, "sampler", None))
    found = (getattr(owner, "generator", None) for owner in owners)
    return list({id(g): g for g in found if isinstance(g, torch.Generator)}.values())
