"""Words that Hydra's parsers cannot read, told with what to type in their place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from lrfind.cli.flags import is_number
from lrfind.cli.overrides import ordered
from lrfind.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence


def refuse_unparsable(arguments: Sequence[str]) -> None:
    """Has Hydra's parser of flags read the words once before Hydra does, which would print its usage."""
    from hydra._internal.utils import get_args_parser

    def refuse(message: str) -> NoReturn:
        raise ConfigError(_flag_message(message))

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    parser.parse_args(ordered(arguments))


def _flag_message(message: str) -> str:
    if named := re.match(r"argument ([^:/]+)[^:]*: expected one argument", message):
        return f"{named[1]} needs a word behind it: {named[1]} {_VALUES.get(named[1], 'NAME')}."
    if wrong := re.match(r"argument ([^:/]+)[^:]*: invalid choice: '(.*)' \(choose from (.*)\)", message):
        known = wrong[3].replace("'", "")
        return f"{wrong[1]} takes one of {known}, got {wrong[2]!r}."
    if several := re.match(r"ambiguous option: (\S+) could match (.*)", message):
        return f"{several[1]} may be short for {several[2]}: write one of them out."
    return f"the flags cannot be read: {message}. All flags: lrfind --help."


_VALUES = {"--config-dir": "DIR", "--cfg": "job", "--config-name": "config"}
"""What stands behind a flag of Hydra's."""


def unreadable(word: str, command: str) -> str:
    """What to type in place of a word that Hydra's grammar does not take."""
    key, equals, value = word.partition("=")
    if not equals:
        meant = f" To search about a rate: lrfind refine --around {word}." if command == "refine" else ""
        return (
            f"{word!r} is no override: write KEY=VALUE, such as batch_size=32, without spaces around the "
            f"equals sign.{meant if is_number(word) else ''}"
        )
    if not re.fullmatch(r"[+~]{0,2}[\w./@:$-]+", key, re.ASCII):
        return f"{word!r} is no override: {key!r} is no key. Write KEY=VALUE, such as batch_size=32."
    for opened, closed in ("[]", "{}", "()"):
        if value.count(opened) != value.count(closed):
            missing = closed if value.count(opened) > value.count(closed) else opened
            return (
                f"{word!r} lacks a {missing}. Where a space stands the shell ends the word: write it without "
                "spaces, and in quotes, such as 'compare.lrs=[0.1,0.3]'."
            )
    if value.rstrip().endswith(","):
        return f"{word!r} ends with a comma: write {word.rstrip().rstrip(',')}."
    if value.count("'") % 2 or value.count('"') % 2:
        return f"{word!r} has a quote that is not closed."
    return (
        f"{word!r} cannot be read: a text with commas, brackets, quotes or letters beyond a to z stands in "
        f"quotes of its own, within those for the shell: '{key}=\"{value}\"'."
    )


def several_values(word: str) -> str:
    """What to type in place of a value with a comma."""
    key, _, value = word.partition("=")
    decimal = ""
    if re.fullmatch(r"\d{1,3}(,\d{3})+", value):
        decimal = f" thousands stand without one, {key}={value.replace(',', '')};"
    elif re.fullmatch(r"\d+,\d+(e[+-]?\d+)?", value):
        decimal = f" a number has a point, {key}={value.replace(',', '.')};"
    return (
        f"{word} has a comma:{decimal} a list stands in brackets and quotes, '{key}=[{value}]'; and -m "
        "makes a run for each value."
    )
