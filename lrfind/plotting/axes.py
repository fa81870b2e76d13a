"""The manners of an axis: its limits, its ticks and what is written at them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from lrfind.plotting.text import text_width
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from lrfind.statistics import Floats

_LABEL_GAP = 0.06
"""Inches between the labels of two ticks."""

_ASIDE = 0.35
"""Inches by which the words below an axis may be longer than it."""

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a panel.

    Ticks are worked out here rather than by matplotlib: that makes them testable and free of surprises
    (no offsets, no labels that touch), and plain text draws several times faster than its mathtext.

    Attributes:
        scale: Base 10 where logarithmic.
        limits: Ends of the frame, the lower one first.
        ticks: Labelled ticks, all within `limits`.
        minor_ticks: Ticks without a label.
    """

    label: str
    scale: Literal["linear", "log"]
    limits: tuple[float, float]
    ticks: tuple[float, ...]
    tick_labels: tuple[str, ...]
    minor_ticks: tuple[float, ...] = ()

    def fraction(self, value: float) -> float:
        """Where `value` lies along the axis: 0 at its lower end, 1 at its upper one."""
        low, high = self.limits
        if self.scale == "log":
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return (value - low) / (high - low)

    def holds(self, values: Floats) -> NDArray[np.bool_]:
        """Which of the values lie within the limits; none that is NaN does."""
        return (values >= self.limits[0]) & (values <= self.limits[1])

    @property
    def bare(self) -> Axis:
        """The same axis without a word: that of a panel whose neighbour has them."""
        return replace(self, label="", tick_labels=("",) * len(self.ticks))


def log_axis(low: float, high: float, label: str, *, max_labels: int = 8) -> Axis:
    """Makes a base-10 axis around the positive values `low..high`.

    Decades are labelled, every second or third one where there are many; where fewer than three decades
    are in sight, their 2 and 5 are labelled too, their 3 where those are more than `max_labels`, or
    whatever is round between `low` and `high`.
    """
    first, last = math.log10(low), math.log10(high)
    pad = 0.02 * (last - first) if last > first else 0.5
    limits = (10 ** (first - pad), 10 ** (last + pad))
    powers = range(math.floor(first) - 1, math.ceil(last) + 2)
    decades = [k for k in powers if limits[0] <= 10.0**k <= limits[1]]
    fine = _within((m * 10.0**k for k in powers for m in range(1, 10)), limits)
    if len(decades) >= 3:
        stride = math.ceil(len(decades) / max_labels)
        labelled = [k for k in decades if k % stride == 0]
        ticks = tuple(10.0**k for k in labelled)
        labels = tuple("10" + str(k).translate(_SUPERSCRIPTS) for k in labelled)
        # The eight ticks within a decade are a grey smear where decades are narrow.
        minor = fine if len(decades) <= 12 else tuple(10.0**k for k in decades)
    else:
        ticks = _round_in_decades((1, 2, 5), powers, limits)
        if len(ticks) > max_labels:
            ticks = _round_in_decades((1, 3), powers, limits)
        if len(ticks) < 3:
            ticks = _round_values(*limits, intervals=4)
        labels = tuple(rate_text(tick) for tick in ticks)
        minor = fine
    return Axis(label, "log", limits, ticks, labels, minor)


def rate_axis(rates: Iterable[float], width: float, *, max_labels: int = 8) -> Axis:
    """Makes a log axis around learning rates, with labels that have room in a panel of so many inches."""
    low, *_, high = sorted((*rates, *rates))
    label = "learning rate (log axis, base 10)"
    label = label if text_width(label) <= width + _ASIDE else "learning rate (log)"
    return kept_apart(log_axis(low, high, label, max_labels=max_labels), width)


