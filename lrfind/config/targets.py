"""Which classes a config may name: a config that names classes is code.

A `_target_` is checked by its name before anything is imported, and the object it led to is checked again by
where it was defined, so that `torch.nn.functional.torch.hub.load` does not pass as something of torch.nn.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lrfind.config.schema import TaskConfig

KNOWN = {
    "model": ("torch.nn", "torchvision.models", "lrfind.tasks.models"),
    "data": ("torchvision.datasets", "torch.utils.data", "lrfind.tasks.data"),
    "optimizer": ("torch.optim",),
    "criterion": ("torch.nn",),
}
"""Packages that each group may name without being told. Not the whole of lrfind.tasks: `instantiate` in it imports
what it is told to, and a config that could name that could name anything."""

_ALWAYS = ("torchvision.transforms",)
"""Packages that arguments of any group may name: they only hold functions of pictures."""


def check_targets(config: TaskConfig) -> list[str]:
    """Problems with the `_target_`s of a config, one paragraph each; imports nothing."""
    problems = []
    for group, known in KNOWN.items():
        trusted = trusted_packages(group, config.trust)
        for key, name in named_targets(getattr(config, group), group):
            if not isinstance(name, str) or not name.strip("."):
                problems.append(f"{key} must be the dotted name of a class or function, got {name!r}.")
            elif not _inside(name, trusted):
                package = name.split(".")[0]
                problems.append(
                    f"{key}={name} is not trusted: {group} may name {', '.join(known)}. If {package} is code "
                    f"that you want to run, say so with trust=[{package}]."
                )
        node = getattr(config, group)
        if group != "criterion" and "_target_" not in node:
            problems.append(f"{group}._target_ is required: a class or function that makes the {group}.")
        elif group == "criterion" and "_target_" not in node and node.get("from_model") is not True:
            problems.append("criterion._target_ is required, or criterion=from_model.")
    return problems


def trusted_packages(group: str, trust: list[str]) -> tuple[str, ...]:
    """Packages that a group may name, those the user trusts among them."""
    return KNOWN[group] + _ALWAYS + tuple(trust)


def led_outside(target: Any, trusted: tuple[str, ...]) -> str | None:
    """The module an object was defined in, where that is none of the trusted packages; else None.

    Functions of C that belong to no module pass, since they are reached only through a trusted one; a method
    of a built-in object, such as `sys.path.insert`, is judged by the class of that object.
    """
    if inspect.ismodule(target):
        return target.__name__
    module = getattr(target, "__module__", None)
    if module is None:
        owner = getattr(target, "__objclass__", None) or type(getattr(target, "__self__", None))
        module = None if owner is type(None) else owner.__module__
    return None if module is None or _inside(module, trusted) else str(module)


def _inside(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def named_targets(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Every `_target_` at any depth, with its dotted key."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "_target_":
                yield f"{key}.{name}", value
            else:
                yield from named_targets(value, f"{key}.{name}")
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from named_targets(item, f"{key}[{index}]")
