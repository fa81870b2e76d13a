"""Runs a command under Hydra: composition, signals, and what becomes of an error.

Hydra composes the config, makes the run directory and calls the job; this module turns everything that can
happen on the way into a message and the exit code of the contract.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrfind.errors import ConfigError, ExitCode, OutputError, UserError

if TYPE_CHECKING:
    from omegaconf import DictConfig

ERROR_FILE = "error.txt"
"""Left in a multirun job's directory where the job could not be run."""


class Show(str, Enum):
    """What goes to stdout."""

    TABLE = "table"
    NUMBER = "number"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended: the rate it suggests, if any, and its exit code."""

    lr: float | None
    code: ExitCode


Job = Callable[["DictConfig", Path], Outcome]
"""Called with the composed config and the run directory."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, treated as an interrupt."""


def launch(command: str, arguments: Sequence[str], job: Job) -> int:
    """Composes the config of a command, runs its job and returns the exit code of the process.

    Args:
        command: Name of the command and of its primary config.
        arguments: Overrides and Hydra's own flags.
        job: What to do with the composed config.
    """
    from lrfind.report import console

    verbose = "hydra.verbose=true" in (argument.lower() for argument in arguments)
    with _sigterm_as_interrupt() as terminated:
        try:
            code = _under_hydra(command, arguments, job)
        except UserError as error:
            if verbose:
                traceback.print_exc()
            console.error(str(error))
            code = error.exit_code
        except KeyboardInterrupt:
            console.error("interrupted before anything was measured.")
            code = ExitCode.INTERRUPTED
        except BrokenPipeError:
            # Whoever read stdout has gone; Python must not complain about it again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = ExitCode.SUGGESTED
        except Exception:
            traceback.print_exc()
            console.error(
                "this is a defect of lrfind. Please report it with the lines above and the command."
            )
            code = ExitCode.DEFECT
        if code is ExitCode.INTERRUPTED and terminated:
            code = ExitCode.TERMINATED
    return int(code)


def _under_hydra(command: str, arguments: Sequence[str], job: Job) -> ExitCode:
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from lrfind.commands.multirun import MultirunSummary

    ended: dict[str, Any] = {}

    def run(composed: DictConfig) -> float:
        ended["started"] = True
        about = HydraConfig.get()
        directory = Path(about.runtime.output_dir)
        several = about.mode == RunMode.MULTIRUN
        try:
            outcome = job(composed, directory)
        except UserError as error:
            if several:
                _report_failed_job(error, about, directory)
            else:
                ended["error"] = error  # raised below: Hydra would print a line of its own first
            return math.nan
        if several and outcome.code is ExitCode.INTERRUPTED:
            raise KeyboardInterrupt
        ended["code"] = outcome.code
        return math.nan if outcome.lr is None else outcome.lr

    MultirunSummary.take_exit_code()  # of an earlier multirun in this process
    app = hydra.main(version_base="1.3", config_path="pkg://lrfind.configs", config_name=command)(run)
    with _as_arguments(arguments), _plain_exceptions():
        try:
            app()
        except SystemExit as error:  # Hydra's own flags, and its parser
            return ExitCode.UNUSABLE if error.code else ExitCode.SUGGESTED
        except UserError:
            raise
        except Exception as error:
            explained = None if "started" in ended else _explained(error, command, arguments)
            if explained is None:
                raise
            raise explained from error
    if "error" in ended:
        raise ended["error"]
    code = MultirunSummary.take_exit_code()
    if code is None:
        code = ended.get("code", ExitCode.SUGGESTED)
    assert isinstance(code, ExitCode)
    return code


def _report_failed_job(error: UserError, about: Any, directory: Path) -> None:
    from lrfind.report import console
    from lrfind.report.files import write_whole

    console.error(f"job {about.job.num} ({about.job.override_dirname}): {error}")
    write_whole(directory / ERROR_FILE, f"{error}\n")


def _explained(error: Exception, command: str, arguments: Sequence[str]) -> UserError | None:
    """What went wrong before the job, as a message; None where it is no mistake of the user."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from lrfind.config.hints import composition_error

    if isinstance(error, (HydraException, OmegaConfBaseException)):
        return composition_error(error, command, arguments)
    if type(error).__module__.startswith("yaml"):
        return ConfigError(f"A config file is not valid YAML: {' '.join(str(error).split())}")
    if isinstance(error, OSError):
        where = error.filename or "The run directory"
        return OutputError(
            f"{where}: the run directory cannot be made: {error.strerror or error}. Choose another with "
            "hydra.run.dir=FOLDER."
        )
    return None


@contextmanager
def _as_arguments(arguments: Sequence[str]) -> Iterator[None]:
    """The process's arguments as Hydra reads them, with its loggers kept off stdout.

    Its parser takes overrides in one piece only, so they are put together, before the flags.
    """
    quiet = [
        f"{group}=none"
        for group in ("hydra/job_logging", "hydra/hydra_logging")
        if not any(argument.startswith(f"{group}=") for argument in arguments)
    ]
    if any(argument in ("-sc", "--shell-completion") for argument in arguments):
        quiet = []
    before = sys.argv
    overrides = [word for word in arguments if _is_override(word)]
    sys.argv = ["lrfind", *overrides, *quiet, *(word for word in arguments if not _is_override(word))]
    try:
        yield
    finally:
        sys.argv = before


def _is_override(word: str) -> bool:
    return word.startswith("~") or ("=" in word and not word.startswith("-"))


@contextmanager
def _plain_exceptions() -> Iterator[None]:
    """Hydra raises what went wrong instead of printing it and leaving with exit code 1."""
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before


@contextmanager
def _sigterm_as_interrupt() -> Iterator[list[int]]:
    """SIGTERM raises `Terminated`; the list it yields holds the signal once it came."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return

    def handle(number: int, frame: object) -> None:
        came.append(number)
        raise Terminated

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, before)