def linear_axis(
    low: float, high: float, label: str, *, intervals: int = 6, whole: bool = False, percent: bool = False
) -> Axis:
    """Makes a linear axis around `low..high`.

    There is at most one tick more than `intervals`; `whole`: only at whole numbers; `percent`: values are
    shares, to be spelled as percent.
    """
    pad = 0.03 * (high - low) if high > low else 0.05 * (abs(low) or 1.0)
    limits = (low - pad, high + pad)
    ticks = _round_values(*limits, intervals=intervals)
    if len(ticks) < 2:  # a lone one says nothing of the scale
        ticks = _round_values(*limits, intervals=2 * intervals)
    if whole:
        ticks = tuple(tick for tick in ticks if tick.is_integer())
    return Axis(label, "linear", limits, ticks, _linear_labels(ticks, percent=percent))


def kept_on_page(axis: Axis, width: float, margin: float) -> Axis:
    """A horizontal axis without the tick labels that the right edge of the page would cut.

    `width` is that of the panel, and `margin` is between it and the edge, in inches.
    """

    def kept(tick: float, label: str) -> str:
        return label if text_width(label) / 2 <= (1 - axis.fraction(tick)) * width + margin else ""

    return replace(axis, tick_labels=tuple(map(kept, axis.ticks, axis.tick_labels)))


def kept_apart(axis: Axis, width: float) -> Axis:
    """A horizontal axis without the tick labels that would touch the one before; its first and last stay.

    Its ticks rise; `width` is that of the panel in inches.
    """
    halves = [max(map(text_width, label.split("\n"))) / 2 + _LABEL_GAP / 2 for label in axis.tick_labels]
    places = [axis.fraction(tick) * width for tick in axis.ticks]
    labels, end = [""] * len(places), -math.inf
    for i, (at, half) in enumerate(zip(places, halves, strict=True)):
        is_last = i == len(places) - 1
        if is_last or (at - half >= end and (i == 0 or at + half <= places[-1] - halves[-1])):
            labels[i], end = axis.tick_labels[i], at + half
    return replace(axis, tick_labels=tuple(labels))


def _round_in_decades(
    mantissas: Iterable[int], powers: Iterable[int], limits: tuple[float, float]
) -> tuple[float, ...]:
    # Through decimal text, so that 3e-4 is 0.0003.
    return _within((float(f"{m}e{k}") for k in powers for m in mantissas), limits)


def _within(values: Iterable[float], limits: tuple[float, float]) -> tuple[float, ...]:
    return tuple(value for value in values if limits[0] <= value <= limits[1])


def _round_values(low: float, high: float, *, intervals: int) -> tuple[float, ...]:
    """Multiples of 1, 2 or 5 times a power of ten within `low..high`, at most `intervals` + 1 of them."""
    rough = (high - low) / intervals
    exponent = math.floor(math.log10(rough))
    steps = ((1, exponent), (2, exponent), (5, exponent), (1, exponent + 1))
    mantissa, exponent = next((m, k) for m, k in steps if float(f"{m}e{k}") >= rough * (1 - 1e-9))
    step = float(f"{mantissa}e{exponent}")
    counts = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    # Through decimal text, so that the third multiple of 0.1 is 0.3.
    return tuple(float(f"{mantissa * count}e{exponent}") for count in counts)


def _linear_labels(ticks: tuple[float, ...], *, percent: bool) -> tuple[str, ...]:
    if percent:
        return tuple(f"{100 * tick:.6g}%" for tick in ticks)
    largest = max((abs(tick) for tick in ticks), default=0.0)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else largest or 1.0
    if 0 < largest < 1e-3 or largest >= 1e5:
        digits = math.floor(math.log10(largest) + 1e-9) - math.floor(math.log10(step) + 1e-9) + 1
        labels = tuple("0" if tick == 0 else rate_text(tick, digits) for tick in ticks)
    else:
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        labels = tuple(f"{tick:.{decimals}f}" for tick in ticks)
    return tuple("−" + text[1:] if text.startswith("-") else text for text in labels)
