"""That what was worked out is what is drawn, and nothing else."""

import math
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from lrfind.plotting.axes import linear_axis, log_axis
from lrfind.plotting.draw import draw, draw_into, png
from lrfind.plotting.page import Key, Page, Row, key_of
from lrfind.plotting.panel import (
    BLUE,
    DASHED,
    GREEN,
    Band,
    Label,
    Line,
    Marker,
    Panel,
    Points,
    Shape,
    Span,
    above,
)

X = np.array([0.01, 0.1, 1.0])
Y = np.array([3.0, 1.0, 2.0])
PANEL = Panel(
    log_axis(0.01, 1.0, "learning rate"),
    linear_axis(0.0, 4.0, "loss"),
    (
        Span("x", 0.05, 0.2, GREEN),
        Span("y", 1.0, 1.5, GREEN),
        Band(X, Y - 0.5, Y + 0.5, BLUE, "spread", stairs=True),
        Line(X, Y, BLUE, "smoothed", dash=DASHED, dots=2.0, stairs=True),
        *(Points(X, Y, BLUE, shape.value, shape=shape, low=Y - 0.1, high=Y + 0.2) for shape in Shape),
        Marker("x", 0.1),
        Marker("y", 1.0),
        above("$heading$ [/b]"),
        Label("here", 0.1, 1.0, in_data=True, shift=(2, 2), align="left"),
    ),
    3.0,
    2.0,
    grid="both",
)
PAGE = Page("a model on $HOME/data_{x}$", (Row((PANEL, PANEL), 0.3, 0.5), key_of([PANEL])), "a note")


def test_axes_and_layers_are_as_worked_out():
    figure = draw(PAGE)
    left, _ = figure.axes
    assert (left.get_xscale(), left.get_yscale()) == ("log", "linear")
    assert left.get_xlim() == pytest.approx(PANEL.x.limits)
    assert left.get_ylim() == pytest.approx(PANEL.y.limits)
    assert (left.get_xlabel(), left.get_ylabel()) == ("learning rate", "loss")
    drawn = {line.get_label(): line for line in left.lines}
    assert np.array_equal(drawn["smoothed"].get_ydata(), Y)
    assert drawn["smoothed"].get_drawstyle() == "steps-post"
    assert [text.get_text() for text in left.texts] == ["$heading$ [/b]", "here"]
    assert figure.axes[0].get_position().bounds == pytest.approx(PAGE.frames[0][1])
    written = [text.get_text() for text in figure.texts]
    assert written == [PAGE.title, "a note", "spread", "smoothed", *(shape.value for shape in Shape)]


def test_later_layers_lie_on_earlier_ones():
    (axes,) = draw(Page("", (Row((PANEL,), 0.3, 0.5),))).axes
    drawn = {line.get_label(): line.get_zorder() for line in axes.lines}
    assert drawn["smoothed"] < drawn["dot"] < drawn["bar"]


def test_the_png_is_one_and_has_the_size_of_the_page():
    content = png(draw(PAGE))
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    assert (width, height) == (1440, math.floor(200 * PAGE.size[1]))


def test_a_page_is_drawn_alike_whatever_the_users_settings_and_leaves_them_alone():
    content = png(draw(PAGE))
    with mpl.rc_context({"font.size": 30, "savefig.bbox": "tight", "axes.grid": True, "figure.dpi": 50}):
        before = mpl.rcParams.copy()
        assert png(draw(PAGE)) == content
        assert mpl.rcParams.copy() == before


def test_an_empty_page_can_be_drawn():
    assert png(draw(Page("nothing was measured", (Key(()),)))).startswith(b"\x89PNG")


def test_a_panel_can_be_drawn_into_axes_of_somebody_elses():
    figure = Figure()
    other, axes = figure.subplots(1, 2)
    assert draw_into(PANEL, axes) is figure
    assert axes.get_xlim() == pytest.approx(PANEL.x.limits)
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == [layer.name for layer in PANEL.named]
    assert axes.spines["top"].get_visible()
    assert not other.lines
    assert png(figure).startswith(b"\x89PNG")


def test_matplotlib_is_imported_for_drawing_alone_and_pyplot_never():
    code = (
        "import sys; from lrfind.plotting.page import Page; from lrfind.plotting.draw import draw, png;"
        "assert 'matplotlib' not in sys.modules;"
        "png(draw(Page('title', ())));"
        "assert 'matplotlib' in sys.modules; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
