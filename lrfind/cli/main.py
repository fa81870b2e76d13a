"""The command line: which command, and our own flags. Everything heavy is imported by the command itself."""

from __future__ import annotations

import os
import sys
from functools import partial

from lrfind.cli.commands import COMMANDS

RATE_FLAGS = {"--around": ("refine", "refine.around", "0.7"), "--lr": ("verify", "verify.lr", "0.1")}
"""Flags with a learning rate behind them: whose they are, what they are short for, an example."""

TRY_FLAG = "--try"
"""Short for schedule.try=true."""

_LONE_FLAGS = ("-q", "--quiet", "--json", TRY_FLAG)

DEFAULT = "range"
USAGE_ERROR = 2


def entry_point() -> None:
    """What the installed `lrfind` calls."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: list[str]) -> int:
    """Runs one command and returns the exit code of the process.

    Args:
        arguments: The words after `lrfind`.
    """
    words = [word for word in arguments if word not in _LONE_FLAGS]
    quiet = any(word in ("-q", "--quiet") for word in arguments)
    record = "--json" in arguments
    try:
        words, rates = _without_rates(words)
    except ValueError as error:
        return _usage_error(str(error))
    command = words.pop(0) if words and _is_command(words[0]) else DEFAULT
    if command not in COMMANDS:
        return _usage_error(_unknown(command))
    if "--version" in words:
        from lrfind.version import __version__

        return _shown(f"lrfind {__version__}\n")
    if "--help" in words or "-h" in words:
        from lrfind.cli.help import HELP

        return _shown(HELP)
    if quiet and record:
        return _usage_error("-q and --json both claim stdout: give one of them.")
    for flag, rate in rates.items():
        owner, key, _ = RATE_FLAGS[flag]
        if command != owner:
            return _usage_error(f"{flag} belongs to {owner}: type lrfind {owner} {flag} {rate}.")
        words.append(f"{key}={rate}")
    if TRY_FLAG in arguments:
        if command != "schedule":
            return _usage_error(f"{TRY_FLAG} belongs to schedule: type lrfind schedule {TRY_FLAG}.")
        words.append("schedule.try=true")
    if command == "verify":
        try:
            words = _with_rate_to_check(words)
        except ValueError as error:
            return _usage_error(str(error))
    if "-sc" in words or "--shell-completion" in words:
        command = _completion_command(command)

    from lrfind.cli.app import launch
    from lrfind.report.output import Show

    show = Show.NUMBER if quiet else Show.RECORD if record else Show.TABLE
    return launch(command, words, partial(COMMANDS[command].run, show=show))


def _without_rates(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """The words without `--around LR`, `--lr=LR` and the like, wherever they stand, and the last of each.

    Raises:
        ValueError: There is no rate after a flag.
    """
    kept: list[str] = []
    rates: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        flag, equals, rate = word.partition("=")
        if flag not in RATE_FLAGS:
            kept.append(word)
            continue
        rate = rate if equals else next(rest, "")
        if rate.strip() == "" or "=" in rate or (rate.startswith("-") and not _is_negative(rate)):
            raise ValueError(f"{flag} needs a learning rate: {flag} {RATE_FLAGS[flag][2]}.")
        rates[flag] = rate
    return kept, rates


def _with_rate_to_check(words: list[str]) -> list[str]:
    """The words with the plain one among them, `lrfind verify 0.1`, as an override.

    Raises:
        ValueError: There is more than one, or it is no number.
    """
    from lrfind.cli.app import FLAGS_WITH_VALUE, INFO

    kept: list[str] = []
    plain: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        is_value = before in FLAGS_WITH_VALUE or (before in ("--info", "-i") and word in INFO)
        is_plain = not is_value and (_is_command(word) or _is_negative(word))
        (plain if is_plain else kept).append(word)
    if not plain:
        return kept
    if len(plain) > 1:
        raise ValueError(
            f"verify takes one learning rate to check, got {' and '.join(plain)}: lrfind verify {plain[0]}. "
            "Overrides are written KEY=VALUE; a rate that a project has pinned is given as --lr LR."
        )
    try:
        float(plain[0])
    except ValueError:
        raise ValueError(
            f"{plain[0]!r} is neither a learning rate nor an override: lrfind verify 0.1 checks a rate, and "
            "overrides are written KEY=VALUE, such as model=cnn. See lrfind --help."
        ) from None
    return [*kept, f"verify.around={plain[0]}"]


def _is_negative(word: str) -> bool:
    """A minus sign before a number, not a flag."""
    return word.startswith("-") and word[1:2] in tuple("0123456789.")


def _shown(text: str) -> int:
    """Writes to stdout, and says so in the exit code where that fails."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        # What is still in the buffer must not fail once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return USAGE_ERROR
    return 0


def _is_command(word: str) -> bool:
    """A first word that is neither a flag nor an override."""
    return not word.startswith(("-", "+", "~")) and "=" not in word


def _unknown(word: str) -> str:
    import difflib

    close = difflib.get_close_matches(word, COMMANDS, n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    return (
        f"{word!r} is neither a command nor an override.{meant} Commands: {', '.join(COMMANDS)}; overrides "
        "are written KEY=VALUE, such as model=cnn. See lrfind --help."
    )


def _usage_error(message: str) -> int:
    from lrfind.report.console import error

    error(message)
    return USAGE_ERROR


def _completion_command(command: str) -> str:
    """The command on the line being completed, which the shell hands over in COMP_LINE.

    Hydra takes every word of the line for an override, so the command and our flags are taken out of it.
    """
    line = os.environ.get("COMP_LINE", "")
    words = line.split(" ")
    kept = [word for word in words[1:] if word not in _LONE_FLAGS]
    if len(kept) > 1 and kept[0] in COMMANDS:
        command = kept.pop(0)
    # The last word is the one being completed, whatever it is.
    kept, last = _without_lone_rates(kept[:-1]), kept[-1:]
    kept += last
    shortened = " ".join([*words[:1], *kept])
    if "COMP_POINT" in os.environ:
        point = int(os.environ["COMP_POINT"]) - (len(line) - len(shortened))
        os.environ["COMP_POINT"] = str(max(point, len(words[0])))
    os.environ["COMP_LINE"] = shortened
    return command


def _without_lone_rates(words: list[str]) -> list[str]:
    """The words without what stands for a rate: `--lr 0.1`, `--around=0.7`, the 0.1 of `verify 0.1`."""
    return [
        word
        for before, word in zip(["", *words], words, strict=False)
        if before not in RATE_FLAGS
        and word.partition("=")[0] not in RATE_FLAGS
        and not (word[:1].isdigit() and "=" not in word)
    ]
