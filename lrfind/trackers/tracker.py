"""What all trackers share: they read the finished run directory, and what goes wrong there is a warning."""

from __future__ import annotations

import sys
import time
from contextlib import redirect_stdout
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hydra.experimental.callback import Callback

from lrfind.errors import extra_missing
from lrfind.report import console
from lrfind.trackers.finished_run import FinishedRun

if TYPE_CHECKING:
    from collections.abc import Callable


class Tracker(Callback):
    """Hands every finished run to a tracker of experiments.

    Hydra makes it in the process that runs the job, so it works with every launcher, and makes another one in
    the process that starts the jobs of a multirun.
    """

    package: ClassVar[str]
    """What must be installed; the extra of ours that brings it, and its name on the command line."""

    def __init__(self) -> None:
        self._began = 0.0

    def log(self, run: FinishedRun, sweep: Path | None) -> None:
        """Hands over a run, and the folder of the multirun that it belongs to."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Makes what the runs of a multirun share, before any of them begins; they may run at once."""

    def group(self, sweep: Path) -> None:
        """Puts the runs of a multirun together, once all have been handed over."""

    def on_job_start(self, config: Any, **kwargs: Any) -> None:
        """Called by Hydra before the job: what is missing is said before anything is trained."""
        self._began = time.time()
        if not self._is_installed:
            missing = extra_missing(f"hydra/callbacks={self.package}", self.package, f"no {self.package}")
            console.warn(f"{missing} This run is not tracked.")

    def on_job_end(self, config: Any, job_return: Any, **kwargs: Any) -> None:
        """Called by Hydra after the job, whose results are on the disk by then."""
        directory = Path(config.hydra.runtime.output_dir)
        sweep = Path(config.hydra.sweep.dir) if "MULTIRUN" in str(config.hydra.mode) else None

        def log() -> None:
            run = FinishedRun.newest(directory, since=self._began)
            if run is not None:
                self.log(run, sweep)

        self._hand_over(log, directory)

    def on_multirun_start(self, config: Any, **kwargs: Any) -> None:
        """Called by Hydra before the jobs of a multirun."""
        self._hand_over(self.prepare, Path(config.hydra.sweep.dir))

    def on_multirun_end(self, config: Any, **kwargs: Any) -> None:
        """Called by Hydra after all jobs of a multirun."""
        sweep = Path(config.hydra.sweep.dir)
        self._hand_over(partial(self.group, sweep), sweep)

    @property
    def _is_installed(self) -> bool:
        return find_spec(self.package) is not None

    def _hand_over(self, work: Callable[[], None], directory: Path) -> None:
        """Does the work where the package is there; what goes wrong in it is a warning."""
        if not self._is_installed:
            return
        try:
            with redirect_stdout(sys.stderr):  # stdout belongs to the results
                work()
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            console.warn(
                f"hydra/callbacks={self.package}: the run could not be handed over "
                f"({type(error).__name__}: {reason[:500]}). What it leaves in {directory} is whole."
            )
