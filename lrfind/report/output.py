"""How a command that suggests a rate ends: its files, what it says on stdout, its exit code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from lrfind.errors import ExitCode, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from lrfind.suggestion import Status, Suggestion


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


def finish(
    directory: Path,
    files: Mapping[str, Callable[[], str | bytes]],
    content: Mapping[str, Any],
    *,
    suggestion: Suggestion | None,
    status: Status,
    show: Show,
    show_table: Callable[[list[Path]], None],
    refusal: str | None = None,
) -> Outcome:
    """Writes the files, shows the result in the form asked for and says how the job ended.

    Args:
        directory: The run directory.
        files: Names, and what makes the content of each, in the order of how hard each is to get back.
        content: The JSON record.
        suggestion: The suggestion, or None.
        status: Why the sweep ended.
        show: What goes to stdout.
        show_table: Writes the result for a person; told the paths of the files.
        refusal: Why a rate that was to be checked is not sensible; None where it is, or there is none.

    Raises:
        OutputError: A file cannot be written; the message names the suggested rate all the same.
    """
    from lrfind.report import console
    from lrfind.report.files import write_whole
    from lrfind.report.record import to_json

    try:
        for name, make in files.items():
            write_whole(directory / name, make())
    except OutputError as error:
        if suggestion is None:
            raise
        raise OutputError(f"{error} The suggested learning rate was {suggestion.lr:g}.") from error
    for warning in content.get("warnings", []):
        console.warn(warning)
    if show is Show.RECORD:
        console.write(to_json(content))
    elif show is Show.TABLE:
        show_table([directory / name for name in files])
    elif suggestion is not None:
        console.write(f"{suggestion.lr!r}\n")
    if refusal is not None:
        console.error(refusal)
    elif suggestion is None:
        console.warn(f"no learning rate can be suggested. {content['verdict']}")
    code = exit_code(status, suggestion, refused=refusal is not None)
    return Outcome(None if suggestion is None else suggestion.lr, code)


def exit_code(status: Status, suggestion: Suggestion | None, *, refused: bool = False) -> ExitCode:
    """The exit code of a test that ran.

    Args:
        status: Why the test ended.
        suggestion: The suggestion, or None.
        refused: Whether a rate that was to be checked is not sensible.
    """
    from lrfind.suggestion import Status

    if status is Status.INTERRUPTED:
        return ExitCode.INTERRUPTED
    if refused:
        return ExitCode.NOT_SENSIBLE
    return ExitCode.SUGGESTED if suggestion is not None else ExitCode.NO_SUGGESTION


def warnings_of(skipped: Sequence[str]) -> list[str]:
    """What a reader of the numbers should know of the data."""
    if not skipped:
        return []
    named = ", ".join(skipped[:3]) + (", ..." if len(skipped) > 3 else "")
    return [f"{len(skipped)} pictures could not be read and were skipped: {named}"]
