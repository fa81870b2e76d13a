"""The jobs of a multirun: a failed one is told at once and stops no other, and all are summed up."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hydra.experimental.callback import Callback

from lrfind.cli.run_directory import RunDirectory
from lrfind.errors import ExitCode, UserError
from lrfind.report import console
from lrfind.report.files import Cell, csv_text, write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.own_code import Frame

SUMMARY = "multirun.csv"
ERROR_FILE = "error.txt"
"""Left in a job's directory where the job could not be run."""

DEFECT = "A defect of lrfind: "


def forget_failure(directory: Path) -> None:
    """Removes what an earlier job in the same directory left of a failure."""
    (directory / ERROR_FILE).unlink(missing_ok=True)


def report_failure(error: Exception, job: Any, directory: Path, *, debug: bool) -> None:
    """Says on stderr which job failed and why, and leaves it in the job's directory."""
    frames: Sequence[Frame] = ()
    if isinstance(error, UserError):
        message, *more = error.paragraphs
        frames = error.frames
    else:
        message, more = f"{DEFECT}{type(error).__name__}: {error}", []
    if debug or not isinstance(error, UserError):
        console.traceback_of(error)
    console.error(f"job {job.num} ({job.override_dirname}): {message}", *more)
    console.own_code(frames)
    write_whole(directory / ERROR_FILE, "\n".join([message, *more]) + "\n")


_WRITTEN_BY_HYDRA = ("config.yaml", "hydra.yaml", "overrides.yaml")


class MultirunSummary(Callback):
    """Remembers where a multirun goes; its jobs are then found there, whichever launcher ran them.

    It takes their directory for this process alone. Of a single run it takes away the links that lie where
    Hydra is about to write, and would follow them.
    """

    _directory: ClassVar[Path | None] = None
    _started: ClassVar[float] = 0.0

    def on_run_start(self, config: Any, **kwargs: Any) -> None:
        """Called by Hydra before it writes the config of a run."""
        directory, subdir = Path(config.hydra.run.dir), config.hydra.output_subdir
        RunDirectory.begin(directory, subdir, "hydra.run.dir")
        if subdir is None:
            return
        folder = directory / subdir
        for path in (folder, *(folder / name for name in _WRITTEN_BY_HYDRA)):
            if path.is_symlink():
                path.unlink()

    def on_multirun_start(self, config: Any, **kwargs: Any) -> None:
        """Called by Hydra in the process that starts the jobs."""
        directory = Path(config.hydra.sweep.dir)
        RunDirectory.begin(directory, None, "hydra.sweep.dir")
        MultirunSummary._directory = directory
        MultirunSummary._started = time.time()

    @classmethod
    def finish(cls) -> ExitCode | None:
        """Writes `multirun.csv` into the sweep directory and says on stderr where it is.

        Returns:
            The exit code of the multirun, or None where there was none.
        """
        directory, cls._directory = cls._directory, None
        if directory is None:
            return None
        jobs = _jobs(directory, cls._started)
        rows = [_row(folder, directory) for folder in jobs]
        path = directory / SUMMARY
        write_whole(path, csv_text(["job", "overrides", "status", "lr", "low", "high", "message"], rows))
        answered = sum(row[3] is not None for row in rows)
        console.note(f"{answered} of {len(rows)} jobs suggest a learning rate; summary: {path}")
        if any(str(row[6]).startswith(DEFECT) for row in rows):
            return ExitCode.DEFECT
        if not rows or any(row[2] == "failed" for row in rows):
            return ExitCode.UNUSABLE
        if any(_refused(folder) for folder in jobs):
            return ExitCode.NOT_SENSIBLE
        return ExitCode.SUGGESTED if answered == len(rows) else ExitCode.NO_SUGGESTION


def _jobs(directory: Path, started: float) -> list[Path]:
    """Directories of the jobs started since then; clocks of file systems are coarse."""
    if not directory.is_dir():
        return []
    configs = [f for f in directory.rglob(".hydra/overrides.yaml") if f.stat().st_mtime >= started - 2]
    return sorted((f.parent.parent for f in configs), key=_number)


def _number(folder: Path) -> tuple[int, str]:
    return (int(folder.name), "") if folder.name.isdigit() else (1 << 31, str(folder))


def _row(folder: Path, directory: Path) -> list[Cell]:
    from omegaconf import OmegaConf

    name = str(folder.relative_to(directory))
    overrides = " ".join(str(o) for o in OmegaConf.load(folder / ".hydra" / "overrides.yaml"))
    error = folder / ERROR_FILE
    records = sorted(folder.glob("*.json"))
    if error.exists() or not records:
        message = error.read_text(encoding="utf-8").strip() if error.exists() else "no record was written"
        return [name, overrides, "failed", None, None, None, message]
    record = json.loads(records[0].read_text(encoding="utf-8"))
    suggestion = record["suggestion"] or {"lr": None, "low": None, "high": None}
    return [
        name,
        overrides,
        record["status"],
        suggestion["lr"],
        suggestion["low"],
        suggestion["high"],
        record["verdict"],
    ]


def _refused(folder: Path) -> bool:
    """Whether the rate that a job was to check is not sensible."""
    record = folder / "verify.json"
    if not record.is_file():
        return False
    pinned = json.loads(record.read_text(encoding="utf-8")).get("pinned") or {}
    return pinned.get("sensible") is False
