"""Completion by the shell: Hydra's, told which command the line is of."""

from __future__ import annotations

import os

from lrfind.cli.commands import COMMANDS
from lrfind.cli.flags import CONFIG_FLAG, LONE_FLAGS, RATE_FLAGS

VALUE_FLAGS = {*RATE_FLAGS, CONFIG_FLAG}
"""Flags of ours with a word behind them."""


def completed_command(command: str) -> str:
    """The command on the line being completed, which the shell hands over in COMP_LINE.

    Hydra takes every word of the line for an override, so the command and our flags are taken out of it.
    """
    line = os.environ.get("COMP_LINE", "")
    words = line.split(" ")
    kept = [word for word in words[1:] if word not in LONE_FLAGS]
    if len(kept) > 1 and kept[0] in COMMANDS:
        command = kept.pop(0)
    # The last word is the one being completed, whatever it is.
    kept, last = _without_flags(kept[:-1]), kept[-1:]
    kept += last
    shortened = " ".join([*words[:1], *kept])
    if "COMP_POINT" in os.environ:
        point = int(os.environ["COMP_POINT"]) - (len(line) - len(shortened))
        os.environ["COMP_POINT"] = str(max(point, len(words[0])))
    os.environ["COMP_LINE"] = shortened
    return command


def _without_flags(words: list[str]) -> list[str]:
    """The words without flags that take one, `--lr 0.1`, `--around=0.7`, and the 0.1 of `verify 0.1`."""
    return [
        word
        for before, word in zip(["", *words], words, strict=False)
        if before not in VALUE_FLAGS
        and word.partition("=")[0] not in VALUE_FLAGS
        and not (word[:1].isdigit() and "=" not in word)
    ]
