"""The whole runs of a search on a launcher, saved so that one that was cut off can go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lrfind.report import state_file
from lrfind.report.resume import CutOff, comparable
from lrfind.report.state_file import StateFile
from lrfind.tasks.seed_jobs import runs_as_bytes, runs_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lrfind.report.observers import Observer
    from lrfind.tasks.seed_jobs import JobResult, SeedJob
    from lrfind.training.run_set import RunSet
    from lrfind.verify.config import VerifyConfig

NAME = "verify.state.npz"
"""Beside the results of a search, while a launcher trains its runs."""

_FREE = (
    *("verify.resume", "verify.budget", "verify.seeds", "verify.margin"),
    *("num_workers", "data.timeout", "trust"),
)
"""Keys that a search may go on with otherwise than it began: no run hangs on them."""


class SavedRuns:
    """Where whole runs are saved, and those of a search that was cut off.

    Args:
        config: Of the search.
        directory: The run directory.
        observer: Told of a state that cannot be saved.

    Attributes:
        runs: By seed, counted from 0, and rate.

    Raises:
        ConfigError: The search that the config names is none, or another experiment.
    """

    def __init__(self, config: VerifyConfig, directory: Path, observer: Observer) -> None:
        self.runs: dict[SeedJob, JobResult[RunSet]] = {}
        self._directory = directory
        self._file = StateFile(directory / NAME, 0.0, observer.warn)
        self._config = comparable(config, free=_FREE)
        if config.verify.resume is not None:
            before = CutOff(config.verify.resume, "verify.resume", "search")
            with before.taken_up(", and one without hydra/launcher has none") as where:
                began_with, self.runs = state_file.read_state(where / NAME, _parsed)
            before.check(began_with, self._config)

    def kept(self) -> str:
        """How to go on with what is saved, for a message; empty where nothing is."""
        if not self.runs:
            return ""
        return f"What is finished is kept: verify.resume={self._directory} goes on with it."

    def keep(self, fits: Callable[[int, RunSet], bool]) -> None:
        """Forgets the runs, each of a seed, that do not fit the search."""
        self.runs = {job: run for job, run in self.runs.items() if fits(job[0], run.found)}

    def save(self) -> None:
        """Saves all runs in place of those before."""
        self._file.write(self._as_bytes)

    def remove(self) -> None:
        """Takes the file away: there is nothing left to go on with.

        Raises:
            OSError: It cannot be taken away.
        """
        self._file.remove()

    def _as_bytes(self) -> bytes:
        runs = {f"{seed} {lr!r}": run for (seed, lr), run in self.runs.items()}
        return runs_as_bytes(runs, config=self._config)


def _parsed(content: bytes) -> tuple[dict[str, Any], dict[SeedJob, JobResult[RunSet]]]:
    runs, about = runs_of(content)
    jobs = {name: name.split() for name in runs}
    return about["config"], {(int(seed), float(lr)): runs[name] for name, (seed, lr) in jobs.items()}
