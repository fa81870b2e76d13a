"""The renderer: pages and panels as matplotlib figures, without a screen, without global state."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Any

from lrfind.plotting.page import TITLE_LINE, WIDTH
from lrfind.plotting.panel import DARK, FONT_SIZE, Band, Label, Line, Marker, Points, Shape, Span

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lrfind.plotting.page import Page, Placed
    from lrfind.plotting.panel import Dash, Layer, Named, Panel

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
    "lines.solid_joinstyle": "round",
    "lines.scale_dashes": True,
    "savefig.bbox": None,
    "savefig.dpi": "figure",
}

_MARKS: dict[Shape, dict[str, Any]] = {
    Shape.DOT: {"marker": "o", "mew": 0},
    Shape.RING: {"marker": "o", "mfc": "none"},
    Shape.UP: {"marker": "^", "mew": 0},
    Shape.DOWN: {"marker": "v", "mew": 0},
    Shape.CROSS: {"marker": "x"},
    Shape.DIAMOND: {"marker": "D", "mew": 0},
    Shape.BAR: {"marker": "_"},
}


def draw(page: Page) -> Figure:
    """Draws a page on a figure of its own: no window, and nothing to close."""
    mpl = _matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(_SETTINGS):
        # Everything is placed by hand: tight and constrained layout draw the picture up to three times.
        figure = Figure(figsize=page.size, dpi=200, facecolor="white")
        FigureCanvasAgg(figure)
        _write_title(figure, page)
        for panel, box in page.frames:
            axes = figure.add_axes(box)
            axes.spines[["top", "right"]].set_visible(False)
            _paint(panel, axes)
        height = page.size[1]
        for placed in page.entries:
            _write_entry(figure, placed, height)
        for text, middle in page.headings:
            figure.text(page.left / WIDTH, middle / height, text, va="center_baseline")
    return figure


def draw_into(panel: Panel, axes: Axes) -> Figure:
    """Draws a panel, with its key, into axes of somebody else's figure, and returns that figure."""
    import matplotlib as mpl

    with mpl.rc_context(_SETTINGS):
        _paint(panel, axes)
        handles = [_sample(layer) for layer in panel.named]
        axes.legend(handles, [layer.name for layer in panel.named], loc="best", frameon=False)
        figure: Figure = axes.figure.figure  # that of a part of a figure is the whole one
    return figure


def _matplotlib() -> Any:
    """matplotlib, also where MPLBACKEND names none of its backends: a picture on paper needs no other."""
    try:
        import matplotlib as mpl
    except ValueError:
        named = os.environ.pop("MPLBACKEND", None)
        if named is None:
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
            del sys.modules[name]  # what a failed import has left
        try:
            import matplotlib as mpl
        finally:
            os.environ["MPLBACKEND"] = named
    return mpl


def png(figure: Figure) -> bytes:
    """Renders a figure as the bytes of a PNG file."""
    import matplotlib as mpl

    stream = io.BytesIO()
    with mpl.rc_context(_SETTINGS):
        figure.savefig(stream, format="png")
    return stream.getvalue()


def picture(page_of: Callable[..., Page], *shown: Any) -> bytes:
    """What a function makes a page of, drawn as a PNG."""
    return png(draw(page_of(*shown)))


def _write_title(figure: Figure, page: Page) -> None:
    left, height = page.left / WIDTH, page.size[1]
    top = 1 - 0.08 / height
    looks: dict[str, Any] = {"va": "top", "linespacing": 1.2}
    figure.text(left, top, "\n".join(page.title_lines), fontsize=FONT_SIZE + 1, **looks)
    if page.note:
        top -= (TITLE_LINE * len(page.title_lines) + 0.02) / height
        figure.text(left, top, "\n".join(page.note_lines), fontsize=FONT_SIZE + 0.5, color=DARK, **looks)


def _paint(panel: Panel, axes: Axes) -> None:
    """Sets the axes as worked out and paints the layers."""
    from matplotlib.markers import TICKDOWN, TICKLEFT
    from matplotlib.ticker import NullLocator

    axes.set_xscale(panel.x.scale)
    axes.set_yscale(panel.y.scale)
    for side, plan in ((axes.xaxis, panel.x), (axes.yaxis, panel.y)):
        side.set_ticks(plan.ticks, plan.tick_labels)
        side.set_minor_locator(NullLocator())
        side.set_label_text(plan.label)
    # Matplotlib's own minor ticks, an artist each, take half of the whole time; these are a line an axis.
    looks: dict[str, Any] = {"color": "black", "linestyle": "", "markersize": 2, "mew": 0.5, "clip_on": False}
    if panel.x.minor_ticks:
        zeros, where = [0] * len(panel.x.minor_ticks), axes.get_xaxis_transform()
        axes.plot(panel.x.minor_ticks, zeros, marker=TICKDOWN, transform=where, **looks)
    if panel.y.minor_ticks:
        zeros, where = [0] * len(panel.y.minor_ticks), axes.get_yaxis_transform()
        axes.plot(zeros, panel.y.minor_ticks, marker=TICKLEFT, transform=where, **looks)
    if panel.grid:
        axes.grid(visible=True, axis="y" if panel.grid == "y" else "both", color="0.92", linewidth=0.6)
        axes.set_axisbelow(True)
    for i, layer in enumerate(panel.layers):
        _paint_layer(axes, layer, zorder=1 + i / len(panel.layers))
    axes.set_xlim(panel.x.limits)
    axes.set_ylim(panel.y.limits)


