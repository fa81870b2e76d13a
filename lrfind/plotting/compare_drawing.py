"""The pictures of a comparison on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lrfind.plotting.draw import (
    BLUE,
    GREEN,
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
    from matplotlib.figure import Figure

    from lrfind.compare.plot import CurvePanel, CurvesFigure, Legend
    from lrfind.compare.scaling_plot import RatesPanel, ScalingFigure, ScalingPanel

# Okabe and Ito's colours from cold to warm, with a dark one at either end.
_SHADES = ("#1B1464", "#0072B2", "#56B4E9", "#009E73", "#E0B000", "#D55E00", "#C0398F", "#5A0F2E")
_BEHIND: Any = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8}


def draw_curves(data: CurvesFigure) -> Figure:
    """Draws the learning curves on a figure of their own: no window, and nothing to close."""
    with on_paper(data.size) as figure:
        _title(figure, data.title, data.size)
        for legend in data.legends:
            _draw_legend(figure, legend)
        for each in data.panels:
            _draw_curves(figure, each)
    return figure


def draw_scaling(data: ScalingFigure) -> Figure:
    """Draws the best rate against the batch size, and what it was read from."""
    with on_paper(data.size) as figure:
        _title(figure, data.title, data.size)
        for legend in data.legends:
            _draw_legend(figure, legend)
        for rates in data.rates:
            _draw_rates(figure, rates)
        for each in data.scalings:
            _draw_scaling(figure, each)
    return figure


def _title(figure: Figure, title: str, size: tuple[float, float]) -> None:
    write_title(figure, title, left=0.62 / size[0], height=size[1])


def _draw_legend(figure: Figure, data: Legend) -> None:
    from matplotlib.lines import Line2D

    figure.text(data.left, data.height, data.text, va="center", fontsize=FONT_SIZE)
    for entry in data.entries:
        line = Line2D(entry.line, [data.height] * 2, color=_colour(entry.shade), linewidth=2.2)
        figure.add_artist(line)
        figure.text(entry.text_at, data.height, entry.text, va="center", fontsize=FONT_SIZE)


def _draw_curves(figure: Figure, data: CurvePanel) -> None:
    axes = panel(figure, data.box, data.across, data.upright)
    axes.grid(axis="y", color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    for line in data.lines:
        colour = _colour(line.shade)
        low, high = line.band
        if len(low.x):
            axes.fill_between(low.x, low.y, high.y, color=colour, alpha=0.16, linewidth=0)
        few = len(line.mean.x) <= 25
        plot(
            axes,
            line.mean,
            "o-" if few else "-",
            color=colour,
            linewidth=2.0 if line.best else 0.9,
            markersize=(3.4 if line.best else 1.9) if few else 0,
            mew=0,
            zorder=4 if line.best else 3,
        )
    if data.heading:
        write_above(axes, data.heading, color="black")
    if data.note:
        axes.annotate(
            data.note,
            (1, 1),
            (-2, -9),
            "axes fraction",
            "offset points",
            ha="right",
            color="0.35",
            bbox=_BEHIND,
        )


def _draw_rates(figure: Figure, data: RatesPanel) -> None:
    axes = panel(figure, data.box, data.across, data.upright)
    axes.grid(axis="y", color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    for line in data.lines:
        colour = _colour(line.shade)
        axes.errorbar(
            line.points.x, line.points.y, yerr=line.spread if len(line.spread) else None,
            fmt="o-", color=colour, linewidth=1.1, markersize=2.6, mew=0, elinewidth=0.7, capsize=1.5,
            capthick=0.7,
        )  # fmt: skip
        if line.best is not None:
            axes.plot(*line.best, "o", markersize=7, mfc="none", mec=colour, mew=1.3, zorder=5)


def _draw_scaling(figure: Figure, data: ScalingPanel) -> None:
    axes = panel(figure, data.box, data.across, data.upright)
    for rule in data.rules:
        colour = GREEN if rule.linear else BLUE
        axes.plot(rule.line.x, rule.line.y, "--" if rule.linear else "-.", color=colour, linewidth=1.1,
                  label=rule.line.name, zorder=2)  # fmt: skip
        if rule.fails is not None:
            axes.plot(*rule.fails, "x", color=colour, markersize=6, mew=1.6, zorder=3)
    if data.fit is not None:
        axes.fill_between(data.fit_low.x, data.fit_low.y, data.fit_high.y, color=VERMILLION, alpha=0.1, lw=0)
        axes.plot(data.fit.x, data.fit.y, "-", color=VERMILLION, linewidth=1.1, label=data.fit.name, zorder=2)
    points = data.points
    axes.errorbar(
        points.x, points.y, yerr=[points.y - data.low, data.high - points.y], fmt="o", color=VERMILLION,
        markersize=4.5, mew=0, elinewidth=1.6, capsize=3, capthick=1.2, zorder=4, label=points.name,
    )  # fmt: skip
    for x, y, up in data.open_ends:
        axes.plot(x, y, "^" if up else "v", color=VERMILLION, markersize=5.5, mew=0, zorder=5, clip_on=False)
    for x, y, text in data.labels:
        axes.annotate(text, (x, y), (6, 4), "data", "offset points", color=VERMILLION_TEXT, weight="bold",
                      zorder=6, bbox=_BEHIND)  # fmt: skip
    axes.legend(
        loc="best", frameon=True, framealpha=0.85, edgecolor="none", fontsize=FONT_SIZE - 0.5,
        handlelength=1.9, borderpad=0.2, labelspacing=0.25,
    )  # fmt: skip
    write_above(axes, data.heading, color="black")


def _colour(shade: float) -> tuple[float, float, float]:
    """Between the two nearest of the shades."""
    at = shade * (len(_SHADES) - 1)
    first = min(int(at), len(_SHADES) - 2)
    one, other = _rgb(_SHADES[first]), _rgb(_SHADES[first + 1])
    red, green, blue = (a + (b - a) * (at - first) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue
