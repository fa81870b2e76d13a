"""How far a sweep is: a bar on a terminal and in a notebook, a line now and then elsewhere."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any, TextIO

from lrfind.report.formatting import duration_text
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    Words = Callable[[Any], str]

_BAR_SECONDS = 0.1
_LINE_SECONDS = 10.0
_CELL_SECONDS = 0.5
_CELL_BAR = 30

_FEWEST = 3
"""Calls after the first, whose step is slower than all others, before the time that is left is told. Calls
and not steps: of a launcher whole runs are heard at once, and the start of its processes is in the first."""


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person watches the stream on a terminal that can move its cursor."""
    if stream is None or stream.closed or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def in_notebook() -> bool:
    """Whether this is a notebook, which shows what a cell displays."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


class Progress:
    """Called with every step, shows one now and then; a context manager around the sweep.

    Args:
        every: Least time between two refreshes in seconds.
        words: What is said of a step, which is anything with an `index`, counted from 0; None: its rate and
            its smoothed loss, `lr` and `smoothed`.
    """

    def __init__(self, num_steps: int, every: float, words: Words | None = None) -> None:
        self._num_steps = num_steps
        self._every = every
        self._words = words
        self._calls = 0
        self._first: int | None = None
        self._first_at = 0.0
        self._last: Any = None
        self._started = perf_counter()
        self._due = self._started + every

    def __call__(self, step: Any) -> None:
        """Takes a step; mostly that is all."""
        now = perf_counter()
        self._calls += 1
        if self._first is None:
            self._first = step.index  # a sweep that was resumed begins in the middle
            self._first_at = now  # what comes before it, data and first kernels, is not repeated
        self._last = step
        if now >= self._due:
            self._refresh(step)
            # After the refresh: a terminal slower than the sweep must not be all it does.
            self._due = perf_counter() + self._every

    def __enter__(self) -> Progress:
        """Starts the clock."""
        self._started = perf_counter()
        self._due = self._started + self._every
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Says how far it came and how long it took."""
        if self._last is not None:
            self._say(f"{self._state(self._last)}, in {duration_text(perf_counter() - self._started)}")

    def _refresh(self, step: Any) -> None:
        self._say(f"{self._state(step)}{self._left(step)}")

    def _say(self, text: str) -> None:
        """Shows a text; subclasses that show more than that have a `_refresh` of their own."""
        raise NotImplementedError

    def _state(self, step: Any) -> str:
        """`step 12 of 100, lr 1.3e-5, smoothed loss 2.31`."""
        if self._words is not None:
            return self._words(step)
        at = f"step {step.index + 1} of {self._num_steps}"
        return f"{at}, lr {rate_text(step.lr)}, smoothed loss {rate_text(step.smoothed)}"

    def _left(self, step: Any) -> str:
        """`, 12 s left`; nothing before some steps have shown how long one takes."""
        taken = step.index - (self._first or 0)
        seconds = perf_counter() - self._first_at
        if self._calls <= _FEWEST or taken < 1:
            return ""
        left = max(self._num_steps - step.index - 1, 0)
        return f", {duration_text(seconds / taken * left)} left"


class LineProgress(Progress):
    """A line every ten seconds and one at the end."""

    def __init__(self, num_steps: int, say: Callable[[str], None], words: Words | None = None) -> None:
        super().__init__(num_steps, _LINE_SECONDS, words)
        self._line = say

    def _say(self, text: str) -> None:
        self._line(text)


class BarProgress(Progress):
    """rich's bar on stderr, ten times a second at most, gone when the sweep ends."""

    def __init__(self, num_steps: int, words: Words | None = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        super().__init__(num_steps, _BAR_SECONDS, words)
        self._bar: Any = Bar(
            BarColumn(bar_width=20),
            TextColumn("{task.description}", markup=False),
            console=Console(stderr=True, highlight=False),
            # No thread of rich's own beside the sweep.
            auto_refresh=False,
            transient=True,
            # What the model prints passes the bar only where it goes to the same screen.
            redirect_stdout=is_terminal(sys.stdout),
        )
        self._task = self._bar.add_task("starting", total=num_steps)

    def _refresh(self, step: Any) -> None:
        words = f"{self._state(step)}{self._left(step)}"
        with suppress(OSError):  # the terminal has gone, and the sweep need not go with it
            self._bar.update(self._task, completed=step.index + 1, description=words, refresh=True)

    def __enter__(self) -> BarProgress:
        """Draws the empty bar."""
        super().__enter__()
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Takes the bar off the screen."""
        with suppress(OSError):
            self._bar.stop()


class CellProgress(Progress):
    """A bar below a notebook's cell, and at its end how long it took."""

    def __init__(self, num_steps: int, words: Words | None = None) -> None:
        super().__init__(num_steps, _CELL_SECONDS, words)
        self._handle: Any = None

    def _refresh(self, step: Any) -> None:
        done = min(_CELL_BAR, _CELL_BAR * (step.index + 1) // max(self._num_steps, 1))
        bar = "\N{FULL BLOCK}" * done + "\N{LIGHT SHADE}" * (_CELL_BAR - done)
        self._say(f"{bar} {self._state(step)}{self._left(step)}")

    def _say(self, text: str) -> None:
        from IPython.display import display

        shown = {"text/plain": text}
        if self._handle is None:
            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)
