"""The picture of a refined sweep on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfind.plotting.draw import (
    BLUE,
    GREEN,
    GREEN_TEXT,
    PURPLE,
    SKY,
    VERMILLION,
    VERMILLION_TEXT,
    on_paper,
    panel,
    plot,
    write_above,
    write_title,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lrfind.refine.plot import RoundPanel, RoundsFigure


def draw_rounds(data: RoundsFigure) -> Figure:
    """Draws the picture on a figure of its own: no window, and nothing to close."""
    with on_paper(data.size) as figure:
        left = data.panels[0].box[0] if data.panels else 0.05
        write_title(figure, data.title, left=left, height=data.size[1])
        for each in data.panels:
            _draw_panel(figure, each)
    return figure


def _draw_panel(figure: Figure, data: RoundPanel) -> None:
    axes = panel(figure, data.box, data.across, data.upright)
    faint, clear = (PURPLE, "#8F4A78") if data.restarted else (SKY, BLUE)
    if data.following is not None:
        axes.axvspan(data.following.low, data.following.high, color=GREEN, alpha=0.16, linewidth=0, zorder=0)
    if data.chosen is not None:
        axes.axvline(data.chosen, color=VERMILLION, linewidth=1.1, zorder=2.5)
    many = len(data.each.x) > 1000
    plot(axes, data.each, "o", color=faint, markersize=1.6, alpha=0.2 if many else 0.5, mew=0)
    low, high = data.band
    if len(low.x):
        axes.fill_between(low.x, low.y, high.y, color=clear, alpha=0.2, linewidth=0)
    plot(axes, data.line, "o-", color=clear, linewidth=1.1, markersize=1.8, mew=0)
    plot(axes, data.above, "^", color=faint, markersize=2.5, mew=0, clip_on=False)
    plot(axes, data.nonfinite, "x", color="black", markersize=4, mew=1, clip_on=False)
    write_above(axes, data.heading, row=1, color="black")
    if data.following is not None:
        write_above(axes, data.following.text, color=GREEN_TEXT)
    elif data.chosen_text:
        write_above(axes, data.chosen_text, color=VERMILLION_TEXT, weight="bold")
