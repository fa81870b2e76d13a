"""From a config node to the object it names: the only place that lets a config call code."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import sys
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate as hydra_instantiate

from lrfind.config.targets import is_inside, name_problems, named_targets, node_problems, reference_problems
from lrfind.config.validate import nearest
from lrfind.errors import ConfigError, UserError
from lrfind.own_code import own_frames, place_text, raised_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OWNERS = ("torch", "torchvision", "lrfind")
"""Whose code the known packages hold; a name in them may also stand for something of another package."""

_PLAIN = (str, bool, int, float, bytes, Path, Enum, type(None))


def callable_of(group: str, node: dict[str, Any], trust: list[str]) -> functools.partial[Any]:
    """What a node names, with its arguments bound and nothing called yet (but for nested nodes).

    Args:
        group: `model`, `data`, `optimizer` or `criterion`, for the trust and for messages.
        node: A `_target_` and its arguments.
        trust: Packages the user trusts. With any, the working directory can be imported from.

    Raises:
        ConfigError: The name leads nowhere, or out of the trusted packages.
    """
    # A copy of plain containers: what is checked here is what is built, whoever else holds the node.
    plain = _plain(node, group)
    if problems := node_problems(plain, group, trust):
        raise ConfigError(*problems)
    _import_from_working_directory(trust)
    for key, name in named_targets(plain, group):
        _check_path(key, name, trust)
    try:
        made = hydra_instantiate({**plain, "_partial_": True, "_convert_": "all"})
    except InstantiationException as error:
        frames = own_frames(_innermost(error))
        raise ConfigError(f"{group}: {_reason(error)}{place_text(frames)}.", frames=frames) from error
    assert isinstance(made, functools.partial)
    return made


def function_of(key: str, group: str, name: str, trust: list[str]) -> Any:
    """The class or function whose name is the value of a key, not called; see `callable_of`."""
    if problems := reference_problems(name, key) + name_problems(key, name, group, trust):
        raise ConfigError(*problems)
    _import_from_working_directory(trust)
    return _check_path(key, name, trust)


def instantiate(
    group: str,
    node: dict[str, Any],
    trust: list[str],
    *args: Any,
    error: type[UserError] = ConfigError,
    **kwargs: Any,
) -> Any:
    """The object a node names, called with further arguments.

    Raises:
        ConfigError: See `callable_of`.
        UserError: The call failed: an exception of the type `error`, unless it was one of ours already.
    """
    return call(group, node, callable_of(group, node, trust), *args, error=error, **kwargs)


def call(
    group: str,
    node: dict[str, Any],
    make: functools.partial[Any],
    *args: Any,
    error: type[UserError] = ConfigError,
    **kwargs: Any,
) -> Any:
    """The result of a call of what `callable_of` returned; see `instantiate`."""
    with raised_as(error, f"{group}: {node['_target_']} could not be made {_spelled(node)}:"):
        try:
            return make(*args, **kwargs)
        except TypeError as cause:
            name = re.search(r"unexpected keyword argument '(\w+)'", str(cause))
            if name is None or name[1] not in node or own_frames(cause):
                raise
            raise error(
                f"{group}.{name[1]} is no argument of {node['_target_']}.{_arguments(make.func, group)}"
            ) from cause


def _arguments(function: Any, group: str) -> str:
    """What a function can be given from a config, in a sentence; empty where it does not say."""
    taken = parameters_of(function).values()
    names = [
        each.name for each in taken if each.kind is not each.VAR_POSITIONAL and each.default is not each.empty
    ]
    return f" It takes {', '.join(f'{group}.{name}' for name in names)}." if names else ""


def parameters_of(function: Any) -> Mapping[str, inspect.Parameter]:
    """What a function takes, by name; nothing where it does not say."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


@contextmanager
def raised_as(error: type[UserError], what: str) -> Iterator[None]:
    """What code of a user's raises inside becomes an `error` that says where; `what` begins its message."""
    try:
        yield
    except UserError:
        raise
    except Exception as cause:
        frames = own_frames(cause)
        said = f"{what} {raised_text(cause).rstrip('.')}{place_text(frames)}."
        raise error(said, frames=frames) from cause


def _plain(node: Any, key: str) -> Any:
    """A copy of a node in dicts and lists; an object, which might be a config of its own, is refused."""
    if isinstance(node, dict):
        return {name: _plain(value, f"{key}.{name}") for name, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_plain(item, f"{key}[{index}]") for index, item in enumerate(node)]
    if not isinstance(node, _PLAIN):
        raise ConfigError(f"{key} must be a number, a text, a list or a group of keys, got {node!r}.")
    return node


def _import_from_working_directory(trust: list[str]) -> None:
    """Lets modules of the working directory be imported, where the user trusts any package."""
    if trust and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))


def _check_path(key: str, name: str, trust: list[str]) -> Any:
    """Follows a dotted name and refuses one that leads nowhere, or through a module of another package."""
    first, *rest = name.split(".")
    path = first
    try:
        found: Any = importlib.import_module(first)
        for part in rest:
            path = f"{path}.{part}"
            if inspect.ismodule(found) and not hasattr(found, part):
                _import_if_there(path)
            if not hasattr(found, part):
                known = [each for each in dir(found) if not each.startswith("_")]
                raise ConfigError(
                    f"{key}={name} leads nowhere: there is no {part} in {path.rpartition('.')[0]}."
                    f"{nearest(part, known)}"
                )
            found = getattr(found, part)
            if inspect.ismodule(found) and found.__name__ != path:
                raise ConfigError(
                    f"{key}={name} is not trusted: {path} leads to {found.__name__}. If that is code you "
                    f"want to run, name it so and say trust=[{found.__name__.split('.')[0]}]."
                )
    except ConfigError:
        raise
    except Exception as error:
        frames = own_frames(error)
        if isinstance(error, (ImportError, AttributeError)) and not frames:
            looked = ", looked for in the working directory and among what is installed" if trust else ""
            where = looked if path == first else ""
            raise ConfigError(f"{key}={name} leads nowhere: {_reason(error)}{where}.") from error
        said = f"{key}={name} could not be imported: {raised_text(error).rstrip('.')}{place_text(frames)}."
        raise ConfigError(said, frames=frames) from error
    if inspect.ismodule(found) or not callable(found):
        raise ConfigError(f"{key}={name} is neither a class nor a function.")
    owner = str(getattr(found, "__module__", None) or _OWNERS[0]).split(".")[0]
    if owner not in _OWNERS and not is_inside(name, *trust):
        raise ConfigError(
            f"{key}={name} is not trusted: it is {owner}'s. If that is code you want to run, name it so and "
            f"say trust=[{owner}]."
        )
    return found


def _import_if_there(path: str) -> None:
    """Imports a module of a package, if it has one of that name."""
    try:
        importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name != path:
            raise


def _reason(error: Exception) -> str:
    """The innermost cause, which names what is wrong."""
    cause = _innermost(error)
    return (str(cause) or type(cause).__name__).strip().splitlines()[0].rstrip(".")


def _innermost(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _spelled(node: dict[str, Any]) -> str:
    arguments = [f"{key}={value}" for key, value in node.items() if not key.startswith("_")]
    return f"from {', '.join(arguments)}" if arguments else "without arguments"
