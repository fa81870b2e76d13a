"""The colours of the rates of a search, the same in every panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfind.plotting.panel import BLUE, MIDDLE, ORANGE, PURPLE, SKY, VERMILLION, shade
from lrfind.verify.candidates import Role

if TYPE_CHECKING:
    from lrfind.plotting.panel import Colour
    from lrfind.verify.candidates import Trials

_OTHERS = (SKY, BLUE, PURPLE, ORANGE, MIDDLE)
"""Colours of the rates beside the one in question, rising; of more rates from cold to warm."""

_WARMEST = 0.55
"""The warmest of those: beyond it they come near the colour of the rate in question."""

FINE = (1.0, 1.5)
"""Dots of the lines that are not of the held-out loss before training."""

SHORT = "#b8b8b8"
"""Of all rates that came to no end."""


def rate_colours(trials: Trials) -> list[Colour]:
    """One a rate; the rate in question always has the same, and those that came to no end are grey."""
    colours, others = [SHORT] * len(trials.candidates), []
    for rate, candidate in enumerate(trials.candidates):
        if {Role.SUGGESTION, Role.GIVEN, Role.CONFIG} & set(candidate.roles):
            colours[rate] = VERMILLION
        elif trials.cut_off or any(trial.finished[rate] for trial in trials.seeds):
            others.append(rate)
    count = len(others)
    chosen = _OTHERS if count <= len(_OTHERS) else [shade(_WARMEST * i / (count - 1)) for i in range(count)]
    for rate, colour in zip(others, chosen, strict=False):
        colours[rate] = colour
    return colours
