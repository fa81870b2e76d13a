"""How every command ends: its files, what it says on stdout, its exit code."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from lrfind.errors import ExitCode, OutputError, UserError
from lrfind.report import console
from lrfind.report.files import write_whole
from lrfind.report.record import record, to_json
from lrfind.suggestion import Status, rate_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lrfind.report.answer import Lines
    from lrfind.report.config_file import ConfigKey
    from lrfind.report.record import Findings

Content = Callable[[], "str | bytes"]
"""Makes all of a file."""

_HARD_TO_GET_BACK = (".csv", ".json", ".png")
"""Kinds of files, the hardest to get back first: a disk that fills up costs a picture, not the numbers."""


WRITTEN = "write_config"
"""Key of the record: which number of a config file was replaced."""


class Show(str, Enum):
    """What goes to stdout."""

    TABLE = "table"
    NUMBER = "number"
    RECORD = "record"
    NOTHING = "nothing"
    """A job of a multirun in another process: the first process says what it found."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended: the rate it suggests and the loss at the best one, if any, and its exit code."""

    lr: float | None
    code: ExitCode
    loss: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a command has to hand out.

    Attributes:
        files: Names in the order in which the record lists them, and what makes the content of each; None
            stands for the record itself.
        lines: Works out what a person reads; told the paths of the files.
        refusal: Why a rate that was to be checked is not sensible; None where it is, or there is none.
        close: Called once the files are written: takes away what a run that is cut off goes on with.
        loss: What a sweeper that looks for a small loss is given: the one at the best rate; None where no
            rate is suggested.
    """

    findings: Findings
    files: Mapping[str, Content | None]
    lines: Callable[[Sequence[Path]], Lines]
    refusal: str | None = None
    close: Callable[[], None] | None = None
    loss: float | None = None


def finish(
    report: Report,
    directory: Path,
    *,
    show: Show,
    began: float,
    written: Callable[[], None] | None = None,
    config_key: ConfigKey | None = None,
) -> Outcome:
    """Writes the files, shows the result in the form asked for and says how the job ended.

    `began` is `time.perf_counter()` at the start of the job; `written` is called once the files are written,
    before anything is shown; `config_key` is where the suggested rate is to be written as well.

    Raises:
        UserError: A file cannot be written, or the key is gone from the config file; the message names the
            suggested rate all the same.
    """
    found = report.findings
    paths = [directory / name for name in report.files]
    content = record(found, seconds=perf_counter() - began, files=paths)
    lr = None if config_key is None else _rate_to_keep(report)
    failure: UserError | None = None
    if config_key is not None and lr is not None:
        failure = _entry(config_key, lr, content)
    paths = _write_files(report, directory, content)
    if written is not None:
        written()
    if report.close is not None:
        with suppress(OSError):  # what is found is safe, and a state left behind does no harm
            report.close()
    if config_key is not None and lr is not None:
        failure = failure or _write_config(config_key, lr, report, directory, content)
        if failure is not None:
            raise type(failure)(
                f"{failure} The suggested learning rate was {rate_text(lr)}; the results are in {directory}."
            )
    for warning in content.get("warnings", []):
        console.warn_once(warning)
    if show is Show.RECORD:
        console.write(to_json(content))
    elif show is Show.TABLE:
        console.show(report.lines(paths))
    elif show is Show.NUMBER and found.suggestion is not None:
        console.write(number_text(found.suggestion.lr))
    if show is Show.NOTHING:
        pass
    elif report.refusal is not None:
        console.error(report.refusal)
    elif found.suggestion is None:
        # A script that asked for the number alone learns why it got none.
        say = console.error if console.is_quiet() else console.warn
        say(f"no learning rate can be suggested. {found.verdict}")
    elif found.status is Status.INTERRUPTED and console.is_quiet():
        console.error(found.verdict)  # the rate on stdout is not what was asked for
    if config_key is not None:
        console.note(config_key.told(content.get(WRITTEN), found.groups))
    if found.suggestion is None:
        return Outcome(None, exit_code(report))
    return Outcome(found.suggestion.lr, exit_code(report), report.loss)


def number_text(lr: float) -> str:
    """The line of a suggested rate, for scripts: all its digits."""
    return f"{lr!r}\n"


def exit_code(report: Report) -> ExitCode:
    """The exit code of a job that ran."""
    if report.findings.status is Status.INTERRUPTED:
        return ExitCode.INTERRUPTED
    if report.refusal is not None:
        return ExitCode.NOT_SENSIBLE
    return ExitCode.NO_SUGGESTION if report.findings.suggestion is None else ExitCode.SUGGESTED


def _rate_to_keep(report: Report) -> float | None:
    """The rate that a config file is to hold: none of a run that was cut off, or beside a refusal."""
    found = report.findings
    if found.suggestion is None or report.refusal is not None or found.status is Status.INTERRUPTED:
        return None
    return found.suggestion.lr


def _entry(config_key: ConfigKey, lr: float, content: dict[str, Any]) -> UserError | None:
    """Puts into the record what a config file is about to hold; returns why that cannot be, or None."""
    try:
        content[WRITTEN] = config_key.entry(lr)
    except UserError as error:
        return error
    return None


def _write_config(
    config_key: ConfigKey, lr: float, report: Report, directory: Path, content: dict[str, Any]
) -> UserError | None:
    """Writes the rate to a config file; returns why that cannot be, which the record then knows, or None."""
    try:
        config_key.write(lr)
    except UserError as error:
        del content[WRITTEN]
        for name in (name for name, make in report.files.items() if make is None):
            write_whole(directory / name, to_json(content))
        return error
    return None


def _write_files(report: Report, directory: Path, content: Mapping[str, Any]) -> list[Path]:
    """Writes every file and returns the paths in the order in which they were written."""
    names = sorted(report.files, key=lambda name: _HARD_TO_GET_BACK.index(Path(name).suffix))
    suggestion = report.findings.suggestion
    try:
        for name in names:
            make = report.files[name]
            write_whole(directory / name, to_json(content) if make is None else make())
    except OutputError as error:
        if suggestion is None:
            raise
        raise OutputError(f"{error} The suggested learning rate was {rate_text(suggestion.lr)}.") from error
    return [directory / name for name in names]
