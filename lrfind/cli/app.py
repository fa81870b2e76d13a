"""Runs a command under Hydra: composition, signals, and what becomes of an error.

Hydra composes the config, makes the run directory and calls the job; this module turns everything that can
happen on the way into a message and the exit code of the contract.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrfind.cli.job import asks_for_loss, given_to_a_sweeper, guarded, warn_of_no_sweeper
from lrfind.cli.overrides import DEBUG, RERUN
from lrfind.cli.run_directory import RefusedError, RunDirectory
from lrfind.errors import ConfigError, ExitCode, UserError
from lrfind.interrupts import signals_as_interrupts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from omegaconf import DictConfig

    from lrfind.cli.job import Job
    from lrfind.report.output import Outcome, Show


def launch(command: str, arguments: Sequence[str], job: Job, show: Show) -> int:
    """Composes the config of a command, runs its job and returns the exit code of the process."""
    from lrfind.report import console

    debug = DEBUG in (argument.lower() for argument in arguments)
    with signals_as_interrupts() as came:
        try:
            code = _under_hydra(command, arguments, job, show)
        except UserError as error:
            if debug:
                console.traceback_of(error)
            console.error(*error.paragraphs)
            console.own_code(error.frames)
            code = error.exit_code
        except KeyboardInterrupt:
            console.error("interrupted.")
            code = ExitCode.INTERRUPTED
        except Exception as error:
            console.traceback_of(error)
            console.error(
                "this is a defect of lrfind. Please report it with the lines above and the command."
            )
            code = ExitCode.DEFECT
        if code is ExitCode.INTERRUPTED and came:
            code = ExitCode(128 + came[0])
    return int(code)


def complete(command: str, query: str) -> None:
    """Has Hydra offer what the line in COMP_LINE may go on with; where it cannot, nothing is offered."""
    from lrfind.report.output import Show

    with suppress(Exception, SystemExit):
        _under_hydra(command, ["-sc", query], _no_job, Show.TABLE)


def _no_job(composed: DictConfig, directory: Path, show: Show) -> Outcome:
    raise AssertionError("completion runs nothing")


def _under_hydra(command: str, arguments: Sequence[str], job: Job, show: Show) -> ExitCode:
    import hydra

    from lrfind.cli.hydra_session import inside_hydra
    from lrfind.cli.multirun import MultirunSummary
    from lrfind.cli.unreadable import refuse_unparsable
    from lrfind.config.targets import trust_of

    refuse_unparsable(arguments)
    trust = trust_of(arguments)
    _require_trust_in_pickles(arguments, trust)
    calls = _Calls(command, guarded(job, trust), show)

    def run(composed: DictConfig) -> float:
        return calls.call(composed)

    app = hydra.main(version_base="1.3", config_path="pkg://lrfind.configs", config_name=command)(run)
    with inside_hydra(command, arguments, trust), RunDirectory.left_at_the_end():
        try:
            shown = _run_app(app, calls, command, arguments)
        except BaseException:
            with suppress(UserError):  # what went wrong first is told
                MultirunSummary.finish(show)
            raise
        of_all = MultirunSummary.finish(show)
        if of_all is not None:
            return of_all
        return calls.code() if shown is None else shown


def _run_app(
    app: Callable[[], Any], calls: _Calls, command: str, arguments: Sequence[str]
) -> ExitCode | None:
    """Hands the command line to Hydra; the exit code where Hydra shows something instead of running a job."""
    from lrfind.cli.hydra_errors import explained, launcher_error
    from lrfind.cli.hydra_session import shown_by_hydra
    from lrfind.cli.multirun import MultirunSummary

    try:
        with shown_by_hydra(arguments):
            app()
    except SystemExit as error:
        if calls.begun:
            raise ConfigError(
                f"code named by a _target_ ended the process with exit status {error.code}: take "
                "the call that ends "
                "it (sys.exit, quit) out of there. --debug shows where it is."
            ) from error
        # Hydra's own flags, and its parser.
        return ExitCode.UNUSABLE if error.code else ExitCode.SUGGESTED
    except UserError:
        raise
    except RefusedError as refused:
        raise refused.error from None
    except Exception as error:
        told = launcher_error(error, MultirunSummary.launcher())
        if told is None and not calls.begun:
            told = explained(error, command, arguments)
        if told is None:
            raise
        raise told from error
    return None


class _Calls:
    """The calls of a job by Hydra: one, or one for each set of overrides of a multirun."""

    def __init__(self, command: str, job: Job, show: Show) -> None:
        self.begun = False
        self._command = command
        self._job = job
        self._show = show
        self._error: UserError | None = None
        self._code = ExitCode.SUGGESTED

    def call(self, composed: DictConfig) -> float:
        """Runs the job; returns what Hydra's sweepers are given."""
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        self.begun = True
        about = HydraConfig.get()
        directory = Path(about.runtime.output_dir)
        if about.mode == RunMode.MULTIRUN:
            from lrfind.cli.multirun import run_one

            return run_one(self._job, composed, directory, self._show, command=self._command)
        loss = asks_for_loss(composed, ())
        if loss:
            warn_of_no_sweeper()
        outcome = self._alone(composed, directory)
        if outcome is not None:
            self._code = outcome.code
        return given_to_a_sweeper(outcome, loss=loss)

    def code(self) -> ExitCode:
        """The exit code of a single run; what the job raised is raised here."""
        if self._error is not None:
            raise self._error
        return self._code

    def _alone(self, composed: DictConfig, directory: Path) -> Outcome | None:
        from lrfind.cli.hydra_launcher import launcher_of
        from lrfind.execution.launcher import launched_by
        from lrfind.report import console

        RunDirectory.started()
        try:
            launcher = launcher_of(directory)
            with launched_by(launcher):
                outcome = self._job(composed, directory, self._show)
            if launcher is not None and not launcher.used:
                console.warn(
                    f"{launcher.name} was given nothing to do: this command had no independent runs. With -m "
                    "it runs whole commands."
                )
            return outcome
        except UserError as error:
            self._error = error  # raised by `code`: Hydra would print a line of its own first
            return None


def _require_trust_in_pickles(arguments: Sequence[str], trust: Sequence[str]) -> None:
    """Refuses Hydra's flag that takes a config out of a pickle, unless the user trusts pickles."""
    # argparse takes a beginning of a flag for the flag.
    given = (word for word in arguments if word.startswith("--e") and RERUN.startswith(word.split("=")[0]))
    if next(given, None) is not None and "pickle" not in trust:
        raise ConfigError(
            f"{RERUN} is not trusted: it unpickles its file, which runs whatever code that file holds. "
            "Repeat a run with --config-dir RUN/.hydra --config-name config, or say so with trust=[pickle]."
        )
