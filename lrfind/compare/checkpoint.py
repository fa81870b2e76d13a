"""The state of a comparison that can go on: its plan and its finished runs, as JSON."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrfind.compare.job import TrainedJob
from lrfind.execution.launcher import CELLS
from lrfind.execution.launcher_jobs import RESULT
from lrfind.report import state_file
from lrfind.report.formatting import listed
from lrfind.report.resume import CutOff, comparable
from lrfind.report.shape import anything, fields, flag, items, mapping, number, rate, text, whole
from lrfind.report.state_file import StateFile, plain_as_bytes, plain_of
from lrfind.training.baseline import UNKNOWN, Baseline
from lrfind.training.run_set import RunSet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lrfind.compare.config import CompareConfig
    from lrfind.report.observers import Observer

    Key = tuple[str, int, int]
    """Optimizer, batch size and seed."""

NAME = "compare.state.json"
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
    return plain_as_bytes({"run": _as_plain(trained.key, trained.runs), "skipped": trained.skipped})


def job_of(content: bytes) -> TrainedJob:
    """What `job_as_bytes` wrote.

    Raises:
        ValueError: It is another file, or is damaged. So do the others of `state_file.DAMAGED`.
    """
    saved = plain_of(content)
    _JOB(saved, "it")
    key, runs = _from_plain(saved["run"])
    return TrainedJob(key, runs, saved["skipped"])


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
    saved = [_as_plain(*each) for each in runs.items()]
    return plain_as_bytes({"config": config, "plan": plan, "runs": saved})


def read_state(path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[Key, RunSet]]:
    """Config, plan and runs as `as_bytes` wrote them; a ValueError says why there are none."""
    return state_file.read_state(path, _parsed)


def _parsed(text: bytes) -> tuple[dict[str, Any], dict[str, Any], dict[Key, RunSet]]:
    content = plain_of(text)
    for run in content.get("runs", ()):
        if isinstance(run, dict):
            run.setdefault("baseline", list(UNKNOWN))  # which versions before had not
    _STATE(content, "it")
    check_plan(content["plan"])
    return content["config"], content["plan"], dict(_from_plain(run) for run in content["runs"])


def _as_plain(key: Key, runs: RunSet) -> dict[str, Any]:
    optimizer, batch_size, seed = key
    return {
        "optimizer": optimizer,
        "batch_size": batch_size,
        "seed": seed,
        "lrs": runs.lrs.tolist(),
        "steps": list(runs.read_at),
        "losses": runs.readings.tolist(),
        "accuracies": runs.accuracies.tolist(),
        "diverged": runs.diverged.tolist(),
        "steps_taken": int(runs.steps_taken.sum()),
        "stacked": runs.stacked,
        "baseline": list(runs.baseline),
    }


_RUN = fields(
    optimizer=text,
    batch_size=whole(1),
    seed=whole(-(1 << 63)),
    lrs=items(rate, least=1),
    steps=items(whole(), least=1),
    losses=items(items(number())),
    accuracies=items(items(number(0, 1))),
    diverged=items(flag),
    steps_taken=whole(),
    stacked=flag,
    baseline=items(number(), least=3, most=4),  # earlier versions had three
)
_JOB = fields(run=_RUN, skipped=items(text))
_STATE = fields(config=mapping(anything), plan=mapping(mapping(anything)), runs=items(_RUN))
_PLAN = {"lrs": mapping(items(rate, least=1)), "stacked": mapping(flag), "centres": mapping(rate)}


def check_plan(found: Mapping[str, Any]) -> None:
    """Raises a ValueError unless a plan is what `compare.plan` makes."""
    for name, part in found.items():
        if name not in _PLAN:
            raise ValueError("its plan has a key that is not known")
        _PLAN[name](part, f"plan.{name}")


def _from_plain(saved: Mapping[str, Any]) -> tuple[Key, RunSet]:
    lrs, read_at, seed = saved["lrs"], saved["steps"], saved["seed"]
    tables = [*saved["losses"], *saved["accuracies"]]
    counts = {len(saved[name]) for name in ("losses", "accuracies", "diverged")}
    if counts != {len(lrs)} or {len(row) for row in tables} != {len(read_at)}:
        raise ValueError("a run has other readings than rates and steps")
    runs = RunSet.untrained(lrs, read_at=read_at, seed=seed, stacked=saved["stacked"])
    runs = replace(runs, baseline=Baseline(*saved["baseline"]))
    runs.readings[:] = saved["losses"]
    runs.accuracies[:] = saved["accuracies"]
    runs.diverged[:] = saved["diverged"]
    runs.finished[:] = True
    runs.steps_taken[0] = saved["steps_taken"]  # of all rates together: no more is kept
    return (saved["optimizer"], saved["batch_size"], seed), runs
