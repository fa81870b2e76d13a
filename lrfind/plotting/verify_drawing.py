"""The picture of the runs around a rate on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from lrfind.range_test.plot import FONT_SIZE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lrfind.verify.plot import RateFigure, VerifyFigure

_ORANGE, _GREY = "#E69F00", "0.35"
_OTHERS = (SKY, BLUE, PURPLE, _ORANGE, _GREY)
"""Colours of the rates beside the one in question, rising."""


def draw_verify(data: VerifyFigure) -> Figure:
    """Draws the picture on a figure of its own: no window, and nothing to close."""
    others = iter(_OTHERS)
    colours = [VERMILLION if rate.checked else next(others) for rate in data.rates]
    with on_paper(data.size) as figure:
        write_title(figure, data.title, left=data.left_panel[0], height=data.size[1])
        axes = panel(figure, data.left_panel, data.step, data.loss)
        for rate, colour in zip(data.rates, colours, strict=True):
            _draw_run(axes, rate, colour)
        if data.rates:
            write_above(axes, data.heading, color="0.3")
        _draw_ends(figure, data, colours)
        _draw_key(figure, data, colours)
    return figure


def _draw_run(axes: Axes, rate: RateFigure, colour: str) -> None:
    for each in rate.each:
        plot(axes, each, "-", color=colour, linewidth=0.5, alpha=0.4)
    plot(axes, rate.mean, "-", color=colour, linewidth=1.6, solid_joinstyle="round")


def _draw_ends(figure: Figure, data: VerifyFigure, colours: list[str]) -> None:
    axes = panel(figure, data.right_panel, data.rate, data.held_out)
    if data.good is not None:
        axes.axhspan(*data.good, color=GREEN, alpha=0.16, linewidth=0, zorder=0)
        _write_beside(axes, data.good_text, data.good[1], offset=2, va="bottom", color=GREEN_TEXT)
    if data.start is not None:
        axes.axhline(data.start, color="0.5", linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
        _write_beside(axes, "before training", data.start, offset=-3, va="top", color="0.35")
    for rate, colour in zip(data.rates, colours, strict=True):
        plot(axes, rate.finals, "o", color=colour, markersize=3, alpha=0.5, mew=0)
        plot(axes, rate.final, "_", color=colour, markersize=13, mew=2)
        plot(axes, rate.diverged, "x", color=colour, markersize=6, mew=1.6, clip_on=False)
    looks = {True: GREEN_TEXT, False: VERMILLION_TEXT, None: "0.3"}[data.holds]
    write_above(axes, data.answer, color=looks, weight="bold")


def _write_beside(axes: Axes, text: str, height: float, *, offset: float, **looks: Any) -> None:
    """Writes above or below a loss, at the right end of the panel."""
    where = ("axes fraction", "data")
    looks["fontsize"] = FONT_SIZE - 1
    axes.annotate(text, (1, height), (0, offset), where, "offset points", ha="right", **looks)


def _draw_key(figure: Figure, data: VerifyFigure, colours: list[str]) -> None:
    """What each colour is; matplotlib fills a legend by columns, this one reads by rows."""
    if not data.rates:
        return
    from matplotlib.lines import Line2D

    rows = -(-len(data.rates) // data.keys_a_row)
    order = [r * data.keys_a_row + c for c in range(data.keys_a_row) for r in range(rows)]
    order = [i for i in order if i < len(data.rates)]
    handles = [Line2D([], [], color=colours[i], linewidth=2) for i in order]
    figure.legend(
        handles,
        [data.rates[i].key for i in order],
        loc="lower left",
        bbox_to_anchor=(data.left_panel[0] - 0.02, 0.0),
        ncols=data.keys_a_row,
        frameon=False,
        fontsize=FONT_SIZE,
        borderaxespad=0.3,
        borderpad=0.1,
        handlelength=1.4,
        handletextpad=0.5,
        columnspacing=2.0,
        labelspacing=0.25,
    )
