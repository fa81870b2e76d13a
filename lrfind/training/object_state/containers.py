"""Containers and attributes saved and put back in place: dicts, lists, sets, deques, arrays, slots."""

from __future__ import annotations

import operator
from array import array
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable


class State(Protocol):
    """Something saved."""

    def restore(self) -> None:
        """Puts it back as it was."""


class DictState:
    """Keys, values and order of a dict, of any subclass, also the `__dict__` of an object."""

    __slots__ = ("_base", "_content", "_values")

    def __init__(self, content: dict[Any, Any]) -> None:
        # Past what a subclass does when something is set in it.
        self._base: Any = OrderedDict if isinstance(content, OrderedDict) else dict
        self._content = content
        self._values = dict(self._base.items(content))

    def restore(self) -> None:
        """Puts them back."""
        content, base, values = self._content, self._base, self._values
        if same_objects(base.values(content), values.values()) and same_objects(base.keys(content), values):
            return
        base.clear(content)
        for key, value in values.items():
            base.__setitem__(content, key, value)


class ListState:
    """The elements of a list."""

    __slots__ = ("_content", "_elements")

    def __init__(self, content: list[Any]) -> None:
        self._content = content
        self._elements = list(content)

    def restore(self) -> None:
        """Puts them back."""
        if not same_objects(self._content, self._elements):
            list.__setitem__(self._content, slice(None), self._elements)


class CollectionState:
    """The elements of a set or a deque."""

    __slots__ = ("_content", "_elements")

    def __init__(self, content: set[Any] | deque[Any]) -> None:
        self._content = content
        self._elements = list(content)

    def restore(self) -> None:
        """Puts them back."""
        content = self._content
        if same_objects(content, self._elements):
            return
        content.clear()
        if isinstance(content, deque):
            content.extend(self._elements)
        else:
            content.update(self._elements)


class ArrayState:
    """The elements of a NumPy array, a bytearray or an array of the standard library."""

    __slots__ = ("_content", "_copy")

    def __init__(self, content: np.ndarray[Any, Any] | bytearray | array[Any]) -> None:
        self._content = content
        self._copy: Any = content[:] if isinstance(content, (bytearray, array)) else content.copy()

    def restore(self) -> None:
        """Puts them back; what was not written to is not written now, as it may be memory that cannot be."""
        content: Any = self._content
        if isinstance(content, np.ndarray):
            if content.shape != self._copy.shape:
                content.resize(self._copy.shape, refcheck=False)
            if content.dtype.hasobject or content.tobytes() != self._copy.tobytes():
                content[...] = self._copy
        elif content != self._copy:
            content[:] = self._copy


class SlotsState:
    """The attributes that an object keeps in `__slots__`."""

    __slots__ = ("_names", "_owner", "values")

    def __init__(self, owner: object) -> None:
        self._owner = owner
        self._names = slots_of(type(owner))
        self.values = {name: getattr(owner, name) for name in self._names if hasattr(owner, name)}

    def restore(self) -> None:
        """Puts them back, also where the class is frozen."""
        for name in self._names:
            if name in self.values:
                if getattr(self._owner, name, None) is not self.values[name]:
                    object.__setattr__(self._owner, name, self.values[name])
            elif hasattr(self._owner, name):
                object.__delattr__(self._owner, name)


class ClassState:
    """The attributes of a class that hold data: counters and caches that its objects share."""

    __slots__ = ("_kind", "values")

    KINDS = (bool, int, float, complex, str, tuple, list, dict, set, deque, np.ndarray, type(None))

    def __init__(self, kind: type) -> None:
        self._kind = kind
        self.values = self._data()

    def restore(self) -> None:
        """Puts them back."""
        now = self._data()
        for name, value in self.values.items():
            if now.get(name, self) is not value:
                setattr(self._kind, name, value)
        for name in now.keys() - self.values.keys():
            delattr(self._kind, name)

    def _data(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in vars(self._kind).items()
            if isinstance(value, self.KINDS) and not (name.startswith("__") and name.endswith("__"))
        }


class ScriptState:
    """Parameters, buffers and attributes of a scripted module."""

    __slots__ = ("_module", "values")

    def __init__(self, module: Any) -> None:
        self._module = module._c
        names = module._concrete_type.get_attributes()
        self.values = {name: self._module.getattr(name) for name in names if self._module.hasattr(name)}
        self.values |= dict(module.named_buffers(recurse=False))
        self.values |= dict(module.named_parameters(recurse=False))

    def restore(self) -> None:
        """Puts them back."""
        for name, value in self.values.items():
            self._module.setattr(name, value)


def slots_of(kind: type) -> list[str]:
    """The names in the `__slots__` of a class and its bases."""
    names: list[str] = []
    for base in kind.__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            if name not in ("__dict__", "__weakref__"):
                private = name.startswith("__") and not name.endswith("__")
                names.append(f"_{base.__name__.lstrip('_')}{name}" if private else name)
    return names


def same_objects(one: Iterable[Any], other: Iterable[Any]) -> bool:
    """Whether two containers hold the very same objects in the same order."""
    one, other = list(one), list(other)
    return len(one) == len(other) and all(map(operator.is_, one, other))
