"""From a config node to the object it names: the only place that lets a config call code."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from enum import Enum
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate as hydra_instantiate

from lrfind.config.targets import is_inside, named_targets, node_problems
from lrfind.errors import ConfigError, UserError

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
    if trust and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    for key, name in named_targets(plain, group):
        _check_path(key, name, trust)
    try:
        made = hydra_instantiate({**plain, "_partial_": True, "_convert_": "all"})
    except InstantiationException as error:
        raise ConfigError(f"{group}: {_reason(error)}") from error
    assert isinstance(made, functools.partial)
    return made


def made(
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
    return called(group, node, callable_of(group, node, trust), *args, error=error, **kwargs)


def called(
    group: str,
    node: dict[str, Any],
    make: functools.partial[Any],
    *args: Any,
    error: type[UserError] = ConfigError,
    **kwargs: Any,
) -> Any:
    """The result of a call of what `callable_of` returned; see `made`."""
    try:
        return make(*args, **kwargs)
    except UserError:
        raise
    except Exception as cause:
        raise error(
            f"{group}: {node['_target_']} could not be made from {_spelled(node)}: "
            f"{type(cause).__name__}: {' '.join(str(cause).split())}"
        ) from cause


def _plain(node: Any, key: str) -> Any:
    """A copy of a node in dicts and lists.

    Raises:
        ConfigError: It holds what no config file can: an object, which might be a config of its own.
    """
    if isinstance(node, dict):
        return {name: _plain(value, f"{key}.{name}") for name, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_plain(item, f"{key}[{index}]") for index, item in enumerate(node)]
    if not isinstance(node, _PLAIN):
        raise ConfigError(f"{key} must be a number, a text, a list or a group of keys, got {node!r}.")
    return node


def _check_path(key: str, name: str, trust: list[str]) -> None:
    """Follows a dotted name and refuses one that leads nowhere, or through a module of another package.

    Raises:
        ConfigError: It does, or what it names is no class or function.
    """
    first, *rest = name.split(".")
    path = first
    try:
        found: Any = importlib.import_module(first)
        for part in rest:
            path = f"{path}.{part}"
            if inspect.ismodule(found) and not hasattr(found, part):
                importlib.import_module(path)
            found = getattr(found, part)
            if inspect.ismodule(found) and found.__name__ != path:
                raise ConfigError(
                    f"{key}={name} is not trusted: {path} leads to {found.__name__}. If that is code you "
                    f"want to run, name it so and say trust=[{found.__name__.split('.')[0]}]."
                )
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{key}={name} leads nowhere: {_reason(error)}.") from error
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"{key}={name} could not be imported: {type(error).__name__}: {error}") from error
    if inspect.ismodule(found) or not callable(found):
        raise ConfigError(f"{key}={name} is neither a class nor a function.")
    owner = str(getattr(found, "__module__", None) or _OWNERS[0]).split(".")[0]
    if owner not in _OWNERS and not any(is_inside(name, package) for package in trust):
        raise ConfigError(
            f"{key}={name} is not trusted: it is {owner}'s. If that is code you want to run, name it so and "
            f"say trust=[{owner}]."
        )


def _reason(error: Exception) -> str:
    """The innermost cause, which names what is wrong."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return (str(cause) or type(cause).__name__).strip().splitlines()[0].rstrip(".")


def _spelled(node: dict[str, Any]) -> str:
    arguments = [f"{key}={value}" for key, value in node.items() if not key.startswith("_")]
    return ", ".join(arguments) or "no arguments"
