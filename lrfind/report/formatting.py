"""How durations, paths, numbers of things and lists of names are spelled for a reader."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from itertools import compress
from typing import TYPE_CHECKING

from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def duration_text(seconds: float) -> str:
    """Spells a duration: `0.42 s`, `12 s`, `3 min 05 s`, `2 h 10 min`; `?` where it is not finite."""
    if not math.isfinite(seconds):
        return "?"
    if seconds < 10:
        return f"{max(seconds, 0.0):.2g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def training_text(seconds: float, launcher: str | None) -> str:
    """Spells how long a training is going to take: `about 12 s`, and what that leaves out.

    `seconds` is what it would take here, one after another. Nothing here shows how long the processes of a
    launcher take to start and to read the data, which for short runs is most of it.
    """
    told = f"about {duration_text(seconds)}"
    return (
        told
        if launcher is None
        else f"{told} of training, with the start of each process of {launcher} on top"
    )


def shortest(path: str | os.PathLike[str]) -> str:
    """The path from the working directory where that is shorter."""
    whole = os.fspath(path)
    with suppress(ValueError):  # another drive
        return min(os.path.relpath(whole), whole, key=len)
    return whole


def counted(count: int, what: str) -> str:
    """Spells a number of things: `1 seed`, `1,200 seeds`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def listed(names: Sequence[str], last: str = "and") -> str:
    """Spells names: `a`, `a and b`, `a, b and c`; there is one at least."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def momentum_text(optimizer: Mapping[str, Any]) -> str:
    """What tells an optimizer's config from that of the same class without momentum: ` (momentum 0.9)`."""
    settings = []
    momentum = optimizer.get("momentum")
    if isinstance(momentum, (int, float)) and momentum:
        settings.append(f"momentum {momentum:g}")
    if optimizer.get("nesterov"):
        settings.append("Nesterov")
    return f" ({', '.join(settings)})" if settings else ""


def told_apart(one: float, *others: float, most: int = 8) -> tuple[str, ...]:
    """Spells numbers with three significant digits, or up to `most` where the first is spelled like another.

    One that equals the first cannot be told from it.
    """
    differs = [other != one for other in others]
    for digits in range(3, most + 1):
        texts = tuple(rate_text(number, digits) for number in (one, *others))
        if texts[0] not in compress(texts[1:], differs):
            break
    return texts
