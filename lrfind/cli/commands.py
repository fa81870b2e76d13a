"""The commands: what each is for, and the room of the package that it is in."""

from __future__ import annotations

import dataclasses
from functools import cache
from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from omegaconf import DictConfig

    from lrfind.config.reference import Key
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
    usage: str
    examples: tuple[str, str, str]

    @property
    def name(self) -> str:
        """The first word itself."""
        return next(name for name, command in COMMANDS.items() if command == self)

    @property
    def config(self) -> type[Any]:
        """What the composed config has to be."""
        found: type[Any] = getattr(
            import_module(f"lrfind.{self.room}.config"), f"{self.name.capitalize()}Config"
        )
        return found

    def run(
        self, composed: DictConfig, directory: Path, show: Show, *, config_key: ConfigKey | None = None
    ) -> Outcome:
        """The job: checks the config, has the room do its work, and hands out what that found."""
        from lrfind.cli.job import spell_in_keys
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
            self._require_own(composed)
            config = validated(composed, self.config)
            try:
                if ranks_asked_for(config) == 1:
                    report = room.run(config, directory, Screen())
                else:
                    _require_no_launcher(config.ranks)
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

    def check_job(self, composed: DictConfig) -> None:
        """Refuses the config of a job of a multirun, as `run` would; one that refers to its job may pass."""
        from omegaconf import OmegaConf

        from lrfind.cli.ranks import multirun_problems
        from lrfind.config.validate import validated
        from lrfind.errors import ConfigError

        if "${hydra:" in OmegaConf.to_yaml(composed):
            return  # what that comes to is known when the job runs
        config = validated(composed, self.config)
        if problems := multirun_problems(config):
            raise ConfigError(*problems)

    def _require_own(self, composed: DictConfig) -> None:
        """Refuses the config of another command, as a rerun by the wrong one finds it."""
        from lrfind.errors import ConfigError

        own = {field.name for field in dataclasses.fields(self.config)} & COMMANDS.keys()
        found = {each for each in COMMANDS if each in composed}
        if found == own or not found:
            return
        owner = next(iter(found - {"range"}), "range")
        if owner != self.name:
            raise ConfigError(
                f"this is the config of lrfind {owner}, and the command is {self.name}: type lrfind {owner}"
                f"{_config_flags()}, and the rest of the line as it is."
            )


def _config_flags() -> str:
    """The flags of Hydra that name the config of this run."""
    from hydra.core.hydra_config import HydraConfig

    if not HydraConfig.initialized():
        return ""
    about = HydraConfig.get()
    folders = [each.path for each in about.runtime.config_sources if each.provider == "command-line"]
    return f" --config-dir {folders[0]} --config-name {about.job.config_name}" if folders else ""


def _require_no_launcher(ranks: int) -> None:
    """Refuses a launcher for runs that are trained on several ranks here."""
    from lrfind.errors import ConfigError
    from lrfind.execution.launcher import chosen_launcher

    launcher = chosen_launcher()
    if launcher is not None:
        raise ConfigError(
            f"ranks={ranks} and {launcher.name} do not go together: the runs of a command are trained on the "
            "ranks of this machine, or each elsewhere. With -m a launcher runs whole commands "
            "(without ranks)."
        )


DEFAULT = "range"
"""The command where the first word is none."""

PAGE = "report"
"""The command that trains nothing, and has no config."""

COMMANDS = {
    "range": Command(
        "range_test",
        "the learning-rate range test (the default)",
        "lrfind [range] [OVERRIDE ...] [-q | --json]",
        (
            "lrfind model=mnist_mlp data=mnist data.root=DIR",
            "lrfind range.end_lr=100 range.num_steps=120",
            "lr=$(lrfind -q model=custom model._target_=mymodel.Net 'trust=[mymodel]')",
        ),
    ),
    "refine": Command(
        "refine",
        "the coarse-to-fine sweep: from a table of rates to the answer",
        "lrfind refine [--around LR] [OVERRIDE ...]",
        (
            "lrfind refine",
            "lrfind refine --around 0.7 refine.seeds=3",
            "lrfind refine refine.restart=true refine.halving=true optimizer=adam",
        ),
    ),
    "verify": Command(
        "verify",
        "short runs around a rate: does it hold, is a pinned rate still sensible?",
        "lrfind verify [LR] [--lr LR] [OVERRIDE ...]",
        (
            "lrfind verify",
            "lrfind verify --lr 0.1 verify.steps=500",
            "lrfind verify verify.from=outputs/DATE/TIME verify.seeds=5",
        ),
    ),
    "compare": Command(
        "compare",
        "learning curves over learning rates and batch sizes",
        "lrfind compare [OVERRIDE ...]",
        (
            "lrfind compare",
            "lrfind compare 'compare.lrs=[0.1,0.3,1]' 'compare.batch_sizes=[16,64,256]'",
            "lrfind compare 'compare.optimizers=[sgd,adam]' compare.epochs=5",
        ),
    ),
    "schedule": Command(
        "schedule",
        "learning-rate policies: their curves, rates and PyTorch code",
        "lrfind schedule [--try] [OVERRIDE ...]",
        (
            "lrfind schedule schedule.lr=0.1 'schedule.policy=[step,cosine]'",
            "lrfind schedule schedule.from=outputs/DATE/TIME schedule.num_steps=3000",
            "lrfind schedule --try 'schedule.policy=[fixed,cosine,one_cycle]'",
        ),
    ),
}
"""In the order of the help."""


@cache
def keys_of_command(name: str) -> tuple[Key, ...]:
    """The keys of a command's config, those that all commands share first."""
    from lrfind.config.reference import defaults_of, keys_of

    return tuple(keys_of(COMMANDS[name].config, defaults_of(name)))
