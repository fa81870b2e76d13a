"""Every key of a command: default, values and meaning, read from its dataclass and its YAML.

What `lrfind COMMAND --help`, the shell's completion and the documentation show is made of it, so that none of
them can drift from what is checked. It imports nothing heavy.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
import typing
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any

import yaml

from lrfind.config.bounds import Options, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GROUPS = ("model", "data", "optimizer", "criterion", "experiment")
"""What is chosen as a whole, `model=cnn`; its keys are those of the option."""

_CONFIGS = "lrfind.configs"


@dataclass(frozen=True, slots=True)
class Key:
    """A key that an override can set.

    Attributes:
        name: Dotted, as it is typed.
        default: As it is typed.
        values: What may be given, in words.
        options: What may be given, word by word; empty where that is no list.
        meaning: What it is, in a sentence or two.
    """

    name: str
    default: str
    values: str
    options: tuple[str, ...]
    meaning: str


def keys_of(schema: type, defaults: Mapping[str, Any], prefix: str = "") -> Iterator[Key]:
    """The keys of a config in their order, without the groups."""
    hints = typing.get_type_hints(schema, include_extras=True)
    meanings = _docstrings(schema)
    for field in dataclasses.fields(schema):
        hint, name = hints[field.name], key_of(field.name)
        if prefix == "" and name in GROUPS:
            continue
        default = defaults.get(name)
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            yield from keys_of(hint, default or {}, f"{prefix}{name}.")
            continue
        options = _options(hint)
        values = ", ".join(options) if options and _is_closed(hint) else _values(hint)
        yield Key(prefix + name, spelled(default), values, options, meanings.get(field.name, ""))


def defaults_of(command: str) -> dict[str, Any]:
    """What the YAML of a command sets, that of the configs below it included; groups are left out."""
    found: dict[str, Any] = {}
    source = files(_CONFIGS).joinpath(f"{command}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(source)
    for below in loaded.pop("defaults", []):
        if isinstance(below, str) and below != "_self_":
            found |= defaults_of(below)
    loaded.pop("hydra", None)
    return found | loaded


def options_of(group: str) -> list[str]:
    """The options of a group, in the order of the alphabet."""
    return sorted(
        each.name.removesuffix(".yaml")
        for each in files(_CONFIGS).joinpath(group).iterdir()
        if each.name.endswith(".yaml")
    )


def keys_of_groups() -> list[str]:
    """The dotted keys that one option of a group or another has: `optimizer.lr`."""
    found: dict[str, None] = {}
    for group in GROUPS[:-1]:
        for option in options_of(group):
            found |= dict.fromkeys(f"{group}.{key}" for key in _option(group, option))
    return list(found)


@cache
def _option(group: str, option: str) -> list[str]:
    """The keys of an option of a group."""
    path = files(_CONFIGS).joinpath(group, f"{option}.yaml")
    node = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [str(key) for key in node if key not in ("_target_", "defaults")]


def options_with(key: str) -> list[str]:
    """The options of its group that have a key, `optimizer.momentum`; none where it is of no group."""
    group, _, name = key.partition(".")
    if group not in GROUPS or not name:
        return []
    return [option for option in options_of(group) if name in _option(group, option)]


def spelled(value: Any) -> str:
    """A value as it is typed on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{spelled(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(spelled, value)) + "]"
    return str(value)


def _docstrings(schema: type) -> dict[str, str]:
    """The text under each field of a dataclass, those it inherits included."""
    found: dict[str, str] = {}
    for kind in reversed(schema.__mro__):
        if not dataclasses.is_dataclass(kind):
            continue
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
        assert isinstance(node, ast.ClassDef)
        for field, text in zip(node.body, node.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                assert isinstance(field.target, ast.Name)
                said = " ".join(ast.literal_eval(text.value).split())
                # YAML says null where Python says None, and has no reserved words.
                said = re.sub(r"\b(from|try)_\b", r"\1", said.replace("None", "null"))
                found[field.target.id] = said
    return found


def _plain(hint: Any) -> tuple[Any, ...]:
    """The types that a hint allows, without bounds."""
    if typing.get_origin(hint) is Annotated:
        return _plain(typing.get_args(hint)[0])
    options = typing.get_args(hint)
    if options and typing.get_origin(hint) not in (list, dict, typing.Literal):
        return tuple(each for option in options for each in _plain(option))
    return (hint,)


def _options(hint: Any) -> tuple[str, ...]:
    """What completion can offer; null alone is no offer."""
    found: list[str] = []
    for kind in _plain(hint):
        if isinstance(kind, type) and issubclass(kind, Enum):
            found += [str(member.value) for member in kind]
        elif typing.get_origin(kind) is typing.Literal:
            found += typing.get_args(kind)
        elif kind is bool:
            found += ["true", "false"]
    if typing.get_origin(hint) is Annotated:
        found += [name for each in hint.__metadata__ if isinstance(each, Options) for name in each.names]
    if found and type(None) in _plain(hint):
        found.append("null")
    return tuple(found)


def _is_closed(hint: Any) -> bool:
    """Whether the options are all that may be given."""
    return not any(kind in (int, float, str, Any, list[Any], list[str]) for kind in _plain(hint))


def _values(hint: Any) -> str:
    names: dict[Any, str] = {
        int: "a whole number",
        float: "a number",
        str: "a text",
        Any: "a word or a list",
        type(None): "null",
    }
    words = [*_options(hint)]
    words += [names.get(kind, "a list") for kind in _plain(hint) if kind is not type(None) or not words]
    if _options(hint) and names[str] in words:  # the words are those that are offered
        words.remove(names[str])
    return ", ".join(dict.fromkeys(words))
