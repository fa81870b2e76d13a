"""The commands: what each is for, and the room of the package that it is in."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from lrfind.report.output import Outcome


class Command(NamedTuple):
    """A command of the first word.

    Attributes:
        room: The package in lrfind that it is in.
        purpose: What it is for, in a line of the help.
    """

    room: str
    purpose: str

    def load(self) -> Callable[..., Outcome]:
        """Its job, called with the composed config, the run directory and `show`; imported only here."""
        job: Callable[..., Outcome] = import_module(f"lrfind.{self.room}.command").run
        return job


COMMANDS = {
    "range": Command("range_test", "the learning-rate range test (the default)"),
    "refine": Command("refine", "the coarse-to-fine sweep: from a table of rates to the answer"),
    "verify": Command("verify", "short runs around a rate: does it hold, is a pinned rate still sensible?"),
    "compare": Command("compare", "learning curves over learning rates and batch sizes"),
    "schedule": Command("schedule", "learning-rate policies: their curves, rates and PyTorch code"),
}
"""In the order of the help."""
