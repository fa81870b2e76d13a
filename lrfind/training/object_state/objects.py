"""What objects hold, at any depth, saved and put back in place."""

from __future__ import annotations

import argparse
import enum
import types
import weakref
from array import array
from collections import OrderedDict, UserDict, UserList, deque
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, Dataset, Sampler

from lrfind.own_code import first_line
from lrfind.training.object_state.containers import (
    ArrayState,
    ClassState,
    CollectionState,
    DictState,
    ListState,
    ScriptState,
    SlotsState,
    slots_of,
)
from lrfind.training.object_state.generators import GENERATORS, GeneratorState, generators_in
from lrfind.training.object_state.ownership import is_platform, is_resource, package_of
from lrfind.training.object_state.tensors import TensorState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lrfind.training.object_state.containers import State

Saved = TypeVar("Saved", bound="State")

_LEAVES = (
    *(type(None), bool, int, float, complex, str, bytes, slice, range, frozenset, enum.Enum),
    *(type, types.ModuleType, types.BuiltinFunctionType, property, np.generic, np.dtype),
    *(torch.dtype, torch.device, torch.layout, torch.memory_format, torch.Size),
)
"""What cannot change, or is code."""

_OPEN = (
    *(Optimizer, LRScheduler, torch.amp.GradScaler, DataLoader, Sampler),
    *(types.SimpleNamespace, argparse.Namespace, UserDict, UserList),
    *(weakref.WeakKeyDictionary, weakref.WeakValueDictionary),
)
"""Classes of torch and Python whose objects are looked into all the same."""

_DATA_SETS = frozenset({"dataset", "datasets", "data_source"})
"""Attributes that hold what is read and not trained: only generators are looked for in it."""


class Limits(NamedTuple):
    """How much is copied.

    Attributes:
        nbytes: A larger tensor or array is taken for data that is only read.
        elements: The elements of a longer container are taken for such.
    """

    nbytes: float = float("inf")
    elements: float = float("inf")


class _Found(NamedTuple):
    """An object to be saved.

    Attributes:
        value: The object.
        name: Where it is, as one would write it in Python.
        package: The package that its owner belongs to, whose plain objects are looked into. Empty: those of
            any package are; None: of none, as the owner is already of another package than what it lay in.
    """

    value: Any
    name: str
    package: str | None


