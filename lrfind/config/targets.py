"""Which classes a config may name, and whose code the user trusts: a config that names classes is code.

A `_target_` is checked by its name before anything is imported. Of the known packages it may name what lies
directly in them (`torch.nn.Linear`), nothing deeper: a package's own modules lead to the rest of the world,
as `torch.nn.functional.torch.hub.load` does. Of a package the user trusts it may name anything; that its
path stays inside that package is checked where the path is followed, in `lrfind.tasks.instantiate`.

What is checked is what is built: a text that still holds `${` once the config is resolved is refused, as
whoever resolves it a second time would find there what nobody has checked.

Trust is said on the command line or in the environment, never in a file: a config file that could say so
itself would only have to name what it wants to run.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from lrfind.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from omegaconf import DictConfig

    from lrfind.config.schema import TaskConfig

KNOWN = {
    "model": ("torch.nn", "torchvision.models", "lrfind.tasks.models"),
    "data": ("torchvision.datasets", "torch.utils.data", "lrfind.tasks.data"),
    "optimizer": ("torch.optim", "lrfind.tasks.optimizers"),
    "criterion": ("torch.nn", "torch.nn.functional", "lrfind.tasks.losses"),
}
"""Packages whose own names each group may use without being told."""

_ALWAYS = ("torchvision.transforms", "torchvision.transforms.v2")
"""The same for arguments of any group: they only hold functions of pictures."""

UNPICKLING = frozenset({"torchvision.datasets.LSUN", "torchvision.datasets.LSUNClass"})
"""What lies in a known package and yet runs code: it unpickles a cache that it finds beside the data."""

REFERENCE = "${"
"""How a reference to another key, or to a resolver, begins."""

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


def check_targets(config: TaskConfig) -> list[str]:
    """Problems with the `_target_`s of a config, one paragraph each; imports nothing."""
    problems = []
    for group in KNOWN:
        node = getattr(config, group)
        problems += node_problems(node, group, config.trust)
        if group != "criterion" and "_target_" not in node:
            problems.append(f"{group}._target_ is required: a class or function that makes the {group}.")
        elif group == "criterion" and "_target_" not in node and node.get("from_model") is not True:
            problems.append("criterion._target_ is required, or criterion=from_model.")
        elif node.get("from_model") and "_target_" in node:
            problems.append("criterion has both from_model and a _target_: give one of them.")
    return problems


def node_problems(node: Any, group: str, trust: list[str]) -> list[str]:
    """Problems with every `_target_` of a node and with every text that is none, one paragraph each."""
    problems = reference_problems(node, group)
    for key, name in named_targets(node, group):
        problems += name_problems(key, name, group, trust)
    return problems


def name_problems(key: str, name: Any, group: str, trust: list[str]) -> list[str]:
    """Problems with the name that a key of a group has as its value, one paragraph each."""
    package = str(name).split(".")[0]
    if not isinstance(name, str) or not _DOTTED.fullmatch(name) or "__" in name:
        return [f"{key} must be the dotted name of a class or function, got {name!r}."]
    if not is_trusted(name, group, trust):
        whole = [f"torch.{name}", f"torch.nn.{name}", f"torchvision.{name}"]
        meant = next((each for each in whole if is_trusted(each, group, [])), None)
        guess = "" if meant is None or package in ("torch", "torchvision") else f" Did you mean {meant}?"
        return [
            f"{key}={name} is not trusted: {group} may name what lies in {', '.join(KNOWN[group])}."
            f"{guess} If {package} is code that you want to run, say so with trust=[{package}]."
        ]
    if name in UNPICKLING and not is_inside(name, *trust):
        return [
            f"{key}={name} is not trusted: it unpickles a file from the folder of the data, which runs "
            f"whatever code that file holds. If you trust the folder, say so with trust=[{name}]."
        ]
    return []


def reference_problems(node: Any, key: str) -> list[str]:
    """Problems with texts that hold a reference after all were resolved, one paragraph each."""
    return [
        f"{where} holds {REFERENCE!r} after its references were resolved, and would be read as a reference a "
        "second time: write it without a backslash before the dollar sign, or leave it out."
        for where in _references(node, key)
    ]


def is_trusted(name: str, group: str, trust: list[str]) -> bool:
    """Whether a group may name it: directly in a known package, or anywhere in one that the user trusts."""
    return name.rpartition(".")[0] in KNOWN[group] + _ALWAYS or is_inside(name, *trust)


def is_inside(name: str, *packages: str) -> bool:
    """Whether a dotted name is that of one of the packages or of something in it."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def named_targets(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Every `_target_` at any depth, with its dotted key."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "_target_":
                yield f"{key}.{name}", value
            else:
                yield from named_targets(value, f"{key}.{name}")
    elif isinstance(node, (list, tuple)):
        for index, item in enumerate(node):
            yield from named_targets(item, f"{key}[{index}]")


