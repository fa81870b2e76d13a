"""The page "Every key" of the documentation, made from the config's dataclasses whenever the site is built.

A hook of mkdocs (see mkdocs.yml). What it shows is what `lrfind COMMAND --help` shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfind.cli.commands import COMMANDS, keys_of_command
from lrfind.config.reference import GROUPS, options_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

    from lrfind.config.reference import Key

PAGE = "reference/keys.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the page to the site."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, PAGE, content=page()))
    return files


def page() -> str:
    """The whole page, as Markdown."""
    parts = [
        "# Every key",
        "`lrfind --cfg job` shows the composed config, `lrfind COMMAND --help` the keys of a command. A "
        "group is chosen by `group=option`, a key set by `key=value`.",
        "## Groups",
        "\n".join(
            ["| group | options |", "|---|---|", *(_group(name) for name in (*GROUPS, "hydra/callbacks"))]
        ),
        "## Of every command",
        _table(key for key in keys_of_command("range") if "." not in key.name),
    ]
    for command in COMMANDS:
        own = [key for key in keys_of_command(command) if key.name.startswith(f"{command}.")]
        parts += [f"## lrfind {command}", _table(own)]
    return "\n\n".join(parts) + "\n"


def _group(name: str) -> str:
    return f"| `{name}` | {', '.join(f'`{option}`' for option in options_of(name))} |"


def _table(keys: Iterable[Key]) -> str:
    return "\n".join(["| key | default | values | meaning |", "|---|---|---|---|", *map(_row, keys)])


def _row(key: Key) -> str:
    default = key.default if len(key.default) < 60 else "..."
    meaning = key.meaning.replace("|", "\\|")
    return f"| `{key.name}` | `{default}` | {key.values} | {meaning} |"
