"""Where in a user's own code an exception was raised: his frames, without ours, torch's and Python's."""

from __future__ import annotations

import inspect
import re
import sys
import sysconfig
import traceback
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_OURS = Path(__file__).parent

_KNOWN = ("torch", "torchvision", "numpy", "hydra", "omegaconf", "PIL", "lrfind")
"""Packages whose frames say nothing to a user, wherever they are installed."""

_TYPED = ("<stdin", "<string", "<console", "<ipython-input", "<python-input")
"""What stands for a file where code was typed in; other names in angle brackets are of made code."""

_IN_TEXT = re.compile(r'^ *File "(.+)", line (\d+), in (.+)$', re.MULTILINE)
"""A frame in the text of a traceback, as torch writes it into the exceptions of worker processes."""


class Frame(NamedTuple):
    """A place in a file; lines count from 1, and there is no function outside of one."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        """As a message says it: `mymodel.py, line 12, in forward`."""
        inside = f", in {self.function}" if self.function not in ("", "<module>") else ""
        return f"{Path(self.file).name}, line {self.line}{inside}"


def own_frames(error: BaseException) -> tuple[Frame, ...]:
    """The frames of an exception that are a user's own, the innermost last; none where there are none.

    Where none lies outside of installed packages, those in packages that are neither ours nor among those
    that everything here runs on: the model may come out of an installed package.
    """
    frames = list(_frames(error))
    own = [frame for frame in frames if _package(frame.file) == ""]
    return tuple(own or [frame for frame in frames if _package(frame.file) not in (None, *_KNOWN)])


def caller_level() -> int:
    """The `stacklevel` of a warning that is to name the line of the user's own code that called us."""
    frame = inspect.currentframe()
    assert frame is not None
    calls = traceback.walk_stack(frame.f_back)
    levels = (level for level, (each, _) in enumerate(calls, 1) if _package(each.f_code.co_filename) == "")
    return next(levels, 1)


def ends_in_own_code(error: BaseException) -> bool:
    """Whether a user's own code raised it, or called what did, and not code of ours that he called."""
    packages = [_package(frame.file) for frame in _frames(error)]
    return next((package == "" for package in reversed(packages) if package in ("", "lrfind")), False)


def sample_index(error: BaseException) -> int | None:
    """The index that a data set was asked for when it raised; None where that cannot be seen."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        if code.co_name == "__getitem__" and code.co_argcount == 2 and _package(code.co_filename) == "":
            index: Any = frame.f_locals.get(code.co_varnames[1])
            return index if isinstance(index, int) else None
    return None


def raised_text(error: BaseException) -> str:
    """What was raised, as a message says it: `KeyError: 'x'`, in one line."""
    # A syntax error says its place as well, as the frames do.
    said = " ".join((error.msg if isinstance(error, SyntaxError) else str(error)).split())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def first_line(error: BaseException) -> str:
    """The first line of its text, without the point at the end; of one without a text, its name."""
    return (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")


def place_text(frames: Iterable[Frame]) -> str:
    """The innermost of the frames in brackets, with a space before them; nothing where there is none."""
    *_, last = (None, *frames)
    return "" if last is None else f" ({last})"


def add_note(error: BaseException, note: str) -> None:
    """Adds a note to an exception, which Python shows under it; before 3.11 it joins the message."""
    if sys.version_info >= (3, 11):
        error.add_note(note)
    else:
        error.__notes__ = [*getattr(error, "__notes__", ()), note]  # what shows notes there looks here
        if len(error.args) == 1 and isinstance(error.args[0], str):
            error.args = (f"{error.args[0]}\n{note}",)


def _frames(error: BaseException) -> Iterator[Frame]:
    found = [
        Frame(frame.f_code.co_filename, line, frame.f_code.co_name)
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    if "Original Traceback" in str(error):
        found += [Frame(file, int(line), name) for file, line, name in _IN_TEXT.findall(str(error))]
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        found.append(Frame(error.filename, error.lineno, ""))
    yield from found


@cache
def _package(file: str) -> str | None:
    """The package that a file is installed with; "" for a user's own, None for Python's or made code."""
    if file.startswith("<"):
        return "" if file.startswith(_TYPED) else None
    path = Path(file)
    for folder in ("site-packages", "dist-packages"):
        if folder in path.parts[:-1]:
            return path.parts[path.parts.index(folder) + 1].removesuffix(".py")
    if _OURS in path.parents:
        return "lrfind"
    for name in _KNOWN:  # from a checkout
        known = getattr(sys.modules.get(name), "__file__", None)
        if known is not None and Path(known).parent in path.parents:
            return name
    library = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
    return None if library & set(path.parents) else ""
