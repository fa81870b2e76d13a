"""Hydra's launchers as engines for the independent runs of one command, with no multirun.

`lrfind compare hydra/launcher=submitit_slurm hydra.launcher.partition=gpu` speaks to a cluster in the words
of its launcher, and lrfind depends on none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lrfind.execution.launcher import CELLS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_BASIC = "basic"
"""The launcher that runs jobs in this process."""


def launcher_of(directory: Path) -> HydraLauncher | None:
    """The launcher of the config that Hydra has composed for this run; None where it is this process."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    about = HydraConfig.get()
    name = about.runtime.choices.get("hydra/launcher")
    if about.mode != RunMode.RUN or name in (None, _BASIC):
        return None
    return HydraLauncher(name, directory / CELLS)


class HydraLauncher:
    """A launcher of Hydra, as `lrfind.execution.launcher.Launcher`.

    Attributes:
        used: Whether it was given anything to do.
    """

    def __init__(self, name: str, directory: Path) -> None:
        self.name = f"hydra/launcher={name}"
        self.directory = directory
        self.used = False

    def launch(self, function: Callable[[int], None], numbers: Sequence[int]) -> None:
        """Calls the function with each number, in the processes of the launcher."""
        from hydra._internal.callbacks import Callbacks
        from hydra.core.global_hydra import GlobalHydra
        from hydra.core.hydra_config import HydraConfig
        from hydra.core.plugins import Plugins
        from hydra.core.utils import JobStatus
        from hydra.types import HydraContext, RunMode

        self.used = True
        about = HydraConfig.get()
        loader: Any = GlobalHydra.instance().config_loader()
        # The config of a job is not read: it names the folders of the launcher, and nothing that takes time.
        overrides = [
            *about.overrides.hydra,
            f"hydra.sweep.dir={_quoted(str(self.directory))}",
            "hydra.sweep.subdir=.",
            "hydra.output_subdir=null",
        ]
        config = loader.load_configuration(about.job.config_name, overrides, run_mode=RunMode.MULTIRUN)
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=HydraContext(config_loader=loader, callbacks=Callbacks()),
            task_function=_Call(function, list(numbers)),
            config=config,
        )
        before = HydraConfig.instance().cfg
        try:
            returned = launcher.launch([[] for _ in numbers], initial_job_idx=0)
        finally:
            HydraConfig.instance().cfg = before
        for each in returned:
            if each.status is JobStatus.FAILED:
                raise each._return_value


class _Call:
    """What each job of the launcher does."""

    def __init__(self, function: Callable[[int], None], numbers: list[int]) -> None:
        self._function = function
        self._numbers = numbers

    def __call__(self, composed: object) -> None:
        from hydra.core.hydra_config import HydraConfig

        from lrfind.report.console import errors_only
        from lrfind.report.streams import stdout_kept_for_results

        about = HydraConfig.get()
        if "joblib" in str(about.launcher.get("_target_")):
            _take_gpu(about.job.num)
        with stdout_kept_for_results(), errors_only(True):
            self._function(self._numbers[about.job.num])


def _take_gpu(number: int) -> None:
    """Makes one GPU of the machine after the other the current one, where `device=auto` finds it."""
    import torch

    count = torch.cuda.device_count()
    if count > 1:
        torch.cuda.set_device(number % count)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
