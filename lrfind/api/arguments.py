"""The arguments of a Python function: what is made of them, and what a room says in their words."""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from lrfind.config.bounds import problems_of
from lrfind.errors import UserError
from lrfind.own_code import add_note, own_frames, sample_index

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Given = ParamSpec("Given")
Found = TypeVar("Found")
Made = TypeVar("Made")

_OTHERWISE = {"refine.read=train": "read=BATCHES"}
"""Keys whose argument takes something else."""

_KEY = re.compile(
    r"(?<![.\w])(?:range|refine|verify|compare|schedule)\.(?!(?:csv|json|png)\b)([a-z]\w*)(?:=(true|false|null)\b)?"
)
_LITERALS = {"true": "=True", "false": "=False", "null": "=None", None: ""}


def in_arguments(text: str) -> str:
    """A text that names keys, `range.paired=false`, with what can be typed in Python, `paired=False`.

    The settings of a room bear the names of its function's arguments: all that goes is the room.
    """
    for key, argument in _OTHERWISE.items():
        text = text.replace(key, argument)
    return _KEY.sub(lambda key: key[1] + _LITERALS[key[2]], text)


def for_python(function: Callable[Given, Found]) -> Callable[Given, Found]:
    """A function whose errors are those of a caller in Python.

    What his own code raised comes through as it is, with a note on what it was called with; errors of ours
    name arguments instead of keys.
    """

    @functools.wraps(function)
    def call(*args: Given.args, **kwargs: Given.kwargs) -> Found:
        on_step = kwargs.get("on_step")
        if on_step is not None and not callable(on_step):
            raise UserError(f"on_step must be a function that takes a step, or None, got {on_step!r}.")
        try:
            return function(*args, **kwargs)
        except UserError as error:
            own = error.__cause__
            error.paragraphs = tuple(map(in_arguments, error.paragraphs))
            error.args = ("\n".join(error.paragraphs),)
            if own is None or not error.frames:
                raise
            note = str(error)
        except Exception as error:
            index = sample_index(error) if own_frames(error) else None
            if index is not None:
                add_note(error, f"lrfind: the data set raised it at sample {index}.")
            raise
        add_note(own, f"lrfind: {note}")
        raise own  # outside of the handler: it keeps its own context

    return call


def of_arguments(kind: type[Made], given: Mapping[str, Any], **instead: Any) -> Made:
    """A dataclass whose fields bear the names of arguments; what is not given keeps its default.

    `instead` has fields that are otherwise than the arguments of their names, or have none.
    """
    names = {each.name for each in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in {**given, **instead}.items() if name in names})


def plain_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a call's arguments that a record can hold."""
    plain = (int, float, str, type(None))
    return {key: value for key, value in given.items() if isinstance(value, plain)}


def refuse_problems(settings: object) -> None:
    """Checks what a call's arguments were made into, as the same keys of a config are checked."""
    try:
        problems = problems_of(settings)
    except TypeError as error:
        raise UserError(f"an argument is of a wrong type: {error}.") from error
    if problems:
        raise UserError("\n".join(problems))
