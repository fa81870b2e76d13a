"""Whose code the user trusts: said on the command line or in the environment, never in a file.

A config file that could say so itself would only have to name what it wants to run.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from lrfind.config.targets import KNOWN, is_inside, is_trusted, named_targets
from lrfind.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from omegaconf import DictConfig

VARIABLE = "LRFIND_TRUST"
"""Packages the user always trusts, with commas between them."""

_OVERRIDE = re.compile(r"\+{0,2}trust=")


def trust_of(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> list[str]:
    """The packages that the words of a command line and the environment name.

    Args:
        arguments: Overrides and flags; of a multirun over several values all count.
        environ: The environment.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    named = [name.strip() for name in environ.get(VARIABLE, "").split(",")]
    for word in filter(_OVERRIDE.match, arguments):
        try:
            override = OverridesParser.create().parse_override(word)
        except HydraException:
            continue  # Hydra says what is wrong with it
        named += _texts(
            override.value() if not override.is_sweep_override() else list(override.sweep_iterator())
        )
    return [name for name in dict.fromkeys(named) if name]


def with_trust_of_the_user(composed: DictConfig, trust: Sequence[str]) -> DictConfig:
    """The config with the packages that the user named in place of those that its files name.

    Args:
        composed: The config of a command.
        trust: What `trust_of` returned.

    Raises:
        ConfigError: The config needs a package that only a file names; the message says what to add.
    """
    from omegaconf import OmegaConf, open_dict
    from omegaconf.errors import OmegaConfBaseException

    try:
        plain: Any = OmegaConf.to_container(composed, resolve=True)
        written = plain.get("trust")
    except OmegaConfBaseException:
        plain, written = {}, []  # whoever validates it says what is wrong with it
    if not (isinstance(written, list) and all(isinstance(name, str) for name in written)):
        return composed  # the same
    needed = [name for name in written if name not in trust and _is_needed(plain, name, trust)]
    if needed:
        whole = ",".join([*trust, *needed])
        raise ConfigError(
            f"trust=[{','.join(needed)}] stands in a config file, where it does not count: a file would only "
            f"have to trust itself. If that is code that you want to run, add 'trust=[{whole}]' to the "
            f"command line, or set {VARIABLE}={whole}."
        )
    with open_dict(composed):
        composed.trust = [name for name in written if name in trust] + [
            name for name in trust if name not in written
        ]
    return composed


def _is_needed(plain: Mapping[str, Any], package: str, trust: Sequence[str]) -> bool:
    """Whether a class that the config names is trusted with the package and not without it."""
    return any(
        isinstance(name, str) and is_inside(name, package) and not is_trusted(name, group, list(trust))
        for group in KNOWN
        for _, name in named_targets(plain.get(group), group)
    )


def _texts(value: Any) -> Iterator[str]:
    """The texts of an override's value, a list or one of them."""
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif value is not None:
        # A quoted text is an object of Hydra's that has its text within.
        yield str(getattr(value, "text", value))
