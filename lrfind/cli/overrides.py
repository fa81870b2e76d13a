"""The words of the command line as Hydra's parser takes them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OWN_OVERRIDES = {
    # Hydra's loggers write to stdout, where only results may go.
    "hydra/job_logging=": "hydra/job_logging=none",
    "hydra/hydra_logging=": "hydra/hydra_logging=none",
    "++hydra.callbacks.lrfind=": "++hydra.callbacks.lrfind._target_=lrfind.cli.multirun.MultirunSummary",
}
"""What is added to every command line, whatever the primary config, unless it says otherwise itself."""

DEBUG = "hydra.verbose=true"
"""Shows the traceback of every error; `--debug` is short for it."""

RERUN = "--experimental-rerun"
"""Hydra's flag that takes a config out of a pickle."""

_WITH_VALUE = {
    *("--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn"),
    *("--config-dir", "-cd", RERUN),
}

HYDRA_FLAGS = (
    *("--cfg", "--config-dir", "--config-name", "--multirun", "--resolve", "--package", "--info"),
    *("--help", "--hydra-help", "--version", "--run", "--shell-completion", "--config-path", RERUN),
    *("-h", "-c", "-cd", "-cn", "-cp", "-m", "-p", "-r", "-i", "-sc"),
)
"""Hydra's flags; of those with two dashes the useful ones first."""

_INFO = {"all", "config", "defaults", "defaults-tree", "plugins", "searchpath"}


def after_flags(words: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Every word, and whether it is the value of one of Hydra's flags before it."""
    for before, word in zip(["", *words], words, strict=False):
        yield word, _takes_value(before) or (before in ("--info", "-i") and word in _INFO)


def _takes_value(flag: str) -> bool:
    """Whether a flag, or the beginning of one alone as argparse takes it, has a value behind it."""
    if flag in _WITH_VALUE:
        return True
    begun = [each for each in HYDRA_FLAGS if flag.startswith("--") and each.startswith(flag)]
    return len(begun) == 1 and begun[0] in _WITH_VALUE


def ordered(arguments: Sequence[str]) -> list[str]:
    """The arguments as Hydra's parser takes them: all overrides first, ours among them, then all flags.

    argparse wants its positional words in one place; to a user an override is right wherever it stands.
    """
    if any(argument in ("-sc", "--shell-completion") for argument in arguments):
        return list(arguments)
    overrides: list[str] = []
    flags: list[str] = []
    for word, is_value in after_flags(arguments):
        (flags if is_value or word.startswith("-") else overrides).append(_as_hydra_reads(word))
    own = dict(OWN_OVERRIDES)
    if any(word.rstrip("/").endswith(".hydra") for word in flags):
        # The config of an earlier run knows nothing of ours, and Hydra's own directory is one a second.
        own["hydra.run.dir="] = "hydra.run.dir=outputs/${now:%Y-%m-%d}/${now:%H-%M-%S-%f}"
    overrides += [
        override
        for key, override in own.items()
        if not any(argument.startswith(key) for argument in arguments)
    ]
    return overrides + flags


_PATHS = {
    *("data.root", "model.weights", "verify.from", "schedule.from"),
    *("refine.resume", "verify.resume", "compare.resume"),
    *("hydra.run.dir", "hydra.sweep.dir"),
}
"""Keys whose value is a path, which may hold what Hydra would take for grammar."""

GROUPS = ("model", "data", "optimizer", "criterion")
"""The groups of which every command has one option."""


def value_problem(word: str) -> str | None:
    """What to type in place of an override that Hydra takes, and that means nothing here; or None.

    Of a list of options Hydra makes one of them all, and an empty path is the working directory.
    """
    key, equals, value = word.partition("=")
    if not equals:
        return None
    if key in _PATHS and not value.strip(" '\""):
        return f"{key} is empty: give a path, {key}=PATH, or leave it out."
    plain = key.lstrip("+")
    if plain in GROUPS and plain != key:
        return f"{word}: {plain} is there already, write {plain}={value} without the plus sign."
    if plain in GROUPS and re.fullmatch(r"\[.*\]", value):
        first, *others = (name.strip(" '\"") for name in value.strip("[]").split(","))
        beside = f", -m {plain}={','.join([first, *others])} makes a run of each" if others else ""
        if others and plain == "optimizer":
            beside += f", and lrfind compare 'compare.optimizers={value}' compares them"
        return f"{word}: {plain} is one of its options, not a list of them: write {plain}={first}{beside}."
    return None


_HOME = re.compile(r"(?<![^=,\[])~(?:/[^,\]]*)?(?=[,\]]|$)")
"""`~` and `~/x` where a value, or one of several, begins: shells leave it alone behind an equals sign."""

_GRAMMAR = re.compile(r"[^\w/\\+.$%*@?|: -]|[^\x00-\x7f]")
"""What Hydra does not take in a text without quotes."""


OF_EVERY_DATA_SET = ("data.timeout", "data.collate_fn")
"""Keys that every data set has, and the options of the group do not list."""


def _as_hydra_reads(word: str) -> str:
    """A word as Hydra takes it: paths from the home directory, and paths in quotes where they need them."""
    key, equals, value = word.partition("=")
    if not equals:
        return word
    if key.startswith("-"):
        return f"{key}={Path(value).expanduser()}" if value.startswith("~") else word
    value = _HOME.sub(lambda home: str(Path(home[0]).expanduser()), value)
    if key in _PATHS and _GRAMMAR.search(value) and not re.search(r"^[\'\"\[]|\$\{|,|^\w+\(.*\)$", value):
        value = "'" + value.replace("'", "\\'") + "'"
    added = any(key == each or key.startswith(f"{each}.") for each in OF_EVERY_DATA_SET)
    return f"++{key}={value}" if added else f"{key}={value}"
