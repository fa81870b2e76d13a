"""The command line: which command, and what is shown of it. Everything heavy is imported by the command."""

from __future__ import annotations

import atexit
import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from lrfind.cli.commands import COMMANDS, DEFAULT, PAGE
from lrfind.cli.flags import (
    DEBUG_FLAG,
    LONE_FLAGS,
    TRY_FLAG,
    UsageError,
    is_number,
    is_plain,
    with_flags,
    with_rate_to_check,
    without_config_key,
    without_rates,
)
from lrfind.cli.overrides import DEBUG
from lrfind.cli.unknown import refuse_unknown
from lrfind.collector import collector_off
from lrfind.errors import UserError
from lrfind.execution.environment import launched_ranks, silence

if TYPE_CHECKING:
    from lrfind.report.output import Show

USAGE_ERROR = 2


def entry_point() -> None:
    """What the installed `lrfind` calls: the whole of a process, which ends with it."""
    last_exit = LastExit()
    collector_off()
    code = main(sys.argv[1:])
    if "lrfind.report.streams" in sys.modules:  # else nobody's code has run but ours
        from lrfind.report.streams import end_of_results

        end_of_results()
        last_exit.code = code
    sys.exit(code)


def main(arguments: list[str]) -> int:
    """Runs one command and returns the exit code of the process."""
    if arguments[:1] in (["-sc"], ["--shell-completion"]) and arguments[1:2] != []:
        from lrfind.cli.completion import answered

        if answered(arguments[1]):
            return 0
    rank, _ = launched_ranks()
    if rank > 0:
        silence()
    try:
        words, given_key = without_config_key([word for word in arguments if word not in LONE_FLAGS])
        words, rates = without_rates(words)
        before = len(words)
        command = words.pop(0) if words and is_plain(words[0]) else DEFAULT
        if command == PAGE:
            from lrfind.web_page.command import HELP, run

            return _shown(HELP) if {"--help", "-h"} & {*words} else run(words)
        if command not in COMMANDS:
            raise UsageError(_unknown(command, words[0] if words else ""))
        text = _text(words, command if len(words) < before else None)
        if text is not None:
            return _shown(text)
        refuse_unknown(words, command)
        show = _show(arguments)
        words = with_flags(words, command, rates, tried=TRY_FLAG in arguments)
        if DEBUG_FLAG in arguments:
            words.append(DEBUG)
        if command == "verify":
            words = with_rate_to_check(words)
        config_key = None
        if given_key is not None:
            from lrfind.report.config_file import ConfigKey

            config_key = ConfigKey.of(given_key)
    except (UsageError, UserError) as error:
        from lrfind.report import console

        console.error(str(error))
        return USAGE_ERROR

    from lrfind.cli.app import launch
    from lrfind.report.console import errors_only
    from lrfind.report.output import Show

    job = partial(COMMANDS[command].run, config_key=config_key)
    if rank > 0:
        from lrfind.cli.ranks import launch_beside_rank_0

        return launch_beside_rank_0(command, words, job, show)
    with errors_only(show is Show.NUMBER):
        return launch(command, words, job, show)


def _text(words: list[str], command: str | None) -> str | None:
    """What is shown instead of running anything; None where nothing is asked for."""
    if "--version" in words:
        from lrfind.version import __version__

        return f"lrfind {__version__}\n"
    if "--help" in words or "-h" in words:
        if command is not None:
            from lrfind.cli.help import help_of

            return help_of(command)
        from lrfind.cli.help import HELP

        return HELP
    return None


def _show(arguments: list[str]) -> Show:
    """What goes to stdout."""
    from lrfind.report.output import Show

    quiet, record = "-q" in arguments or "--quiet" in arguments, "--json" in arguments
    if quiet and record:
        raise UsageError("-q and --json both claim stdout: give one of them.")
    return Show.NUMBER if quiet else Show.RECORD if record else Show.TABLE


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


def _unknown(word: str, behind: str) -> str:
    import difflib

    from lrfind.cli.unknown import commands_for

    if word in ("help", "version"):
        return f"{word!r} is neither a command nor an override: type lrfind --{word}."
    close = commands_for(word) or difflib.get_close_matches(word, [*COMMANDS, PAGE], n=1)
    meant = f" Did you mean lrfind {close[0]}?" if close else ""
    if behind.startswith("="):
        meant = f" A key and its value are one word: {word}=VALUE, without spaces."
    if is_number(word):
        meant = f" To check a rate: lrfind verify {word}. To search about it: lrfind refine --around {word}."
    names = ", ".join([*COMMANDS, PAGE])
    return (
        f"{word!r} is neither a command nor an override.{meant} Commands: {names}; overrides are written "
        "KEY=VALUE, such as model=cnn. See lrfind --help."
    )


class LastExit:
    """Ends the process once all is done that has to be done at exit.

    To be made before anything else registers with `atexit`, for what is registered first is called last:
    then threads have ended, and everybody has closed what he opened.

    While `code` is None Python ends as ever.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        atexit.register(self._end_process)

    def _end_process(self) -> None:
        watched = sys.gettrace() is not None or sys.getprofile() is not None  # who wants to see the end
        if self.code is None or watched:
            return
        from lrfind.report.streams import flush_all

        if flush_all():  # where it fails Python says so
            os._exit(self.code)
