"""What tests ask of a panel: its layers by name or kind, and its words."""

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
