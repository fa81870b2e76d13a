"""Pictures on paper: matplotlib without a screen, without global state, without what costs time."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lrfind.range_test.plot import FONT_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lrfind.plotting.axes import Axis
    from lrfind.range_test.plot import Box, RangeFigure, Series

# Okabe and Ito's colours, told apart by colour-blind readers and in grey print.
BLUE, SKY, VERMILLION, GREEN, PURPLE = "#0072B2", "#56B4E9", "#D55E00", "#009E73", "#CC79A7"
GREEN_TEXT, VERMILLION_TEXT, _GREY = "#00664B", "#A84A00", "#8C8C8C"

_BAND = "all sweeps"

# A user's matplotlibrc must not turn on TeX, crop the picture or read a `$` in a path as mathematics.
_SETTINGS: Any = {
    "font.family": "DejaVu Sans",
    "font.size": FONT_SIZE,
    "text.usetex": False,
    "text.parse_math": False,
    "axes.facecolor": "white",
    "axes.grid": False,
    "axes.linewidth": 0.6,
    "axes.labelsize": FONT_SIZE,
    "xtick.labelsize": FONT_SIZE,
    "ytick.labelsize": FONT_SIZE,
    "lines.linewidth": 1.0,
    "savefig.bbox": None,
    "savefig.dpi": "figure",
}


def draw(data: RangeFigure) -> Figure:
    """Draws the picture on a figure of its own: no window, and nothing to close."""
    with on_paper(data.size) as figure:
        write_title(figure, data.title, left=data.left_panel[0], height=data.size[1])
        _draw_curve(figure, data)
        _draw_ladder(figure, data)
    return figure


@contextmanager
def on_paper(size: tuple[float, float]) -> Iterator[Figure]:
    """A white figure of a size in inches, and the settings that all pictures are drawn with."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(_SETTINGS):
        # Everything is placed by hand: tight and constrained layout draw the picture up to three times.
        figure = Figure(figsize=size, dpi=200, facecolor="white")
        FigureCanvasAgg(figure)
        yield figure


def png(figure: Figure) -> bytes:
    """Renders a figure as the bytes of a PNG file."""
    import matplotlib as mpl

    stream = io.BytesIO()
    with mpl.rc_context(_SETTINGS):
        figure.savefig(stream, format="png")
    return stream.getvalue()


def panel(figure: Figure, box: Box, across: Axis, upright: Axis) -> Axes:
    """Adds a framed panel with the two axes as worked out."""
    from matplotlib.markers import TICKDOWN, TICKLEFT
    from matplotlib.ticker import NullLocator

    axes = figure.add_axes(box)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xscale(across.scale)
    axes.set_yscale(upright.scale)
    for side, plan in ((axes.xaxis, across), (axes.yaxis, upright)):
        side.set_ticks(plan.ticks, plan.tick_labels)
        side.set_minor_locator(NullLocator())
        side.set_label_text(plan.label)
    # Matplotlib's own minor ticks, an artist each, take half of the whole time; these are a line an axis.
    looks: dict[str, Any] = {"color": "black", "linestyle": "", "markersize": 2, "mew": 0.5, "clip_on": False}
    if across.minor_ticks:
        zeros, where = [0] * len(across.minor_ticks), axes.get_xaxis_transform()
        axes.plot(across.minor_ticks, zeros, marker=TICKDOWN, transform=where, **looks)
    if upright.minor_ticks:
        zeros, where = [0] * len(upright.minor_ticks), axes.get_yaxis_transform()
        axes.plot(zeros, upright.minor_ticks, marker=TICKLEFT, transform=where, **looks)
    axes.set_xlim(across.limits)
    axes.set_ylim(upright.limits)
    return axes


def _draw_curve(figure: Figure, data: RangeFigure) -> None:
    axes = panel(figure, data.left_panel, data.rate, data.value)
    many = len(data.read.x) > 1000
    size, alpha = (1.2, 0.25) if many else (2.6, 0.75)
    plot(axes, data.read, "o", color=SKY, markersize=size, alpha=alpha, mew=0)
    plot(axes, data.skipped, "o", color=_GREY, markersize=2.6, alpha=0.5, mfc="none", mew=0.5)
    if data.band is not None:
        axes.fill_between(*data.band, color=BLUE, alpha=0.2, linewidth=0, label=_BAND)
    plot(axes, data.line, "-", color=BLUE, linewidth=1.5, solid_joinstyle="round")
    plot(axes, data.validation, "D-", color=PURPLE, linewidth=0.8, markersize=3, mew=0)
    plot(axes, data.above, "^", color=SKY, markersize=3, mew=0, clip_on=False)
    plot(axes, data.nonfinite, "x", color="black", markersize=4, mew=1, clip_on=False)
    if data.bracket is not None:
        axes.axvspan(data.bracket.low, data.bracket.high, color=GREEN, alpha=0.14, linewidth=0, zorder=0)
        write_above(axes, data.bracket.text, at=data.bracket.text_at, row=1, color=GREEN_TEXT)
    if data.suggestion is not None:
        mark = data.suggestion
        axes.axvline(mark.low, color=VERMILLION, linewidth=1.1, zorder=2.5)
        axes.plot(mark.low, mark.height, "o", color=VERMILLION, markersize=4.5, zorder=4)
        write_above(axes, mark.text, at=mark.text_at, color=VERMILLION_TEXT, weight="bold")
    else:
        write_above(axes, "no learning rate suggested", color="0.3")
    handles, names = axes.get_legend_handles_labels()
    if handles:
        legend = figure.legend(
            handles,
            names,
            loc="lower left",
            bbox_to_anchor=(data.left_panel[0], 0.0),
            ncols=len(handles),
            frameon=False,
            fontsize=FONT_SIZE,
            borderaxespad=0.3,
            borderpad=0.2,
            handlelength=1.4,
            handletextpad=0.5,
            columnspacing=1.3,
            markerscale=2 if many else 1,
        )
        for handle, name in zip(legend.legend_handles, names, strict=True):
            if handle is not None and name != _BAND:
                handle.set_alpha(1)  # faint in a cloud is invisible alone


def plot(axes: Axes, series: Series, style: str, **looks: Any) -> None:
    """Plots points that there are; an empty series leaves no trace in a legend."""
    if len(series.x):
        axes.plot(series.x, series.y, style, label=series.name, **looks)


def write_title(figure: Figure, title: str, *, left: float, height: float) -> None:
    """Writes the title at the top, from a share `left` of the width on; `height` is in inches."""
    figure.text(left, 1 - 0.08 / height, title, va="top", fontsize=FONT_SIZE + 1, linespacing=1.2)


def write_above(axes: Axes, text: str, *, at: float = 0.5, row: int = 0, **looks: Any) -> None:
    """Writes above the panel, centred at a share `at` of its width; row 0 is the nearest."""
    offset = (0, 5 + row * (FONT_SIZE + 4))
    axes.annotate(text, (at, 1), offset, "axes fraction", "offset points", ha="center", **looks)


def _draw_ladder(figure: Figure, data: RangeFigure) -> None:
    axes = panel(figure, data.right_panel, data.step, data.rate_upright)
    style = "-" if len(data.ladder.x) > 1 else "o"
    plot(axes, data.ladder, style, color="0.25", linewidth=1.3, markersize=3)
    if data.bracket is not None:
        axes.axhspan(data.bracket.low, data.bracket.high, color=GREEN, alpha=0.14, linewidth=0, zorder=0)
    if data.suggestion is not None:
        axes.axhline(data.suggestion.low, color=VERMILLION, linewidth=1.0)
    write_above(axes, data.outcome, color="0.3")
