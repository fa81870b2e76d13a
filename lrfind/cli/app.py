"""Runs a command under Hydra: composition, signals, and what becomes of an error.

Hydra composes the config, makes the run directory and calls the job; this module turns everything that can
happen on the way into a message and the exit code of the contract.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrfind.errors import ConfigError, ExitCode, OutputError, UserError
from lrfind.report.output import Outcome

if TYPE_CHECKING:
    from omegaconf import DictConfig


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
                console.defect(error)
            console.error(*error.paragraphs)
            code = error.exit_code
        except KeyboardInterrupt:
            console.error("interrupted.")
            code = ExitCode.INTERRUPTED
        except Exception as error:
            console.defect(error)
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

    from lrfind.cli.multirun import MultirunSummary, forget_failure, report_failure
    from lrfind.config.trust import trust_of

    trust = trust_of(arguments)
    _require_trust_in_pickles(arguments, trust)
    ended: dict[str, Any] = {}
    job = _with_stdout_kept(_with_memory_told(_with_trust(job, trust)))

    def run(composed: DictConfig) -> float:
        ended["started"] = True
        about = HydraConfig.get()
        directory = Path(about.runtime.output_dir)
        if about.mode != RunMode.MULTIRUN:
            try:
                outcome = job(composed, directory)
            except UserError as error:
                ended["error"] = error  # raised below: Hydra would print a line of its own first
                return math.nan
        else:
            forget_failure(directory)
            try:
                outcome = job(composed, directory)
            except Exception as error:  # the other jobs go on, whatever happened to this one
                report_failure(error, about.job, directory)
                return math.nan
            if outcome.code is ExitCode.INTERRUPTED:
                raise KeyboardInterrupt
        ended["code"] = outcome.code
        return math.nan if outcome.lr is None else outcome.lr

    app = hydra.main(version_base="1.3", config_path="pkg://lrfind.configs", config_name=command)(run)
    checked = _configs_checked(arguments, trust)
    with _as_arguments(arguments), _plain_exceptions(), _loggers_kept(), checked:
        try:
            with _shown_by_hydra(arguments):
                app()
        except SystemExit as error:
            if "started" in ended:
                raise ConfigError(
                    f"Something named by a _target_ ended the process with exit status {error.code}."
                ) from error
            # Hydra's own flags, and its parser.
            return ExitCode.UNUSABLE if error.code else ExitCode.SUGGESTED
        except UserError:
            raise
        except Exception as error:
            explained = None if "started" in ended else _explained(error, command, arguments)
            if explained is None:
                raise
            raise explained from error
        finally:
            code = MultirunSummary.finish()
    if "error" in ended:
        raise ended["error"]
    if code is None:
        code = ended.get("code", ExitCode.SUGGESTED)
    assert isinstance(code, ExitCode)
    return code


_SHOWING = ("-c", "--cfg", "-i", "--info", "--hydra-help")


def _only_shows(arguments: Sequence[str]) -> bool:
    """Whether Hydra is asked to show something instead of running a job."""
    return any(word.split("=")[0] in _SHOWING for word in arguments)


@contextmanager
def _shown_by_hydra(arguments: Sequence[str]) -> Iterator[None]:
    """What Hydra shows arrives at stdout, or it is said why not; a reader who has gone has seen enough.

    Raises:
        OutputError: It cannot be written.
    """
    if not _only_shows(arguments) or sys.stdout is None:
        yield
        return
    from lrfind.report.files import output_error
    from lrfind.report.streams import give_up

    lost: list[BaseException] = []

    def remember(handler: logging.Handler, record: logging.LogRecord) -> None:
        lost.append(sys.exc_info()[1] or OSError())

    # Some of it goes through Hydra's log, which tells of a full disk at every line and forgets it.
    before = logging.Handler.handleError
    logging.Handler.handleError = remember  # type: ignore[method-assign,assignment]
    try:
        try:
            yield
        finally:
            logging.Handler.handleError = before  # type: ignore[method-assign]
            sys.stdout.flush()
        if lost:
            raise lost[0]
    except BrokenPipeError:
        give_up(sys.stdout)
    except OSError as error:
        give_up(sys.stdout)
        raise output_error("standard output", error) from error


def _with_stdout_kept(job: Job) -> Job:
    """The job, with only its results on stdout, whatever a model or a data set writes there."""

    def run(composed: DictConfig, directory: Path) -> Outcome:
        from lrfind.report.streams import stdout_kept_for_results

        with stdout_kept_for_results():
            return job(composed, directory)

    return run


def _with_trust(job: Job, trust: Sequence[str]) -> Job:
    """The job, with the user's word on whose code is trusted in place of that of the config's files."""

    def run(composed: DictConfig, directory: Path) -> Outcome:
        from lrfind.config.trust import with_trust_of_the_user

        return job(with_trust_of_the_user(composed, trust), directory)

    return run


def _require_trust_in_pickles(arguments: Sequence[str], trust: Sequence[str]) -> None:
    """Refuses Hydra's flag that takes a config out of a pickle, unless the user trusts pickles.

    Raises:
        ConfigError: He does not.
    """
    # argparse takes a beginning of a flag for the flag.
    given = (word for word in arguments if word.startswith("--e") and RERUN.startswith(word.split("=")[0]))
    if next(given, None) is not None and "pickle" not in trust:
        raise ConfigError(
            f"{RERUN} is not trusted: it unpickles its file, which runs whatever code that file holds. "
            "Repeat a run with --config-dir RUN/.hydra --config-name config, or say so with trust=[pickle]."
        )


def _with_memory_told(job: Job) -> Job:
    """The job, with memory that runs out and workers that die, wherever, told as the user's to mend."""

    def run(composed: DictConfig, directory: Path) -> Outcome:
        try:
            return job(composed, directory)
        except UserError:
            raise
        except Exception as error:
            from lrfind.cli.keys import spell_in_keys
            from lrfind.training.objective import dead_worker, no_memory_left, out_of_memory

            dead = dead_worker(error)
            if dead is not None:
                raise dead from error
            if not out_of_memory(error):
                raise
            told = no_memory_left(error, f"with batch_size={composed.get('batch_size')}")
            spell_in_keys(told)
            raise told from error

    return run


