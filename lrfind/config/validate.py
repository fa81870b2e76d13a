"""From a composed config to a validated dataclass, with all that is wrong said at once."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import operator
import typing
from enum import Enum
from typing import Any, TypeVar

from omegaconf import BooleanNode, DictConfig, FloatNode, IntegerNode, OmegaConf, StringNode
from omegaconf.errors import OmegaConfBaseException

from lrfind.config.bounds import key_of, problems_of
from lrfind.config.targets import check_targets, reference_problems
from lrfind.errors import ConfigError

Config = TypeVar("Config")

_OWN = 5
"""Keys missing from which on a config does not build on that of a command."""

_SCALARS: dict[Any, Any] = {bool: BooleanNode, int: IntegerNode, float: FloatNode, str: StringNode}
"""What OmegaConf converts a value to a type with."""

_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    int | str: "a whole number or a word",
}
_CONTAINERS: dict[Any, tuple[type | tuple[type, ...], str]] = {
    list[Any]: (list, "a list"),
    list[str]: (list, "a list of names in brackets"),
    list[Any] | str: ((list, str), "a list, such as [0.1,0.3], or a word"),
    dict[str, Any]: (dict, "a group of keys"),
}
"""By their type: what values have to be, and how that is said."""


def validated(composed: DictConfig, schema: type[Config]) -> Config:
    """The config as an instance of `schema`.

    Raises:
        ConfigError: A key is missing or unknown, a value has the wrong type or lies outside its range, or a
            `_target_` is not trusted; every problem is named.
    """
    try:
        plain = OmegaConf.to_container(composed, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{error.full_key or 'config'}: {str(error).strip().splitlines()[0]}") from error
    assert isinstance(plain, dict)
    missing = sorted(OmegaConf.missing_keys(composed))
    problems = [f"{key} is required: give it as {key}={_example(key)}." for key in missing]
    problems += reference_problems(plain, "")
    if not problems:
        config = _built(schema, {str(key): value for key, value in plain.items()}, "", problems)
    if problems:
        raise ConfigError(*problems)
    problems = problems_of(config) + check_targets(config)
    if problems:
        raise ConfigError(*problems)
    return typing.cast("Config", config)


def _example(key: str) -> str:
    last = key.rpartition(".")[2]
    examples = {"_target_": "PACKAGE.NAME, with 'trust=[PACKAGE]' for code of yours", "root": "FOLDER"}
    return examples.get(last, "VALUE")


def nearest(word: str, words: typing.Iterable[str]) -> str:
    """A clause naming the words nearest to a misspelt one, or nothing."""
    words = list(dict.fromkeys(words))
    close = [each for each in words if each.lower() == word.lower()]
    close = close or difflib.get_close_matches(word, words, n=3, cutoff=0.6)
    close = close or [each for each in words if len(word) > 1 and each.startswith(word)]
    return f" Did you mean {' or '.join(close)}?" if close else ""


def _built(schema: type[Any], values: dict[str, Any], prefix: str, problems: list[str]) -> Any:
    """An instance of a dataclass from plain values; problems are added to the list."""
    hints = typing.get_type_hints(schema)
    fields = {key_of(field.name): field for field in dataclasses.fields(schema)}
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        dotted = f"{prefix}{key}"
        if key not in fields:
            problems.append(f"{dotted} is no key of this command.{nearest(key, fields)}")
            continue
        name = fields[key].name
        hint = hints[name]
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            if isinstance(value, dict):
                arguments[name] = _built(hint, value, f"{dotted}.", problems)
            else:
                problems.append(_no_group(dotted, hint, value))
            continue
        try:
            arguments[name] = _converted(hint, value)
        except ValueError:
            problems.append(
                f"{dotted} must be {_wanted(hint)}, got {_spelled(value)}.{_meant(dotted, hint, value)}"
            )
    needed = {
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    missing = [f"{prefix}{name}" for name in sorted(needed - values.keys())]
    if not prefix and len(missing) > _OWN:
        problems.append(
            f"{', '.join(missing)} are missing: a config of one's own begins with that of the command, "
            "'defaults: [range, _self_]'."
        )
    else:
        problems += [f"{key} is missing: give it as {key}=VALUE." for key in missing]
    return None if problems else schema(**arguments)


def _no_group(key: str, schema: type[Any], value: Any) -> str:
    """What is said of a value in the place of a group of keys."""
    first = next((field.name for field in dataclasses.fields(schema)), None)
    such = f", such as {key}.{first}=VALUE" if first else ""
    return f"{key} must be a group of keys{such}, got {_spelled(value)}."


def _spelled(value: Any) -> str:
    """A value as it is written on the command line, or as Python has it."""
    return "null" if value is None else repr(value)


def _converted(hint: Any, value: Any) -> Any:
    """A value as its type wants it; OmegaConf does the conversion of scalars, or a ValueError is raised."""
    if hint is Any:
        return value
    if type(None) in typing.get_args(hint):
        if value is None:
            return None
        hint = _without_none(hint)
    if hint in _CONTAINERS:
        kinds: Any = _CONTAINERS[hint][0]
        if not isinstance(value, kinds) or (hint == list[str] and not all(isinstance(x, str) for x in value)):
            raise ValueError
        return value
    if typing.get_origin(hint) is typing.Literal:
        # YAML reads a plain true as a truth value, and some options are called so.
        if str(value).lower() not in typing.get_args(hint):
            raise ValueError
        return str(value).lower()
    if hint == int | str:
        if isinstance(value, str):
            return value
        hint = int
    if _is_enum(hint):
        return hint(str(value).lower() if isinstance(value, (str, bool)) else value)
    if value is None or isinstance(value, (dict, list)) or (hint in (int, float) and isinstance(value, bool)):
        raise ValueError
    if hint is int and isinstance(value, float) and value.is_integer():
        return int(value)  # 1e3 is a whole number to everyone but YAML
    try:
        return _SCALARS[hint](value)._value()
    except OmegaConfBaseException as error:
        raise ValueError from error


def _without_none(hint: Any) -> Any:
    """The type that is left of one that may be None."""
    return functools.reduce(operator.or_, (each for each in typing.get_args(hint) if each is not type(None)))


def _wanted(hint: Any) -> str:
    if type(None) in typing.get_args(hint):
        return f"{_wanted(_without_none(hint))} or null"
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(typing.get_args(hint))
    if _is_enum(hint):
        return "one of " + ", ".join(str(member.value) for member in hint)
    return _CONTAINERS[hint][1] if hint in _CONTAINERS else _WORDS[hint]


def _meant(key: str, hint: Any, value: Any) -> str:
    """What to type instead, where it can be told."""
    if not isinstance(value, (str, float, int)):
        return ""
    kinds = [*typing.get_args(hint), hint]
    if list[str] in kinds or (list[Any] in kinds and not isinstance(value, str)):
        return f" Write {key}=[{value}]."
    options = [str(each.value) for kind in kinds if _is_enum(kind) for each in kind]
    options += [each for each in kinds if isinstance(each, str)]
    return nearest(str(value), options)


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)
