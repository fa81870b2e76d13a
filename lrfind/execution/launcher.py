"""Somebody else's engine for independent jobs: a launcher that calls a function so many times, wherever."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


CELLS = "cells"
"""Folder in a run directory for the files of its jobs, and for what an engine logs."""


class Launcher(Protocol):
    """Runs a function on an engine.

    Attributes:
        name: What the user calls it, for messages.
        directory: Where the files of jobs may lie: seen by every process that runs one.
    """

    name: str
    directory: Path

    def launch(self, function: Callable[[int], None], numbers: Sequence[int]) -> None:
        """Calls the function with each number, in whichever processes, and returns when all calls have.

        Raises:
            Exception: The engine cannot be reached, or has lost a process.
        """


@dataclass(frozen=True, slots=True)
class Codec:
    """How what a job comes to is written into its file, without pickles."""

    pack: Callable[[Any], bytes]
    unpack: Callable[[bytes], Any]


_chosen: ContextVar[Launcher | None] = ContextVar("launcher", default=None)


def chosen_launcher() -> Launcher | None:
    """The launcher that the jobs of this run go to; None: they are done here, or by our own processes."""
    return _chosen.get()


def launcher_name() -> str | None:
    """What the user calls the launcher that the jobs of this run go to; None where there is none."""
    launcher = chosen_launcher()
    return None if launcher is None else launcher.name


@contextlib.contextmanager
def launched_by(launcher: Launcher | None) -> Iterator[None]:
    """Inside, independent jobs go to a launcher."""
    token = _chosen.set(launcher)
    try:
        yield
    finally:
        _chosen.reset(token)
