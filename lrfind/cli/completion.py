"""Completion by the shell: commands, flags and the values of keys by us, groups and keys by Hydra.

The shell hands the line over in COMP_LINE and takes every word of stdout for an offer. Nothing may go to
stderr, which would stand in the middle of what is being typed.
"""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stderr
from typing import TYPE_CHECKING

from lrfind.cli.commands import COMMANDS, DEFAULT, PAGE, keys_of_command
from lrfind.cli.flags import LONE_FLAGS, RATE_FLAGS
from lrfind.cli.overrides import HYDRA_FLAGS, after_flags
from lrfind.report.config_text import FLAG as CONFIG_FLAG

if TYPE_CHECKING:
    from collections.abc import Iterable

VALUE_FLAGS = {*RATE_FLAGS, CONFIG_FLAG}
"""Flags of ours with a word behind them."""

_OFFERED = (
    *LONE_FLAGS,
    *RATE_FLAGS,
    CONFIG_FLAG,
    *(flag for flag in HYDRA_FLAGS if flag.startswith("--")),
    "-m",
)
_LEFT_OUT = ("--config-path", "--run", "--experimental-rerun", "--shell-completion", "--info", "--package")
"""Flags of Hydra that few have a use for."""


def answered(query: str) -> bool:
    """Answers what a shell asks, `query=bash`; False where it wants to be taught, which Hydra does."""
    if not query.startswith("query="):
        return False
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):  # noqa: PTH123
        _answer(query)
    return True


def _answer(query: str) -> None:
    line = os.environ.get("COMP_LINE", "")
    program, *words = line.split(" ")
    *before, last = words or [""]
    command, before = _command_of([word for word in before if word])
    offers, is_all = _own_offers(command, before, last)
    _show(query, [offer for offer in offers if offer.startswith(last)])
    if is_all:
        return
    # Hydra takes every word of the line for an override or a flag of its own, and gives up at any other.
    kept = [
        word for word in _without_flags(before) if not word.startswith("-") or word in ("-m", "--multirun")
    ]
    shortened = " ".join([program, *kept, last])
    os.environ["COMP_LINE"], os.environ["COMP_POINT"] = shortened, str(len(shortened))
    from lrfind.cli.app import complete

    complete(DEFAULT if command is None else command, query)


def _own_offers(command: str | None, before: list[str], last: str) -> tuple[list[str], bool]:
    """What we offer for a word, and whether that is all there is."""
    if before and before[-1] in VALUE_FLAGS:
        return [], True
    pairs = list(after_flags([*before, last]))
    if pairs[-1][1]:  # the value of a flag of Hydra's
        return (["job", "hydra", "all"] if before[-1] in ("--cfg", "-c") else []), True
    if last.startswith("-"):
        return [flag for flag in _OFFERED if flag not in _LEFT_OUT and _is_of(flag, command)], True
    if "=" in last:
        name = last.partition("=")[0].lstrip("+")
        key = next((each for each in keys_of_command(command or DEFAULT) if each.name == name), None)
        if key is not None and key.options:
            return [f"{last.partition('=')[0]}={option}" for option in key.options], True
        return [], False
    return ([*COMMANDS, PAGE] if command is None and not before else []), False


def _is_of(flag: str, command: str | None) -> bool:
    """Whether a flag may stand behind a command."""
    owner = RATE_FLAGS[flag][0] if flag in RATE_FLAGS else "schedule" if flag == "--try" else None
    return owner is None or owner == command


def _command_of(words: list[str]) -> tuple[str | None, list[str]]:
    """The command that the words begin with, and the rest."""
    kept = [word for word in words if word not in LONE_FLAGS]
    if kept and kept[0] in COMMANDS:
        return kept[0], kept[1:]
    return None, kept


def _without_flags(words: list[str]) -> list[str]:
    """The words without flags that take one, `--lr 0.1`, `--around=0.7`, and the 0.1 of `verify 0.1`."""
    return [
        word
        for before, word in zip(["", *words], words, strict=False)
        if before not in VALUE_FLAGS
        and word.partition("=")[0] not in VALUE_FLAGS
        and not (word[:1].isdigit() and "=" not in word)
    ]


def _show(query: str, offers: Iterable[str]) -> None:
    between = "\n" if query == "query=fish" else " "
    if text := between.join(offers):
        sys.stdout.write(f"{text}\n")
