"""The page "Every key" of the documentation, made from dataclasses and YAML whenever the site is built.

A hook of mkdocs (see mkdocs.yml). Of a command it shows what `lrfind COMMAND --help` shows, of an option of a
group its YAML.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from lrfind.cli.commands import COMMANDS, keys_of_command
from lrfind.config.reference import GROUPS, options_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

    from lrfind.config.reference import Key

PAGE = "reference/keys.md"


def on_files(site: Files, /, config: MkDocsConfig) -> Files:
    """Adds the page to the site."""
    from mkdocs.structure.files import File

    site.append(File.generated(config, PAGE, content=page()))
    return site


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
    parts += [
        "## Of the options of a group",
        "Keys stand below the name of their group: `root` of `data=mnist` is `data.root`. Every data set "
        "takes `data.timeout` and `data.collate_fn` beside its own ([how](../howto/own-data.md)), and "
        "`+model.key=value` adds an argument of a class of yours.",
    ]
    for group in GROUPS:
        for option in options_of(group):
            text = files("lrfind.configs").joinpath(group, f"{option}.yaml").read_text(encoding="utf-8")
            parts += [f"### {group}={option}", f"```yaml\n{text}```"]
    return "\n\n".join(parts) + "\n"


def _group(name: str) -> str:
    return f"| `{name}` | {', '.join(f'`{option}`' for option in options_of(name))} |"


def _table(keys: Iterable[Key]) -> str:
    return "\n".join(["| key | default | values | meaning |", "|---|---|---|---|", *map(_row, keys)])


def _row(key: Key) -> str:
    default = key.default if len(key.default) < 60 else "..."
    meaning = key.meaning.replace("|", "\\|")
    return f"| `{key.name}` | `{default}` | {key.values} | {meaning} |"
