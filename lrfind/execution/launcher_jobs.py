"""Independent jobs done by a launcher, one whose process is killed once again.

All that is known of the engine is that it calls the function with the number of a job, in some process that
sees the same files. What a job comes to goes into a file of its own, so that nothing is lost with an engine
that gives up, and this process counts the files to know how far it is.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from lrfind.errors import UserError
from lrfind.execution.failure import as_json, error_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from lrfind.execution.executors import Work
    from lrfind.execution.launcher import Codec, Launcher

RESULT, BEGUN, FAILED, STOPPED = "{}.result", "{}.begun", "{}.failed", "stopped"
"""Names of files: what job i came to, that it was begun, why it failed; that no more is to be done."""

_LOOK_EVERY = 0.5
"""Seconds between two looks at the files."""

_TRIES = 2
"""How often a job is begun whose process is killed."""


def work_through_launcher(
    launcher: Launcher,
    work: Work,
    jobs: Sequence[Any],
    codec: Codec,
    on_result: Callable[[int, Any], None],
    kept: Callable[[], str] = str,
) -> None:
    """Has a launcher do all jobs; one whose process is killed is begun once again.

    Arguments and errors are those of `work_through`; `on_result` is called from a thread, as soon as a result
    is there. After an interrupt jobs that still run are told to stop, and no other is begun.
    """
    if not jobs:
        return
    folder = _new_folder(launcher.directory)
    cell = _Cell(work, jobs, codec.pack, folder)
    files = _Results(folder, codec.unpack, on_result, range(len(jobs)))
    error: Exception | None = None
    with _removed_at_the_end(folder):
        tries = 0
        while files.missing and tries < _TRIES:
            tries, error = tries + 1, None
            with files.watched():
                try:
                    launcher.launch(cell, list(files.missing))
                except Exception as raised:
                    error = raised
            files.check()
            # What was never begun failed for another reason than the end of a process: it would again.
            if not any((folder / BEGUN.format(i)).exists() for i in files.missing):
                break
        if files.missing:
            said = _gave_up(launcher.name, len(files.missing), len(jobs), tries, error)
            raise UserError(f"{said} {kept()}".rstrip()) from error


@dataclass
class _Cell:
    """Does one of the jobs, in whichever process."""

    work: Work
    jobs: Sequence[Any]
    pack: Callable[[Any], bytes]
    folder: Path
    key: str = field(default_factory=lambda: uuid4().hex)

    def __call__(self, number: int) -> None:
        if (self.folder / RESULT.format(number)).exists() or _is_stopped(self.folder):
            return
        try:
            self._do(number)
        except OSError:
            if not _is_stopped(self.folder):  # else there is no folder any more, and nobody who waits
                raise

    def _do(self, number: int) -> None:
        (self.folder / BEGUN.format(number)).touch()
        try:
            result = _work_of(self)(self.jobs[number], _Stop(self.folder))
        except _StoppedError:
            return
        except Exception as error:
            _write(self.folder / FAILED.format(number), as_json(error).encode())
        else:
            _write(self.folder / RESULT.format(number), self.pack(result))


_kept: dict[str, Work] = {}
"""The work of this process, by the key of its jobs: with the data that the first of them has read."""


def _work_of(cell: _Cell) -> Work:
    if cell.key not in _kept:
        _kept.clear()  # of earlier jobs, maybe in a folder of the same name: their data are read no more
        _kept[cell.key] = cell.work
    return _kept[cell.key]


class _StoppedError(Exception):
    """The run that this job is of has ended."""


@dataclass
class _Stop:
    """What a job says on its way goes nowhere; now and then it is looked whether it is still wanted."""

    folder: Path
    _due: float = field(default_factory=lambda: time.monotonic() + _LOOK_EVERY)

    def __call__(self, message: Any) -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _LOOK_EVERY
            if _is_stopped(self.folder):
                raise _StoppedError


class _Results:
    """The files that jobs have written so far, and the numbers of those that are missing."""

    def __init__(
        self,
        folder: Path,
        unpack: Callable[[bytes], Any],
        on_result: Callable[[int, Any], None],
        numbers: Sequence[int],
    ) -> None:
        self.missing = list(numbers)
        self._folder = folder
        self._unpack = unpack
        self._on_result = on_result
        self._error: BaseException | None = None

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Collects them as they come."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(_LOOK_EVERY) and self._error is None:
                self._collect()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self._collect()

    def check(self) -> None:
        """Raises what a job, or the taking of its result, has raised."""
        if self._error is not None:
            raise self._error
        for number in self.missing:
            path = self._folder / FAILED.format(number)
            if path.exists():
                raise error_of(path.read_bytes(), "in a worker process")

    def _collect(self) -> None:
        try:
            for number in list(self.missing):
                path = self._folder / RESULT.format(number)
                if path.exists():
                    self._on_result(number, self._unpack(path.read_bytes()))
                    self.missing.remove(number)
        except BaseException as error:  # it is raised where the jobs were asked for
            self._error = error


def _gave_up(name: str, lost: int, of_all: int, tries: int, error: Exception | None) -> str:
    said = f"{name} gave up; {lost} of {of_all} runs did not come to their end"
    said += f", though begun {tries} times" if tries > 1 else ""
    if error is not None:
        said += f": {type(error).__name__}: {' '.join(str(error).split()).rstrip('.')}"
    if tries > 1:
        said += (
            ". If their processes were killed, the machine may have run out of memory: run fewer at a time"
        )
    return f"{said}."


def _new_folder(directory: Path) -> Path:
    """A folder that no earlier jobs have used."""
    directory.mkdir(parents=True, exist_ok=True)
    taken = [int(each.name) for each in directory.iterdir() if each.name.isdigit()]
    folder = directory / str(max(taken, default=-1) + 1)
    folder.mkdir()
    return folder


@contextlib.contextmanager
def _removed_at_the_end(folder: Path) -> Iterator[None]:
    """However it ends, nothing stays, and no job goes on alone: each looks whether the folder is there."""
    try:
        yield
    finally:
        stopped = folder / STOPPED
        with contextlib.suppress(OSError):
            stopped.touch()
        with contextlib.suppress(OSError):
            for path in folder.iterdir():
                if path != stopped:
                    path.unlink()
            stopped.unlink(missing_ok=True)
            try:
                folder.rmdir()
            except OSError:  # a job has just written something
                stopped.touch()
            else:
                folder.parent.rmdir()  # where nothing else is in it, such as the logs of an engine


def _is_stopped(folder: Path) -> bool:
    return (folder / STOPPED).exists() or not folder.exists()


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(path)
