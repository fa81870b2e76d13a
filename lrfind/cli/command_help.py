"""What `lrfind COMMAND --help` prints: its keys with their defaults, read from its config, and examples."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from lrfind.cli.commands import COMMANDS, keys_of_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lrfind.config.reference import Key

_WIDTH = 80
_INDENT = 33
"""Column in which the meaning of a key begins."""

_MOST = 40
"""Letters of a default; of more, `...` is shown."""


def help_of(command: str) -> str:
    """The help of a command, at most 80 columns wide.

    Args:
        command: Its name.
    """
    from lrfind.config.reference import GROUPS, options_of

    about = COMMANDS[command]
    keys = keys_of_command(command)
    own = [key for key in keys if key.name.startswith(f"{command}.")]
    shared = [key for key in keys if "." not in key.name]
    more = command != "range" and any(key.name.startswith("range.") for key in keys)
    lines = [about.usage, f"  {about.purpose}", "", "Examples"]
    lines += [f"  {example}" for example in about.examples]
    lines += ["", "What is trained"]
    for group in GROUPS:
        lines += _entry(f"{group}=", " ".join(options_of(group)), 14)
    lines += ["", f"Keys of {command}, with their defaults", *_rows(own)]
    lines += ["", "Keys of every command", *_rows(shared)]
    if more:
        lines += ["", *textwrap.wrap(_OF_THE_RANGE_TEST, _WIDTH)]
    lines += ["", *_MORE]
    return "\n".join(lines) + "\n"


_OF_THE_RANGE_TEST = (
    "The range test that this command may begin with has its settings in range.*: lrfind range --help."
)

_MORE = [
    "Exit codes",
    "  0 a rate was suggested   2 something given cannot be used",
    "  3 no rate can be suggested   4 verify --lr: that rate is no longer sensible",
    "",
    "Flags and all commands: lrfind --help",
    "The composed config of a command line: add --cfg job",
]


def _rows(keys: Iterable[Key]) -> Iterator[str]:
    for key in keys:
        default = key.default if len(key.default) <= _MOST else "..."
        # Where the words are no closed list the meaning says what may be given.
        options = f" ({' | '.join(key.options)})" if key.options and len(key.options) > 1 else ""
        if options == " (true | false)":
            options = ""
        yield from _entry(f"{key.name}={default}", f"{key.meaning}{options}".replace("`", ""), _INDENT)


def _entry(head: str, text: str, indent: int) -> Iterator[str]:
    """A word and what it means, beside it where there is room."""
    first, *rest = textwrap.wrap(text, _WIDTH - indent, break_on_hyphens=False)
    if len(head) + 3 <= indent:
        yield f"  {head:<{indent - 2}}{first}"
    else:
        yield f"  {head}"
        yield " " * indent + first
    for line in rest:
        yield " " * indent + line
