"""The state of a comparison that can go on: its plan and its finished runs."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrfind.compare.job import TrainedJob
from lrfind.execution.launcher import CELLS
from lrfind.execution.launcher_jobs import RESULT
from lrfind.report import state_file
from lrfind.report.formatting import listed
from lrfind.report.resume import CutOff, comparable
from lrfind.report.shape import anything, fields, flag, items, mapping, rate
from lrfind.report.state_file import StateFile
from lrfind.tasks.seed_jobs import JobResult, runs_as_bytes, runs_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lrfind.compare.config import CompareConfig
    from lrfind.report.observers import Observer
    from lrfind.training.run_set import RunSet

    Key = tuple[str, int, int]
    """Optimizer, batch size and seed."""

NAME = "compare.state.npz"
"""Beside the results of a comparison, while it runs."""

_FREE = (
    *("compare.resume", "compare.processes", "num_workers", "data.timeout", "trust"),
    "range.repeats",  # a comparison makes one sweep, whatever it says
)
"""Keys that a comparison may go on with otherwise than it began."""


class StudyFile:
    """Where a comparison is saved, and what one that was cut off had come to.

    Attributes:
        found: What the plan has found out so far.
        done: The runs that are finished.

    Raises:
        ConfigError: The comparison that the config names is none, or another experiment.
    """

    def __init__(self, config: CompareConfig, directory: Path, observer: Observer) -> None:
        self.directory = directory
        self.found: dict[str, Any] = {}
        self.done: dict[Key, RunSet] = {}
        self._file = StateFile(directory / NAME, 0.0, observer.warn)
        self._config = comparable(config, free=_FREE)
        if config.compare.resume is not None:
            before = CutOff(str(Path(config.compare.resume)), "compare.resume", "comparison")
            with before.taken_up("") as where:
                began_with, self.found, self.done = read_state(where / NAME)
                self.done = read_jobs(where / CELLS) | self.done
            began_with = {key: value for key, value in began_with.items() if key not in _FREE}
            single = before.check(began_with, self._config, versions=True)
            if single:
                observer.note(
                    f"compare.resume={before.where} was begun by another version of lrfind, and only one of "
                    f"the two knows {listed(single)}: its finished runs are taken as they are."
                )

    def save(self, found: Mapping[str, Any], done: Mapping[Key, RunSet]) -> None:
        """Saves the state in place of the one before."""
        self._file.write(partial(as_bytes, config=self._config, plan=found, runs=done))

    def remove(self) -> None:
        """Takes the file away: there is nothing left to go on with."""
        self._file.remove()


def job_as_bytes(trained: TrainedJob) -> bytes:
    """The file of one run that a launcher's process has trained."""
    return runs_as_bytes({_name(trained.key): JobResult(trained.runs, trained.skipped, [])})


def job_of(content: bytes) -> TrainedJob:
    """What `job_as_bytes` wrote.

    Raises:
        ValueError: It is another file, or is damaged. So do the others of `state_file.DAMAGED`.
    """
    ((name, run),) = runs_of(content)[0].items()
    return TrainedJob(_key(name), run.found, run.skipped)


def read_jobs(folder: Path) -> dict[Key, RunSet]:
    """The runs that processes of a launcher have finished, below a folder, though nobody has collected them.

    A file that cannot be read is passed over: its run is trained again.
    """
    found = {}
    for path in sorted(folder.glob(f"*/{RESULT.format('*')}")):
        with suppress(ValueError):
            trained = state_file.read_state(path, job_of)
            found[trained.key] = trained.runs
    return found


def as_bytes(*, config: Mapping[str, Any], plan: Mapping[str, Any], runs: Mapping[Key, RunSet]) -> bytes:
    """All of the file: what one that goes on must agree with, what the plan has found, the finished runs."""
    named = {_name(key): JobResult(each, [], []) for key, each in runs.items()}
    return runs_as_bytes(named, config=config, plan=plan)


def read_state(path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[Key, RunSet]]:
    """Config, plan and runs as `as_bytes` wrote them; a ValueError says why there are none."""
    return state_file.read_state(path, _parsed)


def _parsed(content: bytes) -> tuple[dict[str, Any], dict[str, Any], dict[Key, RunSet]]:
    runs, about = runs_of(content)
    _ABOUT(about, "it")
    for name, part in about["plan"].items():
        if name not in _PLAN:
            raise ValueError("its plan has a key that is not known")
        _PLAN[name](part, f"plan.{name}")
    return about["config"], about["plan"], {_key(name): run.found for name, run in runs.items()}


def _name(key: Key) -> str:
    return "{} {} {}".format(*key)


def _key(name: str) -> Key:
    optimizer, batch_size, seed = name.rsplit(" ", 2)
    return optimizer, int(batch_size), int(seed)


_PLAN = {"lrs": mapping(items(rate, least=1)), "stacked": mapping(flag), "centres": mapping(rate)}
_ABOUT = fields(config=mapping(anything), plan=mapping(anything))
