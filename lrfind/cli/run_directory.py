"""The run directory of a job: one lrfind at a time in it, nothing of dead ones, the config of its results.

Hydra writes its config as soon as a run begins. Beside the results of a run before, it is kept apart until
there are results of the new one: a rerun that fails, or is killed, leaves the old ones with the config that
they were made with.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, ClassVar

from lrfind.errors import ConfigError, OutputError, UserError
from lrfind.report.files import remove_abandoned

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK = ".lrfind.lock"
_NEXT, _BEFORE = ".next", ".before"
"""What is behind the name of Hydra's folder: of the run under way; of the run before, while they change."""

_RESULTS = {".csv", ".json", ".npz", ".png"}
"""Suffixes of what a run leaves."""


class RefusedError(BaseException):
    """Carries an error past Hydra, which turns those of its callbacks into warnings, but for these."""

    def __init__(self, error: ConfigError) -> None:
        super().__init__(str(error))
        self.error = error


class RunDirectory:
    """The directory of the run of this process, from before Hydra writes its config to the end."""

    _held: ClassVar[list[RunDirectory]] = []

    def __init__(self, path: Path, config: Path | None) -> None:
        self._path = path
        self._config = config
        self._lock: int | None = None
        self._made: list[Path] = []
        self._configs_of_jobs: list[Path] = []

    @classmethod
    def begin(cls, path: Path, subdir: str | None, key: str) -> None:
        """Called before Hydra writes its config into the folder `subdir`; `key` is what names the directory.

        Raises:
            RefusedError: Another lrfind runs in it.
        """
        directory = cls(path, None if subdir is None else path / subdir)
        try:
            made = [each for each in (path, *path.parents) if not each.exists()]
            path.mkdir(parents=True, exist_ok=True)
            lock = _locked(path / LOCK)
        except BlockingIOError:
            raise RefusedError(
                ConfigError(
                    f"{key}={path} is in use by another lrfind{_owner(path / LOCK)}: the files of two "
                    f"runs would mix. Wait until it has ended, or choose another folder with {key}=FOLDER."
                )
            ) from None
        except OSError:
            return  # where it cannot be made or written to Hydra says so; a file system may know no locks
        directory._lock, directory._made = lock, made
        cls._held.append(directory)
        remove_abandoned(path)
        directory._set_config_aside()

    @classmethod
    def begin_multirun(cls, path: Path, subdir: str | None) -> None:
        """`begin` for the sweep directory, called before Hydra writes the config of the first job."""
        cls.begin(path, None, "hydra.sweep.dir")
        if subdir is None or not cls._held:
            return
        found = [*path.rglob(subdir), *(each.with_name(subdir) for each in path.rglob(subdir + _BEFORE))]
        cls._held[-1]._configs_of_jobs = found = sorted(set(found))
        for config in found:
            cls(config.parent, config)._set_config_aside()

    @classmethod
    @contextmanager
    def of_job(cls, path: Path, subdir: str | None) -> Iterator[None]:
        """That of a job of a multirun, in whichever process, once Hydra has written its config."""
        directory = cls(path, None if subdir is None else path / subdir)
        directory._keep_apart()
        cls._held.append(directory)
        try:
            yield
        finally:
            cls._held.remove(directory)
            directory._leave()

    @classmethod
    def started(cls) -> None:
        """Called when Hydra has written its config: beside results of a run before, that is kept apart."""
        for directory in cls._held:
            directory._keep_apart()

    @classmethod
    def finished(cls) -> None:
        """Called when the results are written: from now on the config is theirs."""
        for directory in cls._held:
            directory._take_over()

    @classmethod
    @contextmanager
    def left_at_the_end(cls) -> Iterator[None]:
        """Gives all of them back at the end, for whatever reason it comes."""
        refused = False
        try:
            yield
        except (UserError, RefusedError) as error:
            refused = not isinstance(error, OutputError)  # that one comes after the run
            raise
        finally:
            while cls._held:
                directory = cls._held.pop()
                directory._leave()
                if refused:
                    directory._remove_unused()

    def _set_config_aside(self) -> None:
        """Makes room for Hydra's folder where there are results that the one there belongs to."""
        if self._config is None or self._config.is_symlink():
            return
        with suppress(OSError):
            before, following = _beside(self._config, _BEFORE), _beside(self._config, _NEXT)
            if before.is_dir():  # a run was killed while they changed
                _remove(self._config)
                before.rename(self._config)
            _remove(following)
            if self._config.is_dir() and any(each.suffix in _RESULTS for each in self._path.iterdir()):
                self._config.rename(before)

    def _keep_apart(self) -> None:
        if self._config is None:
            return
        before = _beside(self._config, _BEFORE)
        if before.is_dir():
            with suppress(OSError):
                if self._config.is_dir():
                    self._config.rename(_beside(self._config, _NEXT))
                before.rename(self._config)

    def _take_over(self) -> None:
        if self._config is None:
            return
        before, following = _beside(self._config, _BEFORE), _beside(self._config, _NEXT)
        if following.is_dir():
            with suppress(OSError):
                self._config.rename(before)
                following.rename(self._config)
                _remove(before)

    def _leave(self) -> None:
        if self._config is not None:
            self._keep_apart()  # where the job never began
            _remove(_beside(self._config, _NEXT))
        for config in self._configs_of_jobs:
            RunDirectory(config.parent, config)._leave()  # of jobs that did not run, or were killed
        if self._lock is not None:
            with suppress(OSError):
                (self._path / LOCK).unlink()
            os.close(self._lock)

    def _remove_unused(self) -> None:
        """Takes away a directory that was made for a run that was refused before anything came of it."""
        if not self._made or self._config is None:
            return
        with suppress(OSError):
            if [each.name for each in self._path.iterdir()] == [self._config.name]:
                _remove(self._config)
            for folder in self._made:
                folder.rmdir()  # one that is not empty stays


def _locked(path: Path) -> int:
    """Takes the lock, which ends with the process; a BlockingIOError where another has it."""
    try:
        import fcntl
    except ImportError as error:  # Windows
        raise OSError("no locks") from error
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            # Of the process, and not of the open file: workers that outlive it do not hold it.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    os.truncate(descriptor, 0)
                    os.write(descriptor, f"process {os.getpid()} on {platform.node()}".encode())
                    return descriptor
        except PermissionError as error:  # as some systems say that it is taken
            os.close(descriptor)
            raise BlockingIOError from error
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # whoever had it has removed the file meanwhile


def _owner(path: Path) -> str:
    with suppress(OSError, ValueError):
        said = path.read_text(encoding="utf-8")
        if re.fullmatch(r"process \d+ on [\w.-]{1,99}", said):
            return f" ({said})"
    return ""


def _beside(folder: Path, suffix: str) -> Path:
    return folder.with_name(folder.name + suffix)


def _remove(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder, ignore_errors=True)
