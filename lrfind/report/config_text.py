"""Where in the text of a YAML or TOML file the number of a key stands: all around it is kept as it is."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FLAG, EXAMPLE = "--write-config", "--write-config train.yaml:optimizer.lr"
"""With a file and a key of it behind it, which the suggested rate is written to."""

EXTRA = "write-config"
"""The extra of the package that TOML needs."""

_STAND_IN = 7_654_321_000_000
"""Put in the place of a number to see where that stands; or the next that a text does not hold."""


class KeyTextError(ValueError):
    """The text cannot be read, or has no number at the key; the message says which, without its file."""


@dataclass(frozen=True, slots=True)
class NumberPlace:
    """A number in a text, from the index `start` to `end`."""

    start: int
    end: int
    value: int | float

    def replaced(self, text: str, number: float) -> str:
        """The text with another number there."""
        return text[: self.start] + spelled(number) + text[self.end :]


def spelled(number: float) -> str:
    """A number that every reader of YAML, 1.1 or 1.2, and of TOML takes for one: `1.0e-05`, not `1e-05`."""
    digits, e, exponent = repr(float(number)).partition("e")
    return f"{digits}.0e{exponent}" if e and "." not in digits else f"{digits}{e}{exponent}"


def yaml_number(text: str, keys: Sequence[str]) -> NumberPlace:
    """Finds the number of a key in YAML: `keys` are names in mappings and indices from 0 in lists.

    Raises:
        KeyTextError: There is none.
    """
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1}"
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be parsed"
        raise KeyTextError(f"is no YAML of one document{where}: {reason}") from error
    for depth, key in enumerate(keys):
        before = ".".join(keys[:depth])
        if isinstance(node, yaml.MappingNode):
            found = [(name, value) for name, value in node.value if str(name.value) == key]
            if len(found) > 1:
                raise KeyTextError(f"has {'.'.join(keys[: depth + 1])} twice")
            if not found:
                raise _absent(keys, depth, [str(name.value) for name, _ in node.value])
            name, node = found[0]
            if node.start_mark.index < name.start_mark.index:
                raise KeyTextError(
                    f"has an alias at {'.'.join(keys[: depth + 1])}: name the key that it stands for"
                )
        elif isinstance(node, yaml.SequenceNode):
            node = _element(node.value, key, before)
        else:
            raise KeyTextError(f"has no keys under {before}" if before else "holds no keys")
    key = ".".join(keys)
    if not isinstance(node, yaml.ScalarNode):
        raise KeyTextError(f"has a group of keys or a list at {key}, not a number")
    start, end = node.start_mark.index, node.end_mark.index
    value = _number(node.value)
    if value is None or node.style is not None or not text[start:end].endswith(node.value):
        raise KeyTextError(f"has {text[start:end] or 'nothing'} at {key}, not a number")
    return NumberPlace(end - len(node.value), end, value)


def toml_number(text: str, keys: Sequence[str]) -> NumberPlace:
    """Finds the number of a key in TOML; arguments and errors are those of `yaml_number`.

    Raises:
        ImportError: tomlkit is not installed.
        KeyTextError: There is none.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise KeyTextError(f"is no TOML: {error}") from error
    holder: Any = None
    value: Any = document
    for depth, key in enumerate(keys):
        before = ".".join(keys[:depth])
        holder = value
        if isinstance(value, list):
            value = _element(value, key, before)
        elif not isinstance(value, dict):
            raise KeyTextError(f"has no keys under {before}")
        elif key not in value:
            raise _absent(keys, depth, list(value))
        else:
            value = value[key]
    key = ".".join(keys)
    if isinstance(value, (dict, list)):
        raise KeyTextError(f"has a group of keys or a list at {key}, not a number")
    plain = value.unwrap() if hasattr(value, "unwrap") else value
    if isinstance(plain, bool) or not isinstance(plain, (int, float)):
        raise KeyTextError(f"has {tomlkit.item(value).as_string()} at {key}, not a number")
    stand_in = next(n for n in range(_STAND_IN, 2 * _STAND_IN) if str(n) not in text)
    holder[int(keys[-1]) if isinstance(holder, list) else keys[-1]] = stand_in
    before, _, after = tomlkit.dumps(document).partition(str(stand_in))
    if not (text.startswith(before) and text.endswith(after)):
        raise KeyTextError(f"cannot be written with another number at {key} and all else as it is")
    return NumberPlace(len(before), len(text) - len(after), plain)


READERS: dict[str, Callable[[str, Sequence[str]], NumberPlace]] = {
    ".yaml": yaml_number,
    ".yml": yaml_number,
    ".toml": toml_number,
}
"""By the ending of a file's name."""


def _absent(keys: Sequence[str], depth: int, there: Sequence[str]) -> KeyTextError:
    missing, under = ".".join(keys[: depth + 1]), ".".join(keys[:depth])
    shown = ", ".join(there[:8]) + (", ..." if len(there) > 8 else "")
    if not there:
        return KeyTextError(f"has no key {missing}")
    return KeyTextError(f"has no key {missing}; {'under ' + under if under else 'at its top'} it has {shown}")


def _element(values: Sequence[Any], key: str, before: str) -> Any:
    if not (key.isdigit() and int(key) < len(values)):
        raise KeyTextError(
            f"has a list of {len(values)} at {before or 'its top'}: {key} is no index in it, counted from 0"
        )
    return values[int(key)]


def _number(text: str) -> int | float | None:
    """What a plain word of YAML is to whoever reads it as a number; 1e-3 is one to some, and meant by all."""
    if not any(sign.isdigit() for sign in text):
        return None  # inf, nan and infinity are words
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return None
