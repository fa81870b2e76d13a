"""What the arguments of an optimizer must be, which torch says in words that name no key."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lrfind.errors import ConfigError

if TYPE_CHECKING:
    import inspect
    from collections.abc import Mapping

_BELOW_1 = ("betas", "momentum", "rho")
"""The weights of the past in an average; with 1 the past is never left, and above it grows."""


def check_arguments(node: Mapping[str, Any], taken: Mapping[str, inspect.Parameter]) -> None:
    """Checks an optimizer's arguments by what torch's take when they are left out; of others the rate alone.

    Raises:
        ConfigError: Some cannot be used; every one is named.
    """
    defaults: dict[str, Any] = {"lr": 0.0}
    if node["_target_"].startswith("torch."):
        defaults = {key: each.default for key, each in taken.items()}
    problems = []
    for key, value in node.items():
        spelled = "null" if value is None else repr(value)
        if (wanted := _wanted(key, defaults.get(key))) and not _fits(key, value, defaults[key]):
            problems.append(f"optimizer.{key} must be {wanted}, got {spelled}.")
        elif isinstance(value, float) and math.isnan(value):
            problems.append(f"optimizer.{key} must be a number, got {spelled}.")
    if problems:
        raise ConfigError(*problems)


def _wanted(key: str, default: Any) -> str:
    """What is asked for in the place of a default; empty where that says nothing."""
    if isinstance(default, bool):
        return "true or false"
    if isinstance(default, tuple):
        numbers = "numbers of at least 0 and below 1" if key in _BELOW_1 else "numbers"
        example = ",".join("null" if each is None else f"{each:g}" for each in default)
        return f"a list of {len(default)} {numbers}, such as [{example}]"
    if not isinstance(default, (int, float)):
        return ""
    if key in _BELOW_1:
        return "a number of at least 0 and below 1"
    return "a finite number of at least 0" if default >= 0 else "a finite number"


def _fits(key: str, value: Any, default: Any) -> bool:
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, tuple):
        same = isinstance(value, (list, tuple)) and len(value) == len(default)
        return same and all(_fits(key, *each) for each in zip(value, default, strict=True))
    if default is None:
        return value is None or _fits(key, value, 0.0)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return False
    return default < 0 or 0 <= value < (1 if key in _BELOW_1 else math.inf)
