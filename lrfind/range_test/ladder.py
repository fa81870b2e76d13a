"""The learning rates of a sweep."""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lrfind.statistics import Floats


DEFAULT_START = 1e-5
"""The first rate where nothing else is asked for."""

DEFAULT_END = 10.0
"""The last rate where nothing else is asked for; hardly any model is best trained beyond it."""

MOST_STEPS = 10_000_000
"""Steps that a ladder may have: more is a slip of the finger, and would fill the memory."""


class Spacing(str, Enum):
    """How the rates of a ladder lie between its ends."""

    GEOMETRIC = "geometric"
    """A constant factor from rung to rung: even on a logarithmic axis."""
    LINEAR = "linear"
    """A constant difference from rung to rung, as in Smith's figures."""


def geometric(start: float, end: float, num_steps: int) -> Floats:
    """Rates from `start` to `end` with a constant factor q = (end / start)^(1 / (num_steps - 1)).

    Args:
        start: First rate, greater than 0.
        end: Last rate, greater than `start`.
        num_steps: Number of rates, at least 2.

    Returns:
        Shape (num_steps,), float64, strictly rising; both end points exact.

    Raises:
        ValueError: The arguments make no ladder.

    Source: Gugger, "How Do You Find A Good Learning Rate": lr_i = lr_0 q^i.
    """
    _check(start, end, num_steps)
    if start <= 0:
        raise ValueError(f"a geometric ladder must start above 0, got {start}")
    # Through the logarithms, since end / start overflows before the rates do.
    rates = np.exp(np.linspace(math.log(start), math.log(end), num_steps))
    return _between(rates, start, end)


def linear(start: float, end: float, num_steps: int) -> Floats:
    """Rates from `start` to `end` with a constant difference.

    Args:
        start: First rate, at least 0.
        end: Last rate, greater than `start`.
        num_steps: Number of rates, at least 2.

    Returns:
        Shape (num_steps,), float64, strictly rising; both end points exact.

    Raises:
        ValueError: The arguments make no ladder.

    Source: Smith, arXiv 1506.01186, section 3.3: the rate rises linearly over the test.
    """
    _check(start, end, num_steps)
    if start < 0:
        raise ValueError(f"a linear ladder must start at 0 or above, got {start}")
    rates = np.linspace(start, end, num_steps)
    return _between(rates, start, end)


def ladder(spacing: Spacing, start: float, end: float, num_steps: int) -> Floats:
    """The ladder of that spacing; see `geometric` and `linear`."""
    make = geometric if Spacing(spacing) is Spacing.GEOMETRIC else linear
    return make(start, end, num_steps)


def _between(rates: Floats, start: float, end: float) -> Floats:
    """The rates with exact ends, if they all differ."""
    rates[0], rates[-1] = start, end
    if not (np.diff(rates) > 0).all():
        raise ValueError(
            f"a ladder's ends must lie further apart: {start} and {end} are too close for {len(rates)} steps"
        )
    return rates


def _check(start: float, end: float, num_steps: int) -> None:
    if not isinstance(num_steps, (int, np.integer)) or not all(
        isinstance(end_point, (int, float, np.number)) for end_point in (start, end)
    ):
        raise ValueError(f"a ladder is made of numbers, got {start!r}, {end!r} and {num_steps!r} steps")
    if num_steps < 2:
        raise ValueError(f"a ladder has at least 2 steps, got {num_steps}")
    if num_steps > MOST_STEPS:
        raise ValueError(f"a ladder has at most {MOST_STEPS:,} steps, got {num_steps}")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise ValueError(f"a ladder's ends must be finite, got {start} and {end}")
    if start >= end:
        raise ValueError(f"a ladder must rise: start {start} is not below end {end}")


def unread_steps(
    num_steps: int, *, paired: bool, skip_start: int | None, skip_end: int | None
) -> tuple[int, int]:
    """Steps at the start and, after an early stop, at the end of a ladder that nothing is read from.

    Args:
        num_steps: Length of the ladder.
        paired: Whether the model as it was at the start is measured beside: then every step is read.
        skip_start: As given; None: a tenth of the ladder, at most 10.
        skip_end: As given; None: a twentieth of the ladder, at most 5.
    """
    tenth, twentieth = (0, 0) if paired else (min(10, num_steps // 10), min(5, num_steps // 20))
    return tenth if skip_start is None else skip_start, twentieth if skip_end is None else skip_end
