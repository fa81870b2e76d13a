"""Whether several models are trained stacked or one after another: what can be asked for."""

from __future__ import annotations

from enum import Enum


class Strategy(str, Enum):
    """How several models, one a learning rate or one a seed, are trained."""

    AUTO = "auto"
    """Stacked where that is possible and, by a rule on sizes, faster: the same choice each time."""
    SEQUENTIAL = "sequential"
    """One after another."""
    STACKED = "stacked"
    """Side by side in one stacked model, or not at all."""
