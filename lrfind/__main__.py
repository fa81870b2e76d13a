"""`python -m lrfind` is `lrfind`."""

from lrfind.cli.main import entry_point

entry_point()
