"""Our own flags: what stands for an override in fewer letters, taken out before Hydra reads the line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lrfind.cli.overrides import after_flags
from lrfind.report.config_text import EXAMPLE as CONFIG_EXAMPLE
from lrfind.report.config_text import FLAG as CONFIG_FLAG

if TYPE_CHECKING:
    from collections.abc import Container

RATE_FLAGS = {"--around": ("refine", "refine.around", "0.7"), "--lr": ("verify", "verify.lr", "0.1")}
"""Flags with a learning rate behind them: whose they are, what they are short for, an example."""

TRY_FLAG = "--try"
"""Short for schedule.try=true."""

DEBUG_FLAG = "--debug"
"""Short for hydra.verbose=true: with every error its whole traceback."""

MULTIRUN = ("-m", "--multirun")
"""Hydra's flag for many jobs."""

LONE_FLAGS = ("-q", "--quiet", "--json", TRY_FLAG, DEBUG_FLAG)
"""Flags of ours with nothing behind them."""


class UsageError(Exception):
    """A word of the command line that cannot be taken as it stands; the message says what to type instead."""


def is_plain(word: str) -> bool:
    """Neither a flag nor an override: a command, or a rate."""
    return not word.startswith(("-", "+", "~")) and "=" not in word


def is_number(word: str) -> bool:
    """Whether it is spelled as a rate is."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def without_rates(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """The words without `--around LR` and the like, and the last rate of each; a UsageError without one."""
    kept, found = _without(RATE_FLAGS, words)
    for flag, rate in found:
        if rate.strip() == "" or "=" in rate or (rate.startswith("-") and not _is_negative(rate)):
            raise UsageError(f"{flag} needs a learning rate: {flag} {RATE_FLAGS[flag][2]}.")
    return kept, dict(found)


def without_config_key(words: list[str]) -> tuple[list[str], str | None]:
    """The words without `--write-config FILE:KEY`, wherever it stands, and the file and the key.

    Raises:
        UsageError: There is no file behind it, there are two, or there are many jobs.
    """
    kept, found = _without((CONFIG_FLAG,), words)
    given = [value for _, value in found]
    for value in given:
        if ":" not in value or value.startswith("-"):
            raise UsageError(f"{CONFIG_FLAG} needs a file and a key of it: {CONFIG_EXAMPLE}.")
    if len(given) > 1:
        raise UsageError(f"{CONFIG_FLAG} writes one rate to one key, got {' and '.join(given)}: give one.")
    if given and any(word in MULTIRUN or word.lower() == "hydra.mode=multirun" for word in kept):
        raise UsageError(
            f"{CONFIG_FLAG} writes the rate of one run, and -m makes many: leave out one of the two."
        )
    return kept, given[0] if given else None


def _without(flags: Container[str], words: list[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """The words without some flags and the word behind each, or after its equals sign; and those pairs."""
    kept: list[str] = []
    found: list[tuple[str, str]] = []
    rest = iter(words)
    for word in rest:
        flag, equals, value = word.partition("=")
        if flag in flags:
            found.append((flag, value if equals else next(rest, "")))
        else:
            kept.append(word)
    return kept, found


_PEAK = ("--lr", "schedule")
"""A flag that a command does not know, and which has a key of that name."""


def with_flags(words: list[str], command: str, rates: dict[str, str], *, tried: bool) -> list[str]:
    """The words, and what the flags of their command are short for.

    Raises:
        UsageError: A flag belongs to another command, or the words say the same key.
    """
    overrides = []
    for flag, rate in rates.items():
        owner, key, _ = RATE_FLAGS[flag]
        if command != owner:
            of_this = f"; of {command} it is schedule.lr={rate}" if (flag, command) == _PEAK else ""
            raise UsageError(f"{flag} belongs to {owner}: type lrfind {owner} {flag} {rate}{of_this}.")
        overrides.append(_short(f"{flag} {rate}", f"{key}={rate}", words))
    if tried:
        if command != "schedule":
            raise UsageError(f"{TRY_FLAG} belongs to schedule: type lrfind schedule {TRY_FLAG}.")
        overrides.append(_short(TRY_FLAG, "schedule.try=true", words))
    return [*words, *overrides]


def _short(given: str, override: str, words: list[str]) -> str:
    """The override that something is short for; a UsageError where one of the words sets its key, too."""
    key = override.partition("=")[0]
    for word in words:
        if word.lstrip("+~").partition("=")[0] == key:
            raise UsageError(
                f"{given} is short for {override}, and {word} is given, too: leave out one of them."
            )
    return override


def with_rate_to_check(words: list[str]) -> list[str]:
    """The words with the plain one among them, `lrfind verify 0.1`, as an override.

    Raises:
        UsageError: There is more than one, or it is no number, or one that no rate can be.
    """
    kept: list[str] = []
    plain: list[str] = []
    for word, is_value in after_flags(words):
        is_rate = not is_value and (is_plain(word) or _is_negative(word))
        (plain if is_rate else kept).append(word)
    if not plain:
        return kept
    if len(plain) > 1:
        raise UsageError(
            f"verify takes one learning rate to check, got {' and '.join(plain)}: lrfind verify {plain[0]}. "
            "Overrides are written KEY=VALUE; a rate that a project has pinned is given as --lr LR."
        )
    if not is_number(plain[0]):
        if is_number(pointed := plain[0].replace(",", ".")):
            raise UsageError(f"{plain[0]} has a comma: write the rate with a point, lrfind verify {pointed}.")
        raise UsageError(
            f"{plain[0]!r} is neither a learning rate nor an override: lrfind verify 0.1 checks a rate, and "
            "overrides are written KEY=VALUE, such as model=cnn. See lrfind verify --help."
        )
    if not 0 < float(plain[0]) < math.inf:
        raise UsageError(
            f"lrfind verify {plain[0]}: a learning rate to check must be greater than 0 and finite."
        )
    return [*kept, _short(f"lrfind verify {plain[0]}", f"verify.around={plain[0]}", kept)]


def _is_negative(word: str) -> bool:
    """A minus sign before a number, not a flag."""
    return word.startswith("-") and word[1:2] in tuple("0123456789.")
