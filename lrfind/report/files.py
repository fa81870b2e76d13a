"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from lrfind.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Cell: TypeAlias = "str | int | float | None"
"""What a CSV cell is made of; None is an empty cell."""

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


def output_error(path: str | os.PathLike[str], error: OSError) -> OutputError:
    """Says in one paragraph why `path` cannot be written and what to do about it."""
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    remedy = "Free some space, or choose" if error.errno in _NO_ROOM else "Choose"
    return OutputError(
        f"{os.fspath(path)} cannot be written: {reason}. {remedy} another folder "
        "(on the command line: hydra.run.dir=FOLDER)."
    )


def write_whole(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Writes a file that a reader sees whole or not at all.

    The content goes to a file of a name of its own in the same folder, which then takes the place of
    `path` in one step. Whatever goes wrong on the way, an older file at `path` stays as it was and
    nothing is left beside it. Text is written as UTF-8, its line ends as they are.

    Args:
        path: Where to; its folder must exist. A link keeps pointing where it points. Where `path` is no
            ordinary file (`/dev/stdout`, a pipe), the content is simply written to it.
        content: All of the file.

    Raises:
        OutputError: The file cannot be written; the message says why.
    """
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    try:
        # os.replace on a link would replace the link, and on /dev/null the device.
        target = Path(path).resolve()
        if target.exists() and not target.is_file() and not target.is_dir():
            target.write_bytes(data)
        else:
            _replace(target, data)
    except OSError as error:
        raise output_error(path, error) from error


def _replace(target: Path, data: bytes) -> None:
    aside = target.with_name(f".lrfind-{secrets.token_hex(8)}.part")
    try:
        # Not tempfile: its files are private (0600), and these are results to be shared as umask says.
        with aside.open("xb") as stream:
            stream.write(data)
            stream.flush()
            # A disk that is full or a server that is gone often says so only now, before the old file goes.
            os.fsync(stream.fileno())
        aside.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    r"""Makes the text of a CSV file: floats that read back exactly, `\n` line ends.

    Args:
        header: Names of the columns.
        rows: Cells in the header's order. A float is written with the fewest digits that read back to the
            same float, `nan`, `inf` and `-inf` spelled so; None is an empty cell.
    """
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()
