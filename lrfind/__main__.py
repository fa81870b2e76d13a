"""`python -m lrfind` is `lrfind`."""

from lrfind.cli import entry_point

entry_point()