def _references(node: Any, key: str) -> Iterator[str]:
    """The dotted keys of texts that hold a reference, at any depth."""
    if isinstance(node, str):
        if REFERENCE in node:
            yield key
    elif isinstance(node, dict):
        for name, value in node.items():
            inner = f"{key}.{name}" if key else str(name)
            yield from _references(str(name), inner)
            yield from _references(value, inner)
    elif isinstance(node, (list, tuple)):
        for index, item in enumerate(node):
            yield from _references(item, f"{key}[{index}]")


VARIABLE = "LRFIND_TRUST"
"""Packages the user always trusts, with commas between them."""

_OVERRIDE = re.compile(r"\+{0,2}trust=")


def trust_of(arguments: Sequence[str]) -> list[str]:
    """The packages that the words of a command line and the environment name.

    Of a multirun over several values all count.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    named = [name.strip() for name in os.environ.get(VARIABLE, "").split(",")]
    for word in filter(_OVERRIDE.match, arguments):
        try:
            override = OverridesParser.create().parse_override(word)
        except HydraException:
            continue  # Hydra says what is wrong with it
        named += _texts(
            override.value() if not override.is_sweep_override() else list(override.sweep_iterator())
        )
    return [name for name in dict.fromkeys(named) if name]


def with_trust_of_the_user(composed: DictConfig, trust: Sequence[str]) -> DictConfig:
    """The config with the packages that the user named in place of those that its files name.

    Raises:
        ConfigError: The config needs a package that only a file names; the message says what to add.
    """
    from omegaconf import OmegaConf, open_dict
    from omegaconf.errors import OmegaConfBaseException

    try:
        plain: Any = OmegaConf.to_container(composed, resolve=True)
        written = plain.get("trust")
    except OmegaConfBaseException:
        plain, written = {}, []  # whoever validates it says what is wrong with it
    if not (isinstance(written, list) and all(isinstance(name, str) for name in written)):
        return composed  # the same
    needed = [name for name in written if name not in trust and _is_needed(plain, name, trust)]
    if needed:
        whole = ",".join([*trust, *needed])
        raise ConfigError(
            f"trust=[{','.join(needed)}] stands in a config file, where it does not count: a file would only "
            f"have to trust itself. If that is code that you want to run, add 'trust=[{whole}]' to the "
            f"command line, or set {VARIABLE}={whole}."
        )
    with open_dict(composed):
        composed.trust = [name for name in written if name in trust] + [
            name for name in trust if name not in written
        ]
    return composed


def _is_needed(plain: Mapping[str, Any], package: str, trust: Sequence[str]) -> bool:
    """Whether a class that the config names is trusted with the package and not without it."""
    return any(
        isinstance(name, str) and is_inside(name, package) and not is_trusted(name, group, list(trust))
        for group in KNOWN
        for _, name in named_targets(plain.get(group), group)
    )


def _texts(value: Any) -> Iterator[str]:
    """The texts of an override's value, a list or one of them."""
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif value is not None:
        # A quoted text is an object of Hydra's that has its text within.
        yield str(getattr(value, "text", value))
