"""The jobs of a multirun: each leaves an entry in the sweep directory, whichever process runs it."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lrfind.errors import ExitCode
from lrfind.own_code import Frame
from lrfind.report.files import write_whole
from lrfind.suggestion import Status

if TYPE_CHECKING:
    from pathlib import Path

ENTRIES = ".lrfind-jobs"
"""Folder of the entries, while the multirun lasts."""

ERROR_FILE = "error.txt"
"""Left in a job's directory where the job could not be run."""

FAILED = "failed"
"""Status of a job that could not be run, beside those of a record."""

UNFINISHED = "unfinished"
"""Status of a job that was begun and did not come to its end: interrupted, or its process was killed."""


@dataclass(frozen=True, slots=True)
class MultirunJob:
    """A job of a multirun.

    Attributes:
        number: Its place among the jobs.
        folder: Its run directory, from the sweep directory.
        overrides: As given, `KEY=VALUE`.
        code: Its exit code; None where it did not come to its end.
        failure: Why it could not be run, a paragraph each; empty where it was.
        frames: Where the user's own code raised.
        record: Its record; empty where there is none.
        loss: What a sweeper that looks for a small loss is given; None: it is given the rate.
    """

    number: int
    folder: str
    command: str
    overrides: tuple[str, ...]
    code: int | None = None
    failure: tuple[str, ...] = ()
    frames: tuple[Frame, ...] = ()
    record: dict[str, Any] = field(default_factory=dict)
    loss: float | None = None

    @property
    def status(self) -> str:
        """What a range test's curve shows, as `healthy`; else the status of the record."""
        if self.failure:
            return FAILED
        if not self.record:
            return UNFINISHED
        return str(self.record.get("shape") or self.record["status"])

    @property
    def lr(self) -> float | None:
        """The suggested rate."""
        return self._of_suggestion("lr")

    @property
    def low(self) -> float | None:
        """The lower end of its bracket."""
        return self._of_suggestion("low")

    @property
    def high(self) -> float | None:
        """The upper end."""
        return self._of_suggestion("high")

    @property
    def message(self) -> str:
        """Why it could not be run, or the verdict."""
        if self.failure:
            return "\n".join(self.failure)
        return str(self.record.get("verdict", "It did not come to its end, and wrote no results."))

    @property
    def ended(self) -> bool:
        """Whether it came to its end, be it that it could not be run."""
        return bool(self.failure) or (bool(self.record) and self.record["status"] != Status.INTERRUPTED)

    @property
    def values(self) -> dict[str, str]:
        """The overrides by key."""
        pairs = (override.lstrip("+~").partition("=") for override in self.overrides)
        return {key: value for key, _, value in pairs}

    def _of_suggestion(self, name: str) -> float | None:
        suggestion = self.record.get("suggestion")
        return None if suggestion is None else float(suggestion[name])


def note_job(sweep: Path, job: MultirunJob) -> None:
    """Writes the entry of a job that begins, or has ended; the record stays where it is."""
    entry = {
        "folder": job.folder,
        "command": job.command,
        "overrides": job.overrides,
        "code": job.code,
        "failure": job.failure,
        "frames": job.frames,
        "loss": job.loss,
    }
    folder = sweep / ENTRIES
    folder.mkdir(exist_ok=True)
    write_whole(folder / f"{job.number}.json", json.dumps(entry))


def jobs_of(sweep: Path) -> list[MultirunJob]:
    """The jobs that were begun, in their order."""
    numbers = (int(path.stem) for path in (sweep / ENTRIES).glob("[0-9]*.json"))
    return [job_of(sweep, number) for number in sorted(numbers)]


def job_of(sweep: Path, number: int) -> MultirunJob:
    """A job that was begun, with its record where it has ended."""
    entry = json.loads((sweep / ENTRIES / f"{number}.json").read_text(encoding="utf-8"))
    record = {}
    if entry["code"] is not None and not entry["failure"]:
        with suppress(OSError, ValueError):
            text = (sweep / entry["folder"] / f"{entry['command']}.json").read_text(encoding="utf-8")
            record = json.loads(text)
    return MultirunJob(
        number=number,
        folder=entry["folder"],
        command=entry["command"],
        overrides=tuple(entry["overrides"]),
        code=entry["code"],
        failure=tuple(entry["failure"]),
        frames=tuple(Frame(*frame) for frame in entry["frames"]),
        record=record,
        loss=entry["loss"],
    )


def forget_jobs(sweep: Path) -> None:
    """Removes the entries."""
    shutil.rmtree(sweep / ENTRIES, ignore_errors=True)


def exit_code(jobs: list[MultirunJob]) -> ExitCode:
    """The exit code of a multirun: that of the worst of its jobs."""
    codes = {job.code for job in jobs}
    if ExitCode.DEFECT in codes:
        return ExitCode.DEFECT
    if not jobs or any(job.status in (FAILED, UNFINISHED) for job in jobs):
        return ExitCode.UNUSABLE
    for code in (ExitCode.NOT_SENSIBLE, ExitCode.NO_SUGGESTION):
        if code in codes:
            return code
    return ExitCode.SUGGESTED
