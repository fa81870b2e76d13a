"""The picture of learning-rate policies on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from lrfind.plotting.draw import BLUE, GREEN, PURPLE, SKY, VERMILLION, on_paper, panel, write_title
from lrfind.range_test.plot import FONT_SIZE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lrfind.schedule.plot import ScheduleFigure, SchedulePanel

COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, SKY)
STYLES: tuple[Any, ...] = ("-", (0, (7, 1.5)), (0, (4, 1.5)), (0, (6, 1.2, 1.2, 1.2)), (0, (1.5, 1.2)))
"""Through the gaps of the later ones the earlier ones show where they lie on each other."""


def draw_schedules(data: ScheduleFigure) -> Figure:
    """Draws the picture on a figure of its own: no window, and nothing to close."""
    with on_paper(data.size) as figure:
        left = data.panels[0].box[0]
        write_title(figure, data.title, left=left, height=data.size[1])
        for each in data.panels:
            _draw_panel(figure, each)
        for i, text in enumerate(data.key):
            _draw_key(figure, text, i, (left, data.key_at - (i + 0.5) * data.key_line))
    return figure


def _draw_panel(figure: Figure, data: SchedulePanel) -> None:
    axes = panel(figure, data.box, data.across, data.upright)
    axes.grid(visible=True, color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    few = len(data.lines[0].series.x) <= 31
    for line in data.lines:
        style = "steps-post" if line.stairs else "default"
        axes.plot(
            line.series.x,
            line.series.y,
            drawstyle=style,
            color=COLOURS[line.colour],
            linestyle=STYLES[line.colour] if not data.heading else "-",
            linewidth=1.6,
            marker="o" if few else "",
            markersize=3,
            mew=0,
        )
    above: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
    if data.heading:
        # A panel of its own has room for the area.
        (line,) = data.lines
        step: Literal["post"] | None = "post" if line.stairs else None
        axes.fill_between(
            line.series.x,
            line.series.y,
            data.upright.limits[0],
            step=step,
            color=COLOURS[line.colour],
            alpha=0.1,
            linewidth=0,
        )
        axes.annotate(data.heading, (0, 1), (0, 6 + FONT_SIZE + 3), weight="bold", **above)
        axes.annotate(data.note, (0, 1), (0, 6), color="0.35", fontsize=FONT_SIZE - 1, **above)


def _draw_key(figure: Figure, text: str, colour: int, at: tuple[float, float]) -> None:
    from matplotlib.lines import Line2D

    left, height = at
    figure.add_artist(
        Line2D(
            [left, left + 0.036],
            [height, height],
            color=COLOURS[colour],
            linestyle=STYLES[colour],
            linewidth=1.8,
        )
    )
    figure.text(left + 0.046, height, text, va="center_baseline")
