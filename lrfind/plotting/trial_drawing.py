"""The picture of a trial of policies on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lrfind.plotting.draw import on_paper, panel, write_title
from lrfind.plotting.schedule_drawing import COLOURS, STYLES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lrfind.schedule.trial_plot import TriedFigure, TriedPanel

_MARKED = 25
"""Up to so many readings each is a point of its own."""


def draw_tried(data: TriedFigure) -> Figure:
    """Draws the picture on a figure of its own: no window, and nothing to close."""
    with on_paper(data.size) as figure:
        left = data.panels[0].box[0]
        write_title(figure, data.title, left=left, height=data.size[1])
        for each in data.panels:
            _draw_panel(figure, each)
        for i, text in enumerate(data.key):
            _draw_key(figure, text, i, (left, data.key_at - (i + 0.5) * data.key_line), best=i == data.best)
    return figure


def _draw_panel(figure: Figure, data: TriedPanel) -> None:
    axes = panel(figure, data.box, data.across, data.upright)
    axes.grid(visible=True, color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    for line in data.lines:
        looks = _looks(line.colour)
        low, high = line.band
        if len(low.x):
            axes.fill_between(low.x, low.y, high.y, color=looks["color"], alpha=0.14, linewidth=0)
        axes.plot(
            line.mean.x,
            line.mean.y,
            **looks,
            linewidth=2.0 if line.best else 1.1,
            marker="o" if len(line.mean.x) <= _MARKED else "",
            markersize=3.2 if line.best else 2.2,
            mew=0,
            zorder=4 if line.best else 3,
        )


def _draw_key(figure: Figure, text: str, colour: int, at: tuple[float, float], *, best: bool) -> None:
    from matplotlib.lines import Line2D

    left, height = at
    line = Line2D([left, left + 0.036], [height] * 2, **_looks(colour), linewidth=2.2 if best else 1.4)
    figure.add_artist(line)
    weight = "bold" if best else "normal"
    figure.text(left + 0.046, height, text, va="center_baseline", weight=weight)


def _looks(colour: int) -> dict[str, Any]:
    """The colours of the rates' picture; of more than there are colours, the others are dashed."""
    return {
        "color": COLOURS[colour % len(COLOURS)],
        "linestyle": STYLES[colour // len(COLOURS) % len(STYLES)],
    }
