"""Who is told how a Python function gets on: its caller."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lrfind.api.arguments import in_arguments
from lrfind.report.observers import nothing, on_stderr
from lrfind.report.progress import CellProgress, in_notebook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lrfind.report.observers import OnStep, Words


class Caller:
    """A caller in Python: the function takes every step, and the log called `lrfind` the sentences.

    They name the arguments that can be typed, and not the keys of the command line.

    Args:
        on_step: The function; None for none. What it raises ends the job.
        progress: Whether to show how far it is: below a notebook's cell, or on stderr. None: in a notebook.
    """

    def __init__(self, on_step: OnStep | None = None, *, progress: bool | None = None) -> None:
        self._on_step = on_step
        self._progress = in_notebook() if progress is None else progress
        self._log = logging.getLogger("lrfind")

    def note(self, text: str) -> None:
        """Logs it, for those who have asked for such messages."""
        self._log.info(in_arguments(text))

    def warn(self, text: str) -> None:
        """Logs it as a warning."""
        self._log.warning(in_arguments(text))

    @contextmanager
    def steps(self, num_steps: int, words: Words | None = None) -> Iterator[OnStep]:
        """Hands the steps over, and shows them."""
        told = nothing if self._on_step is None else self._on_step
        if not self._progress:
            yield told
            return
        with CellProgress(num_steps, words) if in_notebook() else on_stderr(num_steps, words) as shown:

            def on_step(step: Any) -> None:
                shown(step)
                told(step)

            yield on_step
