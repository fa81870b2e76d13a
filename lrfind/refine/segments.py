"""The learning rates of a coarse-to-fine sweep: segments of exact decimal rates.

Source: ai-edu, chapter 12.3.2, whose table of rates is `TABLE`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_DOWN, Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

MOST_RATES = 10_000
"""Rates that a round may have: more is a slip in a step, and would fill the memory before anything is run."""

DEFAULT_ITERATIONS = 10
"""Iterations a rate, as in the chapter's table."""

_KEYS = ("start", "stop", "step", "iterations")


@dataclass(frozen=True, slots=True)
class Segment:
    """Rates from `start` to `stop` by `step`, each held for a number of iterations.

    Decimal, not binary: the third rate from 0.1 by 0.1 is 0.3, not 0.30000000000000004.

    Attributes:
        start: First rate, greater than 0.
        stop: No rate lies above it; it is one itself where the step hits it.
        step: From one rate to the next.
        iterations: How long each rate is held.
    """

    start: Decimal
    stop: Decimal
    step: Decimal
    iterations: int

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: They make no rates; the message says which and why.
        """
        if not all(value.is_finite() for value in (self.start, self.stop, self.step)):
            raise ValueError("start, stop and step must be finite")
        if self.start <= 0:
            raise ValueError(f"start must be greater than 0, got {plain(self.start)}")
        if self.start >= self.stop:
            raise ValueError(
                f"stop must be greater than start, got start {plain(self.start)} and stop {plain(self.stop)}"
            )
        if self.step <= 0:
            raise ValueError(f"step must be greater than 0, got {plain(self.step)}")
        if self.step > self.stop - self.start:
            raise ValueError(
                f"step must be at most stop - start, {plain(self.stop - self.start)}, got {plain(self.step)}"
            )
        if self.iterations < 1:
            raise ValueError(f"iterations must be at least 1, got {self.iterations}")
        if len(self) > MOST_RATES:
            raise ValueError(
                f"step {plain(self.step)} makes {len(self):,} rates of it, and {MOST_RATES:,} is the most: "
                "take a larger one"
            )

    @classmethod
    def of(cls, start: object, stop: object, step: object, iterations: int = DEFAULT_ITERATIONS) -> Segment:
        """A segment of numbers as people write them: 0.1 is a tenth. It may raise a ValueError."""
        return cls(exact(start), exact(stop), exact(step), iterations)

    def __len__(self) -> int:
        """Number of rates."""
        return int((self.stop - self.start) / self.step) + 1

    @property
    def rates(self) -> tuple[float, ...]:
        """The rates, rising; each is the float nearest to its decimal."""
        return tuple(float(self.start + i * self.step) for i in range(len(self)))


Segments = tuple[Segment, ...]
"""The rates of one round, rising through all of it."""


def exact(value: object) -> Decimal:
    """The decimal that a number is written as: 0.1 is 1/10, not the binary fraction next to it.

    Raises:
        ValueError: It is no number.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise ValueError(f"a rate must be a number, got {value!r}")
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"a rate must be a number, got {value!r}") from None


def plain(value: Decimal) -> str:
    """A decimal as a person writes it: 0.3, 2e-7."""
    value = value.normalize()
    if value.is_finite() and -5 < value.adjusted() < 6:
        return f"{value:f}"
    return f"{value:e}".replace("e+", "e")


def table(iterations: int = DEFAULT_ITERATIONS) -> Segments:
    """The chapter's table: nine rates in each decade from 0.0001 to 0.9, then 1.0 to 1.1 by 0.01."""
    decades = tuple(_decade(exponent, iterations) for exponent in (-4, -3, -2, -1))
    return (*decades, Segment.of("1.0", "1.1", "0.01", iterations))


def around(lr: object, iterations: int = DEFAULT_ITERATIONS) -> Segments:
    """The closing round about a rate: its neighbours in the table, and ten finer steps to each.

    0.7 gives 0.6 to 0.8 by 0.01, 3e-4 gives 2e-4 to 4e-4 by 1e-5; about a power of ten the steps below are
    those of the decade below: 0.1 gives 0.09 to 0.1 by 0.001 and on to 0.2 by 0.01. A rate between two of the
    table is taken for the nearer one.

    Raises:
        ValueError: The rate is not positive and finite.
    """
    value = exact(lr)
    if not (value.is_finite() and value > 0):
        raise ValueError(f"the rate must be greater than 0 and finite, got {lr}")
    centre = nearest(value)
    unit = Decimal(1).scaleb(centre.adjusted())
    if centre > unit:
        return (Segment(centre - unit, centre + unit, unit / 10, iterations),)
    return (
        Segment(centre - unit / 10, centre, unit / 100, iterations),
        Segment(centre + unit / 10, centre + unit, unit / 10, iterations),
    )


