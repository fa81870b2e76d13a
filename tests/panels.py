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
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts]
    for text, box in boxes:
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1, text
    for (one, a), (other, b) in combinations(boxes, 2):
        apart = a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0
        assert apart, f"{one!r} touches {other!r}"
