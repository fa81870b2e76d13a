"""A panel: two axes and a list of layers, each painted over the ones before it. Numbers and text alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from lrfind.plotting.axes import Axis
    from lrfind.statistics import Floats

Colour: TypeAlias = str
Dash: TypeAlias = tuple[float, ...]
"""Lengths of strokes and gaps in turn, in line widths; empty: an unbroken line."""

# Okabe and Ito's colours, told apart by colour-blind readers and in grey print.
BLUE, SKY, VERMILLION, GREEN, PURPLE, ORANGE = (
    "#0072B2",
    "#56B4E9",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
)
BLACK, DARK, MIDDLE, GREY = "#000000", "#4D4D4D", "#595959", "#8C8C8C"
GREEN_TEXT, VERMILLION_TEXT, PURPLE_DARK = "#00664B", "#A84A00", "#8F4A78"

DASHED, DOT_DASHED, DOTTED = (3.7, 1.6), (6.4, 1.6, 1.0, 1.6), (2.0, 2.0)

_SHADES = ("#1B1464", BLUE, SKY, GREEN, "#E0B000", VERMILLION, "#C0398F", "#5A0F2E")
"""From cold to warm, with a dark one at either end."""

_KINDS = (BLUE, VERMILLION, GREEN, PURPLE, SKY)
"""Of things without an order."""

FONT_SIZE = 8.0
"""Points, of all text but the title, which is a point larger."""


class Shape(str, Enum):
    """How a point is marked."""

    DOT = "dot"
    RING = "ring"
    UP = "up"
    DOWN = "down"
    CROSS = "cross"
    DIAMOND = "diamond"
    BAR = "bar"


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A curve.

    Attributes:
        x: Shape (points,).
        y: Shape (points,); NaN is a gap.
        name: What the key calls it; empty: nothing.
        width: In points.
        dots: Diameter of a dot at every point; 0: none.
        stairs: Whether a value is held until the next one.
    """

    x: Floats
    y: Floats
    colour: Colour
    name: str = ""
    width: float = 1.0
    dash: Dash = ()
    dots: float = 0.0
    stairs: bool = False
    opacity: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Measurements, each by itself.

    Attributes:
        x: Shape (points,).
        y: Shape (points,).
        name: What the key calls them; empty: nothing.
        size: Diameter in points.
        low: Lower ends of their uncertainty, shape (points,); None: it is not drawn.
        high: Upper ends.
        clipped: Whether the frame cuts them off; marks at its very edge are not.
    """

    x: Floats
    y: Floats
    colour: Colour
    name: str = ""
    shape: Shape = Shape.DOT
    size: float = 3.0
    opacity: float = 1.0
    low: Floats | None = None
    high: Floats | None = None
    clipped: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """All between two curves, shapes (points,) each."""

    x: Floats
    low: Floats
    high: Floats
    colour: Colour
    name: str = ""
    opacity: float = 0.16
    stairs: bool = False

    @property
    def y(self) -> Floats:
        """The middle between the two curves."""
        return (self.low + self.high) / 2


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one axis, over the whole length of the other."""

    along: Literal["x", "y"]
    low: float
    high: float
    colour: Colour = GREEN
    opacity: float = 0.14


@dataclass(frozen=True, slots=True)
class Marker:
    """One value of an axis: a straight line over the whole length of the other."""

    along: Literal["x", "y"]
    at: float
    colour: Colour = VERMILLION
    width: float = 1.1
    dash: Dash = ()


@dataclass(frozen=True, slots=True)
class Label:
    """Words.

    Attributes:
        x: Where, as a share of the panel's width, or in the units of the axis.
        y: Where, as a share of the panel's height, or in the units of the axis.
        in_data: Whether `x` and `y` are in the units of the axes.
        shift: How far to the right and up of there, in points.
        align: Which of its ends is there.
        size: In points.
    """

    text: str
    x: float
    y: float
    in_data: bool = False
    shift: tuple[float, float] = (0.0, 0.0)
    align: Literal["left", "center", "right"] = "center"
    colour: Colour = BLACK
    bold: bool = False
    size: float = FONT_SIZE


Layer: TypeAlias = Line | Points | Band | Span | Marker | Label
Named: TypeAlias = Line | Points | Band
"""The layers that a key explains."""


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """A frame and what is in it.

    Attributes:
        layers: Painted in this order.
        width: Of the frame in inches.
        height: Of the frame in inches.
        grid: Whether faint lines stand at the ticks of both axes, of `y` alone, or of none.
        room: Inches that are kept free to the left of the frame, beside the gap between panels.
    """

    x: Axis
    y: Axis
    layers: tuple[Layer, ...] = field(repr=False)
    width: float
    height: float
    grid: Literal["", "y", "both"] = ""
    room: float = 0.0

    @property
    def named(self) -> tuple[Named, ...]:
        """The layers with a name of which something is to be seen within the frame, one a name."""
        found: dict[str, Named] = {}
        for layer in self.layers:
            if isinstance(layer, Line | Points | Band) and layer.name and self.shows(layer):
                found.setdefault(layer.name, layer)
        return tuple(found.values())

    def shows(self, layer: Named) -> bool:
        """Whether any of its points lies within the frame."""
        return bool((self.x.holds(layer.x) & self.y.holds(layer.y)).any())


def above(
    text: str,
    at: float = 0.5,
    row: int = 0,
    *,
    align: Literal["left", "center", "right"] = "center",
    colour: Colour = BLACK,
    bold: bool = False,
    size: float = FONT_SIZE,
) -> Label:
    """Words above a panel, at a share of its width; row 0 is the nearest."""
    shift = (0.0, 5 + row * (FONT_SIZE + 4))
    return Label(text, at, 1.0, shift=shift, align=align, colour=colour, bold=bold, size=size)


def colour_of(index: int) -> Colour:
    """The colour of one of several things without an order, counted from 0; after five they begin again."""
    return _KINDS[index % len(_KINDS)]


def colours_of(count: int) -> list[Colour]:
    """The colours of so many things without an order; of more than five those of an ordered scale."""
    if count <= len(_KINDS):
        return list(_KINDS[:count])
    return [shade(i / (count - 1)) for i in range(count)]


def shade(share: float) -> Colour:
    """A colour of the ordered ones, from 0 for the coldest to 1: between the two nearest of them."""
    place = share * (len(_SHADES) - 1)
    first = min(int(place), len(_SHADES) - 2)
    pairs = [(int(_SHADES[first][i : i + 2], 16), int(_SHADES[first + 1][i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(one + (other - one) * (place - first)):02X}" for one, other in pairs)