def nearest(value: Decimal) -> Decimal:
    """The rate of the table nearest to a rate, the smaller one of two: one significant digit."""
    rounded = value.quantize(Decimal(1).scaleb(value.adjusted()), rounding=ROUND_HALF_DOWN)
    return rounded.normalize()


def below(lr: float) -> float:
    """The next smaller rate of the table: 0.7 for 0.8 and for 0.75, 0.09 for 0.1."""
    value = exact(lr)
    unit = Decimal(1).scaleb(value.adjusted())
    count = math.ceil(value / unit) - 1
    return float(count * unit if count else unit - unit / 10)


def by_table(low: float, high: float, iterations: int) -> Segments:
    """The rates of the table from `low` to `high`, which are rates of it, whole decades apart."""
    segments: list[Segment] = []
    for exponent in range(exact(low).adjusted(), exact(high).adjusted() + 1):
        unit = Decimal(1).scaleb(exponent)
        first, last = max(exact(low), unit), min(exact(high), 9 * unit)
        if segments and segments[-1].stop == unit:
            first = 2 * unit
        if last > first:
            segments.append(Segment(first, last, min(unit, last - first), iterations))
        elif last == first and segments:  # a rate alone is the tenth of the decade below
            segments[-1] = replace(segments[-1], stop=last)
        elif last == first < exact(high):  # the ninth of a decade alone begins with the next power of ten
            segments.append(Segment(first, 10 * unit, unit, iterations))
    return tuple(segments)


def evenly(low: float, high: float, iterations: int, *, most: int) -> Segments:
    """Rates from `low` to `high` by the finest step of 1, 2 or 5 times a power of ten with at most `most`."""
    first, last = exact(low), exact(high)
    exponent = ((last - first) / most).adjusted() - 1
    for k in range(exponent, exponent + 4):
        for digit in (1, 2, 5):
            step = Decimal(digit).scaleb(k)
            if (last - first) / step + 1 <= most:
                return (Segment(first, last, step, iterations),)
    raise AssertionError((low, high, most))


def rungs(segments: Segments) -> list[tuple[int, float, int]]:
    """Segment (counted from 1), rate and iterations, rate by rate."""
    return [(i, lr, s.iterations) for i, s in enumerate(segments, start=1) for lr in s.rates]


def check_rising(segments: Segments) -> None:
    """Checks that a round has rates and that they rise from segment to segment.

    Raises:
        ValueError: They do not; the message names the segments, counted from 1.
    """
    if not segments:
        raise ValueError("a round needs at least one segment {start, stop, step, iterations}")
    for i, (one, other) in enumerate(pairwise(segments), start=1):
        if other.start <= one.stop:
            what = "overlap" if other.stop >= one.start else "do not rise"
            raise ValueError(
                f"segments {i} and {i + 1} {what}: {plain(one.start)} to {plain(one.stop)} is followed by "
                f"{plain(other.start)} to {plain(other.stop)}; start the second one above {plain(one.stop)}"
            )
    count = sum(len(segment) for segment in segments)
    if count > MOST_RATES:
        raise ValueError(f"the segments make {count:,} rates, and {MOST_RATES:,} is the most")


def rounds_of(given: Sequence[Any]) -> list[Segments]:
    """Rounds as a config writes them: a list of segments is one round, a list of such lists several.

    Raises:
        ValueError: They cannot be used; the message says which segment and why.
    """
    if given and all(isinstance(item, Sequence) and not isinstance(item, str) for item in given):
        return [_round(item, f"round {i}: ") for i, item in enumerate(given, start=1)]
    return [_round(given, "")]


def _round(given: Sequence[Any], prefix: str) -> Segments:
    segments = []
    for i, item in enumerate(given, start=1):
        try:
            segments.append(_segment(item))
        except ValueError as error:
            raise ValueError(f"{prefix}segment {i}: {error}") from None
    made = tuple(segments)
    try:
        check_rising(made)
    except ValueError as error:
        raise ValueError(f"{prefix}{error}") from None
    return made


def _segment(item: Any) -> Segment:
    if isinstance(item, Segment):
        return item
    if not isinstance(item, Mapping):
        raise ValueError(f"must be {{start, stop, step, iterations}}, got {item!r}")
    unknown = [str(key) for key in item if key not in _KEYS]
    if unknown:
        raise ValueError(f"{unknown[0]} is no key of a segment: {', '.join(_KEYS)}")
    missing = [key for key in _KEYS[:3] if key not in item]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    iterations = item.get("iterations", DEFAULT_ITERATIONS)
    if isinstance(iterations, float) and iterations.is_integer():
        iterations = int(iterations)
    if isinstance(iterations, bool) or not isinstance(iterations, int):
        raise ValueError(f"iterations must be a whole number, got {iterations!r}")
    return Segment.of(item["start"], item["stop"], item["step"], iterations)


def _decade(exponent: int, iterations: int) -> Segment:
    unit = Decimal(1).scaleb(exponent)
    return Segment(unit, 9 * unit, unit, iterations)