def _paint_layer(axes: Axes, layer: Layer, zorder: float) -> None:
    if isinstance(layer, Line):
        style = "steps-post" if layer.stairs else "default"
        axes.plot(layer.x, layer.y, drawstyle=style, zorder=zorder, label=layer.name, **_looks(layer))
    elif isinstance(layer, Points):
        if layer.low is not None and layer.high is not None:
            axes.errorbar(
                layer.x, layer.y, yerr=[layer.y - layer.low, layer.high - layer.y], fmt="none", zorder=zorder,
                ecolor=layer.colour, elinewidth=layer.size / 3,
                capsize=layer.size * 0.6, capthick=layer.size / 4,
            )  # fmt: skip
        axes.plot(layer.x, layer.y, zorder=zorder, label=layer.name, clip_on=layer.clipped, **_looks(layer))
    elif isinstance(layer, Band):
        step: Any = "post" if layer.stairs else None
        axes.fill_between(
            layer.x, layer.low, layer.high, step=step, color=layer.colour, alpha=layer.opacity, linewidth=0,
            zorder=zorder, label=layer.name,
        )  # fmt: skip
    elif isinstance(layer, Span):
        paint = axes.axvspan if layer.along == "x" else axes.axhspan
        paint(layer.low, layer.high, color=layer.colour, alpha=layer.opacity, linewidth=0, zorder=zorder)
    elif isinstance(layer, Marker):
        mark = axes.axvline if layer.along == "x" else axes.axhline
        mark(layer.at, color=layer.colour, lw=layer.width, ls=_style(layer.dash), zorder=zorder)
    else:
        _write(axes, layer, zorder)


def _write(axes: Axes, label: Label, zorder: float) -> None:
    axes.annotate(
        label.text, (label.x, label.y), label.shift, "data" if label.in_data else "axes fraction",
        "offset points", ha=label.align, color=label.colour, weight="bold" if label.bold else "normal",
        fontsize=label.size, zorder=zorder,
    )  # fmt: skip


def _looks(layer: Line | Points) -> dict[str, Any]:
    if isinstance(layer, Points):
        # Thin strokes, but for those that are nothing else.
        stroke = 0.5 if layer.shape is Shape.RING and layer.size < 4 else max(1.0, layer.size / 5)
        looks = {"linestyle": "", "markersize": layer.size, "mew": stroke} | _MARKS[layer.shape]
    else:
        looks = {"linestyle": _style(layer.dash), "linewidth": layer.width, "mew": 0}
        looks |= {"marker": "o" if layer.dots else "", "markersize": layer.dots}
    return looks | {"color": layer.colour, "alpha": layer.opacity}


def _style(dash: Dash) -> Any:
    return (0, dash) if dash else "-"


def _sample(
    layer: Named, left: float = 0.0, right: float = 1.0, middle: float = 0.0, half: float = 0.0
) -> Artist:
    """What a key shows of a layer between two ends; a faint cloud of points would be invisible alone."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

    if isinstance(layer, Band):
        size = (right - left, 2 * half)
        return Rectangle((left, middle - half), *size, color=layer.colour, alpha=layer.opacity, linewidth=0)
    looks = _looks(layer) | {"alpha": 1.0}
    if isinstance(layer, Points):
        looks["markersize"] = max(layer.size, 2.6)
        return Line2D([(left + right) / 2], [middle], **looks)
    looks |= {"linewidth": max(layer.width, 1.5), "markersize": 0}
    return Line2D([left, right], [middle, middle], **looks)


def _write_entry(figure: Figure, placed: Placed, height: float) -> None:
    entry, middle = placed.entry, placed.middle / height
    left, right = placed.sample
    figure.add_artist(_sample(entry.sample, left / WIDTH, right / WIDTH, middle, 0.04 / height))
    weight = "bold" if entry.bold else "normal"
    figure.text(placed.text / WIDTH, middle, entry.text, va="center_baseline", weight=weight)
