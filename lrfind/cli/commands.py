"""The commands: what each is for, and the room of the package that it is in."""

from __future__ import annotations

from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from omegaconf import DictConfig

    from lrfind.report.config_file import ConfigKey
    from lrfind.report.output import Outcome, Show


class Command(NamedTuple):
    """A command of the first word.

    Attributes:
        room: The package in lrfind that it is in.
        purpose: What it is for, in a line of the help.
    """

    room: str
    purpose: str

    def run(
        self, composed: DictConfig, directory: Path, show: Show, *, config_key: ConfigKey | None = None
    ) -> Outcome:
        """The job: checks the config, has the room do its work, and hands out what that found.

        Args:
            composed: The config as Hydra composed it.
            directory: The run directory.
            show: What goes to stdout.
            config_key: Where the suggested rate is to be written as well.

        Raises:
            UserError: Something cannot be used as given, or the results cannot be written.
        """
        from lrfind.cli.keys import spell_in_keys
        from lrfind.cli.ranks import on_ranks, ranks_asked_for
        from lrfind.cli.run_directory import RunDirectory
        from lrfind.config.validate import validated
        from lrfind.errors import ExitCode, UserError
        from lrfind.report.console import errors_only
        from lrfind.report.observers import Screen
        from lrfind.report.output import Outcome, Show, finish

        began = perf_counter()
        # Here again: a launcher may have started another process.
        with errors_only(show in (Show.NUMBER, Show.NOTHING)):
            room = import_module(f"lrfind.{self.room}.command")
            config = validated(composed, room.CONFIG)
            try:
                if ranks_asked_for(config) == 1:
                    report = room.run(config, directory, Screen())
                else:
                    report = on_ranks(self.room, config, directory, Screen())
                if report is None:  # rank 0 says what was found
                    return Outcome(None, ExitCode.SUGGESTED)
            except UserError as error:
                spell_in_keys(error)
                raise
            return finish(
                report,
                directory,
                show=show,
                began=began,
                written=RunDirectory.finished,
                config_key=config_key,
            )


COMMANDS = {
    "range": Command("range_test", "the learning-rate range test (the default)"),
    "refine": Command("refine", "the coarse-to-fine sweep: from a table of rates to the answer"),
    "verify": Command("verify", "short runs around a rate: does it hold, is a pinned rate still sensible?"),
    "compare": Command("compare", "learning curves over learning rates and batch sizes"),
    "schedule": Command("schedule", "learning-rate policies: their curves, rates and PyTorch code"),
}
"""In the order of the help."""
