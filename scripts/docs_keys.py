"""The page "Every key" of the documentation, made from the config's dataclasses whenever the site is built.

A hook of mkdocs (see mkdocs.yml). Types and meanings come from the dataclasses, defaults from the YAML that
the command composes, so that the page cannot drift from either.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import textwrap
import typing
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from omegaconf import OmegaConf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parents[1]
PAGE = "reference/keys.md"
ROOMS = {
    "range": ("range_test", "RangeSettings"),
    "refine": ("refine", "RefineSettings"),
    "verify": ("verify", "VerifySettings"),
    "compare": ("compare", "CompareSettings"),
    "schedule": ("schedule", "ScheduleSettings"),
}
GROUPS = ("model", "data", "optimizer", "criterion", "experiment")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the page to the site."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, PAGE, content=page()))
    return files


def page() -> str:
    """The whole page, as Markdown."""
    base = OmegaConf.load(ROOT / "configs" / "base.yaml")
    schema = importlib.import_module("lrfind.config.schema")
    parts = [
        "# Every key",
        "`lrfind --cfg job` shows the composed config. A group is chosen by `group=option`, a key set by "
        "`key=value`.",
        "## Groups",
        "\n".join(["| group | options |", "|---|---|", *(_group(name) for name in GROUPS)]),
        "## Of every command",
        _table(_rows(schema.TaskConfig, base, "")),
    ]
    for command, (room, name) in ROOMS.items():
        settings = getattr(importlib.import_module(f"lrfind.{room}.config"), name)
        defaults = OmegaConf.load(ROOT / "configs" / f"{command}.yaml")[command]
        parts += [f"## lrfind {command}", _table(_rows(settings, defaults, f"{command}."))]
    return "\n\n".join(parts) + "\n"


def _group(name: str) -> str:
    options = sorted(path.stem for path in (ROOT / "configs" / name).glob("*.yaml"))
    return f"| `{name}` | {', '.join(f'`{option}`' for option in options)} |"


def _table(rows: Iterator[tuple[str, str, str, str]]) -> str:
    head = ["| key | default | values | meaning |", "|---|---|---|---|"]
    return "\n".join(
        [*head, *(f"| `{key}` | {default} | {kind} | {what} |" for key, default, kind, what in rows)]
    )


def _rows(settings: type, defaults: Any, prefix: str) -> Iterator[tuple[str, str, str, str]]:
    """Key, default, values and meaning of every field; groups of the composition are listed apart."""
    hints = typing.get_type_hints(settings, include_extras=True)
    meanings = _docstrings(settings)
    for field in dataclasses.fields(settings):
        hint, key = hints[field.name], field.name.removesuffix("_")
        if field.name in GROUPS and prefix == "":
            continue
        default = OmegaConf.select(defaults, key)
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            yield from _rows(hint, default, f"{prefix}{key}.")
            continue
        yield prefix + key, f"`{_spelled(default)}`", _values(hint), meanings.get(field.name, "")


def _docstrings(settings: type) -> dict[str, str]:
    """The text under each field of a dataclass, those it inherits included."""
    found: dict[str, str] = {}
    for kind in reversed(settings.__mro__):
        if not dataclasses.is_dataclass(kind):
            continue
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
        assert isinstance(node, ast.ClassDef)
        for field, text in zip(node.body, node.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                assert isinstance(field.target, ast.Name)
                said = " ".join(ast.literal_eval(text.value).split())
                # YAML says null where Python says None.
                found[field.target.id] = said.replace("|", "\\|").replace("None", "`null`")
    return found


def _values(hint: Any) -> str:
    """What may be given, in words."""
    if typing.get_origin(hint) is Annotated:
        return _values(typing.get_args(hint)[0])
    options = typing.get_args(hint)
    if type(None) in options:
        return ", ".join([*(_values(option) for option in options if option is not type(None)), "`null`"])
    if isinstance(hint, type) and issubclass(hint, Enum):
        return ", ".join(f"`{member.value}`" for member in hint)
    names = {int: "a whole number", float: "a number", bool: "`true`, `false`", str: "a text"}
    if hint in names:
        return names[hint]
    if options and typing.get_origin(hint) is not list and typing.get_origin(hint) is not dict:
        return ", ".join(_values(option) for option in options)
    return "a list" if typing.get_origin(hint) is list else "a group of keys"


def _spelled(value: Any) -> str:
    if OmegaConf.is_config(value):
        value = OmegaConf.to_container(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value) if len(str(value)) < 60 else "..."
