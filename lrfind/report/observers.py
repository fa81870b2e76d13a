"""Who is told how a job gets on: the screen of the command line, or nobody; a caller in Python is in `api`.

The work of a room is told nothing of either: it is given an observer, says what it does next, and hands over
every step.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from lrfind.report import console
from lrfind.report.progress import BarProgress, LineProgress, Progress, is_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

OnStep = Callable[[Any], None]
"""Takes a step, a room's own record of it."""

Words = Callable[[Any], str]
"""What is said of a step; called for those alone that are shown."""


class Observer(Protocol):
    """Is told how a job gets on."""

    def note(self, text: str) -> None:
        """Takes a sentence on what is done next."""

    def warn(self, text: str) -> None:
        """Takes what the user should know of, though the job goes on."""

    def steps(self, num_steps: int, words: Words | None = None) -> AbstractContextManager[OnStep]:
        """Watches over a part of the job, and yields what is to be called with its every step.

        A step says by its `index`, counted from 0, which it is; `words` says it on a screen, else its rate
        and its smoothed loss are shown.
        """


class Screen:
    """A person at the command line, told on stderr: a bar, or a line now and then where it is no terminal."""

    def note(self, text: str) -> None:
        """Says it on stderr."""
        console.note(text)

    def warn(self, text: str) -> None:
        """Says it on stderr, as a warning; the same once."""
        console.warn_once(text)

    @contextmanager
    def steps(self, num_steps: int, words: Words | None = None) -> Iterator[OnStep]:
        """Shows how far it is; a step costs well under a microsecond between two refreshes."""
        if console.is_quiet():
            yield nothing
            return
        with on_stderr(num_steps, words) as on_step:
            yield on_step


class Nobody:
    """No one: of several ranks the first alone tells."""

    def note(self, text: str) -> None:
        """Says nothing."""

    def warn(self, text: str) -> None:
        """Says nothing."""

    @contextmanager
    def steps(self, num_steps: int, words: Words | None = None) -> Iterator[OnStep]:
        """Shows nothing."""
        yield nothing


def on_stderr(num_steps: int, words: Words | None) -> Progress:
    """How far a part of a job is, on stderr."""
    if is_terminal(sys.stderr):
        return BarProgress(num_steps, words)
    return LineProgress(num_steps, console.note, words)


def nothing(step: Any) -> None:
    """Where no one wants to know."""
