"""The words of the command line as Hydra's parser takes them."""

from __future__ import annotations

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
_INFO = {"all", "config", "defaults", "defaults-tree", "plugins", "searchpath"}


def after_flags(words: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Every word, and whether it is the value of one of Hydra's flags before it."""
    for before, word in zip(["", *words], words, strict=False):
        yield word, before in _WITH_VALUE or (before in ("--info", "-i") and word in _INFO)


def ordered(arguments: Sequence[str]) -> list[str]:
    """The arguments as Hydra's parser takes them: all overrides first, ours among them, then all flags.

    argparse wants its positional words in one place; to a user an override is right wherever it stands.
    """
    if any(argument in ("-sc", "--shell-completion") for argument in arguments):
        return list(arguments)
    overrides: list[str] = []
    flags: list[str] = []
    for word, is_value in after_flags(arguments):
        (flags if is_value or word.startswith("-") else overrides).append(_as_addition(word))
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


def _as_addition(word: str) -> str:
    """An override of a key that every data set has, and the groups do not list."""
    return f"++{word}" if word.startswith(("data.timeout=", "data.collate_fn")) else word
