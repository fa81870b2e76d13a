"""Files that appear whole or not at all, and what writers that are dead have left of theirs."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import os
import re
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from lrfind.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Cell: TypeAlias = "str | int | float | None"
"""What a CSV cell is made of; None is an empty cell."""

_OF_THE_SYSTEM = {("dev",), ("proc",)}
"""Folders of the root whose links are the system's own."""

_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
"""How a cell begins that a spreadsheet may take for something to work out."""

_PART = ".lrfind-{pid}-{token}.part"
"""Name of a file that is being written, by which process."""

_ABANDONED = 3600.0
"""Seconds after which a file that is written aside is taken for that of a dead writer on another machine."""

RUN_DIRECTORY = "hydra.run.dir=FOLDER"
"""How the folder of the results is chosen."""

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_REASONS = {
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "no space is left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.ENOENT: "its folder does not exist",
    errno.ENOTDIR: "a part of its path is a file, not a folder",
    errno.EISDIR: "a folder of that name is in the way",
    errno.ENAMETOOLONG: "the name is too long",
}


def output_error(path: str | os.PathLike[str], error: OSError, *, by: str = RUN_DIRECTORY) -> OutputError:
    """Says in one paragraph why `path` cannot be written and what to do about it.

    `by` is how another folder is chosen on the command line.
    """
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    remedy = "Free some space, or choose" if error.errno in _NO_ROOM else "Choose"
    return OutputError(
        f"{os.fspath(path)} cannot be written: {reason}. {remedy} another folder (on the command line: {by})."
    )


def write_whole(path: str | os.PathLike[str], content: str | bytes, *, by: str = RUN_DIRECTORY) -> None:
    """Writes a file that a reader sees whole or not at all.

    The content goes to a file of a name of its own in the same folder, which then takes the place of
    `path` in one step. Whatever goes wrong on the way, an older file at `path` stays as it was and
    nothing is left beside it. Text is written as UTF-8, its line ends as they are.

    The folder must exist. A link is replaced by the file, and what it points to stays as it is: somebody else
    may have put it there. Where `path` is no ordinary file (`/dev/stdout`, a pipe), the content is simply
    written to it. `by` is how another folder is chosen on the command line.

    Raises:
        OutputError: The file cannot be written; the message says why.
    """
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    try:
        # Replacing is for files only: not for /dev/null, nor for the links of /dev that lead to open files.
        target = Path(path)
        of_the_system = target.absolute().parts[1:2] in _OF_THE_SYSTEM
        is_followed = of_the_system or not target.is_symlink()
        if is_followed and target.exists() and not target.is_file() and not target.is_dir():
            target.write_bytes(data)
        else:
            replace_file(target.resolve() if of_the_system else target, data)
    except OSError as error:
        raise output_error(path, error, by=by) from error


def replace_file(target: Path, data: bytes, *, mode: int | None = None) -> None:
    """Puts a file in the place of another, which is no link, in one step; without a `mode` as umask says.

    Raises:
        OSError: It cannot be done; what was there is as it was.
    """
    aside = target.with_name(_PART.format(pid=os.getpid(), token=secrets.token_hex(8)))
    try:
        # Not tempfile: its files are private (0600), and these are results to be shared as umask says.
        with aside.open("xb") as stream:
            stream.write(data)
            stream.flush()
            # A disk that is full or a server that is gone often says so only now, before the old file goes.
            os.fsync(stream.fileno())
        if mode is not None:
            aside.chmod(mode)
        aside.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    r"""Makes the text of a CSV file: floats that read back exactly, `\n` line ends.

    A float is written with the fewest digits that read back to the same float, `nan`, `inf` and `-inf`
    spelled so; None is an empty cell. A text that a spreadsheet would take for a formula has an apostrophe
    before it; names come from others.
    """
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_inert(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return stream.getvalue()


def _inert(text: str) -> str:
    """A text as a cell that is nothing but text; a number written as text stays one."""
    # The writer quotes a line feed, but not a lone carriage return, which readers take for a line end too.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.startswith(_FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def remove_abandoned(path: Path) -> None:
    """Removes what writers that are dead had begun to write into a directory."""
    with contextlib.suppress(OSError):
        for part in path.glob(".lrfind-*.part"):
            with contextlib.suppress(OSError):
                if _is_abandoned(part):
                    part.unlink()


def _is_abandoned(part: Path) -> bool:
    written = re.fullmatch(r"\.lrfind-(\d+)-[0-9a-f]+\.part", part.name)
    if written is not None and not _is_alive(int(written[1])):
        return True
    return time.time() - part.stat().st_mtime > _ABANDONED


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is somebody else's
        pass
    return True
