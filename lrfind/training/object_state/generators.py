"""Random generators of Python, NumPy and torch that objects hold, saved and put back."""

from __future__ import annotations

import random
from collections import deque
from functools import partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lrfind.training.object_state.ownership import package_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

GENERATORS = (
    torch.Generator,
    random.Random,
    np.random.Generator,
    np.random.RandomState,
    np.random.BitGenerator,
)

_LONGEST = 1000
"""Elements up to which a container is looked through: longer ones are data."""

_MOST = 20_000
"""Objects that are looked at."""


class GeneratorState:
    """Where a generator is now; one without a state, as that of the operating system, cannot be saved."""

    __slots__ = ("_put_back",)

    def __init__(self, generator: Any) -> None:
        self._put_back: Callable[[], object]
        if isinstance(generator, random.Random):
            self._put_back = partial(generator.setstate, generator.getstate())
        elif isinstance(generator, (torch.Generator, np.random.RandomState)):
            self._put_back = partial(generator.set_state, generator.get_state())  # type: ignore[arg-type]
        else:
            bits = getattr(generator, "bit_generator", generator)
            self._put_back = partial(setattr, bits, "state", bits.state)

    def restore(self) -> None:
        """Puts it back there."""
        self._put_back()


def generators_in(owners: Iterable[object]) -> list[Any]:
    """The generators that objects hold in attributes, closures and short containers, at any depth, once."""
    found: dict[int, Any] = {}
    seen: dict[int, object] = {}
    waiting = deque(owners)
    while waiting and len(seen) < _MOST:
        owner = waiting.popleft()
        if id(owner) in seen:
            continue
        seen[id(owner)] = owner
        if isinstance(owner, GENERATORS):
            found[id(owner)] = owner
        else:
            waiting.extend(each for each in _held_by(owner) if type(each) not in _PLAIN)
    return list(found.values())


_PLAIN = (int, float, complex, bool, str, bytes, type(None), type, torch.Tensor, np.ndarray)


def _held_by(owner: Any) -> Iterator[object]:
    if isinstance(owner, dict):
        if len(owner) <= _LONGEST:
            yield from owner.values()
    elif isinstance(owner, (list, tuple, set, frozenset, deque)):
        if len(owner) <= _LONGEST:
            yield from owner
    elif isinstance(owner, partial):
        yield from (owner.func, owner.args, owner.keywords)
    elif isinstance(owner, MethodType):
        yield owner.__self__
    elif isinstance(owner, FunctionType):
        yield from closed_over(owner)
    elif not isinstance(owner, type) and package_of(owner) not in _NOT_LOOKED_INTO:
        yield from getattr(owner, "__dict__", {}).values()


_NOT_LOOKED_INTO = ("builtins", "numpy")


def closed_over(function: FunctionType) -> Iterator[object]:
    """What a function refers to beside its arguments."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not filled yet
            continue
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
