"""The command line: which command, and our own flags. Everything heavy is imported by the command itself."""

from __future__ import annotations

import os
import sys

COMMANDS = {
    "range": "the learning-rate range test (the default)",
    "refine": "the coarse-to-fine sweep: from a table of rates to the answer, round by round",
    "compare": "learning curves over learning rates and batch sizes",
}
"""The commands and what each does, in the order of the help."""

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
    words = [word for word in arguments if word not in ("-q", "--quiet", "--json")]
    quiet = any(word in ("-q", "--quiet") for word in arguments)
    record = "--json" in arguments
    try:
        words, around = _without_around(words)
    except ValueError as error:
        return _usage_error(str(error))
    command = words.pop(0) if words and _is_command(words[0]) else DEFAULT
    if command not in COMMANDS:
        return _usage_error(_unknown(command))
    if "--version" in words:
        from lrfind.version import __version__

        return _shown(f"lrfind {__version__}\n")
    if "--help" in words or "-h" in words:
        from lrfind.help import HELP

        return _shown(HELP)
    if quiet and record:
        return _usage_error("-q and --json both claim stdout: give one of them.")
    if around is not None:
        if command != "refine":
            return _usage_error(f"--around belongs to refine: type lrfind refine --around {around}.")
        words.append(f"refine.around={around}")
    if "-sc" in words or "--shell-completion" in words:
        command = _completion_command(command)

    from importlib import import_module

    from lrfind.launch import Show

    show = Show.NUMBER if quiet else Show.RECORD if record else Show.TABLE
    return int(import_module(f"lrfind.commands.{command}").main(words, show))


def _without_around(words: list[str]) -> tuple[list[str], str | None]:
    """The words without `--around LR` or `--around=LR`, wherever it stands, and the last such rate.

    Raises:
        ValueError: There is no rate after it.
    """
    kept: list[str] = []
    rate = None
    rest = iter(words)
    for word in rest:
        if word != "--around" and not word.startswith("--around="):
            kept.append(word)
            continue
        rate = word.partition("=")[2] if "=" in word else next(rest, "")
        if rate.strip() == "" or "=" in rate or (rate.startswith("-") and not rate[1:2].isdigit()):
            raise ValueError("--around needs a learning rate: --around 0.7.")
    return kept, rate


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
    kept = [word for word in words[1:] if word not in ("-q", "--quiet", "--json")]
    if len(kept) > 1 and kept[0] in COMMANDS:
        command = kept.pop(0)
    shortened = " ".join([*words[:1], *kept])
    if "COMP_POINT" in os.environ:
        point = int(os.environ["COMP_POINT"]) - (len(line) - len(shortened))
        os.environ["COMP_POINT"] = str(max(point, len(words[0])))
    os.environ["COMP_LINE"] = shortened
    return command
