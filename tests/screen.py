"""What is written to stdout, line by line, on a screen of a width."""

from lrfind.report.table import Paragraph


def shown(lines, width=None):
    """The lines, those of the tables too; None: as wide as they need."""
    return [line for each in lines for line in ([each] if isinstance(each, Paragraph) else each.lines(width))]
