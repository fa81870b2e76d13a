"""The jobs of a multirun: a failed one stops no other, each is noted as it ends, and all are summed up."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hydra.experimental.callback import Callback
from omegaconf.errors import OmegaConfBaseException

from lrfind.cli.job import asks_for_loss, given_to_a_sweeper
from lrfind.cli.run_directory import RunDirectory
from lrfind.errors import ConfigError, ExitCode, OutputError, UserError
from lrfind.multirun.report import count_text, multirun_csv, multirun_lines
from lrfind.multirun.results import (
    ERROR_FILE,
    MultirunJob,
    exit_code,
    forget_jobs,
    job_of,
    jobs_of,
    note_job,
)
from lrfind.report import console
from lrfind.report.files import remove_abandoned, write_whole
from lrfind.report.output import Show, number_text
from lrfind.report.table import Paragraph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from omegaconf import DictConfig

    from lrfind.cli.job import Job

SUMMARY, PICTURE = "multirun.csv", "multirun.png"

DEFECT = "A defect of lrfind: "

REFUSED = "refused"
"""The one key of the config of a job that could not be composed: why."""


_WRITTEN_BY_HYDRA = ("config.yaml", "hydra.yaml", "overrides.yaml")


class MultirunSummary(Callback):
    """Remembers where a multirun goes; its jobs are then found there, whichever launcher ran them.

    It takes their directory for this process alone. Of a single run it takes away the links that lie where
    Hydra is about to write, and would follow them.
    """

    _directory: ClassVar[Path | None] = None
    _launcher: ClassVar[str] = ""
    _planned: ClassVar[int | None] = None
    _ran_here: ClassVar[set[int]] = set()

    def on_run_start(self, config: Any, **kwargs: Any) -> None:
        """Called by Hydra before it writes the config of a run."""
        with suppress(OmegaConfBaseException):  # which Hydra raises once more, and of a callback only warns
            self._begin_run(Path(config.hydra.run.dir), config.hydra.output_subdir)

    def _begin_run(self, directory: Path, subdir: str | None) -> None:
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
        RunDirectory.begin_multirun(directory, config.hydra.output_subdir)
        forget_jobs(directory)
        MultirunSummary._directory = directory
        MultirunSummary._launcher = str(config.hydra.runtime.choices.get("hydra/launcher"))
        MultirunSummary._ran_here = set()

    @classmethod
    def launcher(cls) -> str | None:
        """The launcher of the multirun that this process has started; None where there is none."""
        return None if cls._directory is None else cls._launcher

    @classmethod
    def plan(cls, count: int | None) -> None:
        """Remembers how many jobs there are to be; None where the sweeper makes them as it goes."""
        cls._planned = count

    @classmethod
    def takes_turn(cls, number: int) -> bool:
        """Whether a job runs in the process that has started the multirun: then it speaks for itself."""
        if cls._directory is None:
            return False
        cls._ran_here.add(number)
        return True

    @classmethod
    def finish(cls, show: Show) -> ExitCode | None:
        """Says what other processes found, and sums up; the exit code, or None without a multirun."""
        directory, cls._directory = cls._directory, None
        if directory is None:
            return None
        jobs = jobs_of(directory)
        forget_jobs(directory)
        for job in jobs:
            if job.number not in cls._ran_here or not (job.record or job.failure):
                _tell(job, directory, show)
        if not jobs:
            return ExitCode.UNUSABLE
        if show is Show.TABLE:
            console.show(multirun_lines(jobs))
        write_whole(directory / SUMMARY, multirun_csv(jobs))
        picture = _picture(jobs, directory)
        console.note(
            f"{count_text(jobs, cls._planned, directory)}; summary: {directory / SUMMARY}"
            + (f"; picture: {picture}" if picture else "")
        )
        return exit_code(jobs)


def run_one(job: Job, composed: DictConfig, directory: Path, show: Show, *, command: str) -> float:
    """Runs one job of a multirun, in whichever process; returns what a sweeper is given."""
    from hydra.core.hydra_config import HydraConfig

    hydra = HydraConfig.get()
    sweep = Path(hydra.sweep.dir).absolute()
    noted = MultirunJob(
        hydra.job.num, os.path.relpath(directory, sweep), command, tuple(map(str, hydra.overrides.task))
    )
    loss = asks_for_loss(composed, noted.overrides)
    noted = replace(noted, loss=math.inf if loss else None)
    here = MultirunSummary.takes_turn(noted.number)
    speaks = here and show is not Show.NUMBER  # else what it has found is told with its name
    with RunDirectory.of_job(directory, hydra.output_subdir):
        remove_abandoned(directory)
        (directory / ERROR_FILE).unlink(missing_ok=True)
        note_job(sweep, noted)
        if here:
            _head(noted, show)
        outcome = None
        try:
            if REFUSED in composed:
                raise ConfigError(composed[REFUSED])
            if not here:
                _deal_device(composed, noted.number, str(hydra.launcher.get("_target_")))
            outcome = job(composed, directory, show if speaks else Show.NOTHING)
            noted = replace(noted, code=int(outcome.code))
            noted = replace(noted, loss=given_to_a_sweeper(outcome, loss=True) if loss else None)
        except Exception as error:  # the other jobs go on, whatever happened to this one
            noted = _failed(noted, error, debug=hydra.verbose is True)
            write_whole(directory / ERROR_FILE, "\n".join(noted.failure) + "\n")
        note_job(sweep, noted)
        if here and (noted.failure or not speaks):
            _tell(job_of(sweep, noted.number), sweep, show)
        if not here and show is not Show.NUMBER:  # a sign of life; what it found is told in the jobs' order
            console.note(f"{_title(noted)} has ended{' with an error' if noted.failure else ''}.")
    if outcome is not None and outcome.code is ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    return given_to_a_sweeper(outcome, loss=loss)


def dealt_device(device: str, number: int, count: int) -> str:
    """The device of a job among others at the same time on a machine of several GPUs: theirs in turn.

    The device of the config stays where it names one.
    """
    return f"cuda:{number % count}" if device in ("auto", "cuda") and count > 1 else device


def _deal_device(composed: DictConfig, number: int, launcher: str) -> None:
    """Gives the jobs of joblib the GPUs in turn: other launchers show each job its own alone."""
    if "joblib" not in launcher or "device" not in composed:
        return
    import torch

    composed.device = dealt_device(str(composed.device), number, torch.cuda.device_count())


def _failed(job: MultirunJob, error: Exception, *, debug: bool) -> MultirunJob:
    if debug or not isinstance(error, UserError):
        console.traceback_of(error)
    if isinstance(error, UserError):
        return replace(job, code=int(error.exit_code), failure=error.paragraphs, frames=error.frames)
    failure = f"{DEFECT}{type(error).__name__}: {error}"
    return replace(job, code=int(ExitCode.DEFECT), failure=(failure,))


def _title(job: MultirunJob) -> str:
    return f"job {job.number}" + (f" ({', '.join(job.overrides)})" if job.overrides else "")


def _head(job: MultirunJob, show: Show) -> None:
    """Says which job begins, where what it finds is going to stand."""
    if show is Show.TABLE:
        apart = [Paragraph("")] if job.number else []
        console.show([*apart, Paragraph(_title(job), "bold")])
    else:
        console.note(f"{_title(job)}.")


def _tell(job: MultirunJob, sweep: Path, show: Show) -> None:
    """Says what a job has not said for itself."""
    if job.failure:
        first, *more = job.failure
        console.error(f"{_title(job)}: {first}", *more)
        console.own_code(job.frames)
        return
    if show is Show.RECORD and job.record:
        with suppress(OSError):
            console.write((sweep / job.folder / f"{job.command}.json").read_text(encoding="utf-8"))
    elif show is Show.NUMBER and job.lr is not None:
        console.write(number_text(job.lr))
    if job.code == ExitCode.NOT_SENSIBLE:
        console.error(f"{_title(job)}: {job.message}")
    elif job.lr is None:
        say = console.error if console.is_quiet() else console.warn
        none = "no learning rate can be suggested. " if job.record else ""
        say(f"{_title(job)}: {none}{job.message}")


def _picture(jobs: Sequence[MultirunJob], directory: Path) -> Path | None:
    """Draws all curves; the path of the picture, or None where there is nothing to draw."""
    from lrfind.multirun.curves import curves_of
    from lrfind.multirun.plot import multirun_page
    from lrfind.plotting.draw import draw, png

    page = multirun_page(jobs, curves_of(jobs, directory))
    if page is None:
        return None
    try:
        write_whole(directory / PICTURE, png(draw(page)))
    except OutputError as error:  # the table is there: a picture less costs nobody an answer
        console.warn(str(error))
        return None
    return directory / PICTURE