class ObjectState:
    """Everything that some objects hold, copied so that it can be put back in place, as often as asked for.

    Each object is saved once, however many refer to it, and stays the same object. Looked into are modules,
    optimizers, tensors with their gradients, dicts, lists, tuples, sets, deques, arrays, random generators
    and plain objects, with the classes of these. Objects of a package other than their owner's are looked
    into one deep. In functions and data sets only generators are looked for; what else a function closes over
    is left alone, and so are threads, files and their like, and the insides of Python and torch.

    Attributes:
        not_understood: Names and types of what may change and cannot be copied.
    """

    def __init__(self, roots: Iterable[tuple[str, object]], *, limits: Limits | None = None) -> None:
        self.not_understood: list[str] = []
        self._limits = Limits() if limits is None else limits
        self._saved: list[tuple[str, State]] = []
        self._empty: list[dict[Any, Any]] = []  # the dozen dicts for hooks that every module has
        self._seen: dict[int, object] = {}  # also keeps them, so that no id comes twice
        self._waiting: deque[_Found] = deque()
        self._ways: dict[type, Callable[[_Found], None] | None] = {}
        for name, root in roots:
            found = _Found(root, name, "")
            if isinstance(root, dict):
                self._dict(found)
            elif self._way(type(root)) == self._other:
                self._open(found)  # whatever it is
            else:
                self._push(root, name, "")
        while self._waiting:
            found = self._waiting.popleft()
            way = self._ways[type(found.value)]
            assert way is not None
            way(found)
        del self._seen, self._waiting, self._ways  # the last refers back to this object

    def restore(self) -> list[str]:
        """Puts everything back, and goes on where something refuses; names those, each with the reason."""
        refused = []
        for content in self._empty:
            if content:
                content.clear()
        for name, saved in self._saved:
            try:
                saved.restore()
            except Exception as error:  # of whatever class a stranger's object raises
                refused.append(f"{name} ({first_line(error)})")
        return refused

    def _push(self, value: Any, name: str, package: str | None) -> None:
        kind = type(value)
        try:
            way = self._ways[kind]
        except KeyError:
            way = self._ways[kind] = self._way(kind)
        if way is not None and id(value) not in self._seen:
            self._seen[id(value)] = value
            self._waiting.append(_Found(value, name, package))

    def _way(self, kind: type) -> Callable[[_Found], None] | None:
        """How objects of a class are saved; None: not at all."""
        ways: tuple[tuple[Any, Callable[[_Found], None] | None], ...] = (
            (_LEAVES, None),
            (Tensor, self._tensor),
            (torch.jit.ScriptModule, self._script_module),
            (nn.Module, self._module),
            (dict, self._dict),
            (list, self._list),
            (tuple, self._elements),
            ((set, deque), self._collection),
            (GENERATORS, self._generator),
            ((np.ndarray, bytearray, array), self._array),
            (partial, self._partial),
            (types.MethodType, self._method),
            ((types.FunctionType, Dataset), self._read_only),
        )
        return next((way for kinds, way in ways if issubclass(kind, kinds)), self._other)

    def _save(self, name: str, saving: Callable[[Any], Saved], value: Any) -> Saved | None:
        try:
            saved = saving(value)
        except Exception:  # of whatever class a stranger's object raises
            self._not_understood(name, value)
            return None
        self._saved.append((name, saved))
        return saved

    def _not_understood(self, name: str, value: object) -> None:
        self.not_understood.append(f"{name} ({type(value).__name__})")

    def _tensor(self, found: _Found) -> None:
        tensor, name = found.value, found.name
        if tensor.is_meta or tensor.numel() * tensor.element_size() > self._limits.nbytes:
            return
        saved = self._save(name, TensorState, tensor)
        if saved is not None:
            self._push(saved.grad, f"{name}.grad", found.package)
            self._attributes(tensor, name, found.package)

    def _module(self, found: _Found) -> None:
        module, name = found.value, found.name
        package = self._inner(found)
        attributes = vars(module)
        self._keep(attributes, name)
        for key, value in attributes.items():
            if key in ("_parameters", "_buffers", "_modules"):
                self._keep(value, name)
                for child, content in value.items():
                    self._push(content, f"{name}.{child}", package)
            elif type(value) in (OrderedDict, dict) and not value:
                self._empty.append(value)
            else:
                self._attribute(key, value, name, package)
        self._class(found, package)

    def _script_module(self, found: _Found) -> None:
        """A module whose parameters, buffers and attributes torch keeps outside of Python."""
        module, name = found.value, found.name
        package = self._inner(found)
        self._attributes(module, name, package)
        for key, value in module.named_children():
            self._push(value, f"{name}.{key}", package)
        saved = self._save(name, ScriptState, module) if "_c" in vars(module) else None
        if saved is not None:
            for key, value in saved.values.items():
                self._push(value, f"{name}.{key}", package)

    def _dict(self, found: _Found) -> None:
        content, name = found.value, found.name
        self._keep(content, name)
        if len(content) <= self._limits.elements:
            for position, (key, value) in enumerate(list(dict.items(content))):
                shown = repr(key) if isinstance(key, (str, int)) else position
                self._push(value, f"{name}[{shown}]", found.package)
        self._subclass(found, dict)

    def _list(self, found: _Found) -> None:
        self._save(found.name, ListState, found.value)
        self._elements(found)
        self._subclass(found, list)

    def _collection(self, found: _Found) -> None:
        self._save(found.name, CollectionState, found.value)
        self._elements(found)

    def _elements(self, found: _Found) -> None:
        if len(found.value) <= self._limits.elements:
            for position, value in enumerate(found.value):
                self._push(value, f"{found.name}[{position}]", found.package)

    def _array(self, found: _Found) -> None:
        content = found.value
        if getattr(content, "nbytes", len(content)) > self._limits.nbytes:
            return
        self._save(found.name, ArrayState, content)
        if isinstance(content, np.ndarray) and content.dtype.hasobject:
            self._push(content.ravel().tolist(), found.name, found.package)

    def _generator(self, found: _Found) -> None:
        if type(found.value).__name__ != "SystemRandom":  # which has no state
            self._save(found.name, GeneratorState, found.value)

    def _partial(self, found: _Found) -> None:
        call = found.value
        for part in (call.func, call.args, call.keywords):
            self._push(part, found.name, found.package)

    def _method(self, found: _Found) -> None:
        self._push(found.value.__self__, f"{found.name}.__self__", found.package)

    def _read_only(self, found: _Found) -> None:
        """A function or a data set: only the generators in it."""
        if not str(getattr(found.value, "__module__", "")).startswith("torch."):
            for generator in generators_in([found.value]):
                self._push(generator, found.name, found.package)

    def _other(self, found: _Found) -> None:
        """An object of some other class."""
        value = found.value
        if isinstance(value, _OPEN):
            self._open(found)
        elif is_resource(value):
            return
        elif is_platform(value):
            if hasattr(value, "__next__"):
                self._not_understood(found.name, value)
        elif not (hasattr(value, "__dict__") or slots_of(type(value))):
            self._not_understood(found.name, value)
        elif found.package is not None:
            self._open(found)

    def _open(self, found: _Found) -> None:
        """An object that is looked into."""
        value, name, package = found.value, found.name, self._inner(found)
        self._attributes(value, name, package)
        if slots_of(type(value)) and not is_platform(value):
            saved = self._save(name, SlotsState, value)
            if saved is not None:
                for key, content in saved.values.items():
                    self._attribute(key, content, name, package)
        self._class(found, package)

    def _attributes(self, owner: Any, name: str, package: str | None) -> None:
        attributes = getattr(owner, "__dict__", None)
        if isinstance(attributes, dict):
            self._keep(attributes, name)
            for key, value in attributes.items():
                self._attribute(key, value, name, package)

    def _attribute(self, key: str, value: Any, name: str, package: str | None) -> None:
        if key in _DATA_SETS and not isinstance(value, (Tensor, nn.Module)):
            self._read_only(_Found(value, f"{name}.{key}", package))
        else:
            self._push(value, f"{name}.{key}", package)

    def _keep(self, content: dict[Any, Any], name: str) -> None:
        if content:
            self._save(name, DictState, content)
        else:
            self._empty.append(content)

    def _subclass(self, found: _Found, base: type) -> None:
        """What an object of a subclass of a container keeps beside its elements."""
        kind = type(found.value)
        if kind is not base and kind is not OrderedDict and not is_platform(found.value):
            self._attributes(found.value, found.name, found.package)

    def _class(self, found: _Found, package: str | None) -> None:
        for kind in type(found.value).__mro__:
            if kind is object or id(kind) in self._seen:
                continue
            self._seen[id(kind)] = kind
            if kind.__module__.partition(".")[0] == package_of(found.value) and not is_platform(found.value):
                saved = self._save(kind.__name__, ClassState, kind)
                if saved is not None:
                    for key, value in saved.values.items():
                        self._push(value, f"{kind.__name__}.{key}", package)

    def _inner(self, found: _Found) -> str | None:
        """The package whose objects are looked into inside this one."""
        if is_platform(found.value):
            return found.package
        own = package_of(found.value)
        deeper = found.package in ("", own) or isinstance(found.value, (nn.Module, *_OPEN))
        return own if deeper else None
