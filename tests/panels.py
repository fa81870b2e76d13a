"""What tests ask of a panel: its layers by name or kind, and its words."""

from itertools import combinations

from matplotlib.text import Text

from lrfind.plotting.draw import draw
from lrfind.plotting.panel import Label


def layer(panel, name):
    """The first layer of a name."""
    return next(each for each in panel.layers if getattr(each, "name", "") == name)


def of(panel, kind):
    """All layers of a kind."""
    return [each for each in panel.layers if isinstance(each, kind)]


def texts(panel):
    """The words in and above a panel."""
    return [label.text for label in of(panel, Label)]


def assert_readable(page):
    """Draws a page: no text in it touches another or leaves it."""
    figure = draw(page)
    figure.draw_without_rendering()
    left, low, right, high = figure.bbox.extents.tolist()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    boxes = [(text.get_text(), *text.get_window_extent().extents.tolist()) for text in texts]
    for text, x0, y0, x1, y1 in boxes:
        assert left <= x0 <= x1 <= right, text
        assert low <= y0 <= y1 <= high, text
    for (one, x0, y0, x1, y1), (other, u0, v0, u1, v1) in combinations(boxes, 2):
        assert x1 <= u0 or u1 <= x0 or y1 <= v0 or v1 <= y0, f"{one!r} touches {other!r}"
