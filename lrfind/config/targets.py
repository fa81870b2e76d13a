"""Which classes a config may name: a config that names classes is code.

A `_target_` is checked by its name before anything is imported. Of the known packages it may name what lies
directly in them (`torch.nn.Linear`), nothing deeper: a package's own modules lead to the rest of the world,
as `torch.nn.functional.torch.hub.load` does. Of a package the user trusts it may name anything; that its
path stays inside that package is checked where the path is followed, in `lrfind.tasks.instantiate`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lrfind.config.schema import TaskConfig

KNOWN = {
    "model": ("torch.nn", "torchvision.models", "lrfind.tasks.models"),
    "data": ("torchvision.datasets", "torch.utils.data", "lrfind.tasks.data"),
    "optimizer": ("torch.optim",),
    "criterion": ("torch.nn", "torch.nn.functional", "lrfind.tasks.losses"),
}
"""Packages whose own names each group may use without being told."""

_ALWAYS = ("torchvision.transforms", "torchvision.transforms.v2")
"""The same for arguments of any group: they only hold functions of pictures."""

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


def check_targets(config: TaskConfig) -> list[str]:
    """Problems with the `_target_`s of a config, one paragraph each; imports nothing."""
    problems = []
    for group, known in KNOWN.items():
        node = getattr(config, group)
        for key, name in named_targets(node, group):
            if not isinstance(name, str) or not _DOTTED.fullmatch(name) or "__" in name:
                problems.append(f"{key} must be the dotted name of a class or function, got {name!r}.")
            elif not is_trusted(name, group, config.trust):
                package = name.split(".")[0]
                problems.append(
                    f"{key}={name} is not trusted: {group} may name what lies in {', '.join(known)}. If "
                    f"{package} is code that you want to run, say so with trust=[{package}]."
                )
        if group != "criterion" and "_target_" not in node:
            problems.append(f"{group}._target_ is required: a class or function that makes the {group}.")
        elif group == "criterion" and "_target_" not in node and node.get("from_model") is not True:
            problems.append("criterion._target_ is required, or criterion=from_model.")
        elif node.get("from_model") and "_target_" in node:
            problems.append("criterion has both from_model and a _target_: give one of them.")
    return problems


def is_trusted(name: str, group: str, trust: list[str]) -> bool:
    """Whether a group may name it: directly in a known package, or anywhere in one that the user trusts."""
    return name.rpartition(".")[0] in KNOWN[group] + _ALWAYS or any(is_inside(name, p) for p in trust)


def is_inside(name: str, package: str) -> bool:
    """Whether a dotted name is that of the package or of something in it."""
    return name == package or name.startswith(f"{package}.")


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