def _explained(error: Exception, command: str, arguments: Sequence[str]) -> UserError | None:
    """What went wrong before the job, as a message; None where it is no mistake of the user."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from lrfind.cli.hydra_errors import composition_error

    # Hydra checks some of what it is given with plain exceptions.
    if isinstance(error, (HydraException, OmegaConfBaseException, ValueError, TypeError, AssertionError)):
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


OWN_OVERRIDES = {
    # Hydra's loggers write to stdout, where only results may go.
    "hydra/job_logging=": "hydra/job_logging=none",
    "hydra/hydra_logging=": "hydra/hydra_logging=none",
    "++hydra.callbacks.lrfind=": "++hydra.callbacks.lrfind._target_=lrfind.cli.multirun.MultirunSummary",
}
"""What is added to every command line, whatever the primary config, unless it says otherwise itself."""


RERUN = "--experimental-rerun"
FLAGS_WITH_VALUE = {
    *("--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn"),
    *("--config-dir", "-cd", RERUN),
}
INFO = {"all", "config", "defaults", "defaults-tree", "plugins", "searchpath"}


def ordered(arguments: Sequence[str]) -> list[str]:
    """The arguments as Hydra's parser takes them: all overrides first, ours among them, then all flags.

    argparse wants its positional words in one place; to a user an override is right wherever it stands.
    """
    if any(argument in ("-sc", "--shell-completion") for argument in arguments):
        return list(arguments)
    overrides: list[str] = []
    flags: list[str] = []
    for before, word in zip(["", *arguments], arguments, strict=False):
        is_value = before in FLAGS_WITH_VALUE or (before in ("--info", "-i") and word in INFO)
        (flags if is_value or word.startswith("-") else overrides).append(_as_addition(word))
    own = dict(OWN_OVERRIDES)
    if any(word.rstrip("/").endswith(".hydra") for word in flags):
        # The config of an earlier run knows nothing of ours, and Hydra's own directory is one a second.
        own["hydra.run.dir="] = "hydra.run.dir=outputs/${now:%Y-%m-%d}/${now:%H-%M-%S-%f}"
    overrides += [
        override
        for key, override in own.items()
        if not any(argument.startswith(key) for argument in arguments)
    ]
    return overrides + flags


def _as_addition(word: str) -> str:
    """An override of a key that every data set has, and the groups do not list."""
    return f"++{word}" if word.startswith("data.timeout=") else word


@contextmanager
def _as_arguments(arguments: Sequence[str]) -> Iterator[None]:
    """The process's arguments as Hydra reads them."""
    before = sys.argv
    sys.argv = ["lrfind", *ordered(arguments)]
    try:
        yield
    finally:
        sys.argv = before


@contextmanager
def _configs_checked(arguments: Sequence[str], trust: Sequence[str]) -> Iterator[None]:
    """Hydra composes no config that tells it to run what nobody trusts."""
    import hydra._internal.hydra as user_of_it

    from lrfind.config.hydra_loader import CheckedConfigLoader

    name = "ConfigLoaderImpl"
    before = getattr(user_of_it, name)
    setattr(user_of_it, name, partial(CheckedConfigLoader, trust=trust, words=arguments))
    try:
        yield
    finally:
        setattr(user_of_it, name, before)


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
def _loggers_kept() -> Iterator[None]:
    """Hydra's handlers write to the streams of one run; they must not outlive it in a longer process.

    What our own code warns of meanwhile is said on stderr.
    """
    from lrfind.report import console

    class ToScreen(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            console.warn(record.getMessage())

    root, own = logging.getLogger(), logging.getLogger("lrfind")
    handlers, level = root.handlers[:], root.level
    to_screen = ToScreen(logging.WARNING)
    own.addHandler(to_screen)
    try:
        yield
    finally:
        own.removeHandler(to_screen)
        root.handlers[:] = handlers
        root.setLevel(level)


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
