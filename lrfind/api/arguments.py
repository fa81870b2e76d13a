"""What a room says, with the arguments of its Python function in place of the keys of its command."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from lrfind.errors import UserError
from lrfind.own_code import add_note, own_frames, sample_index

if TYPE_CHECKING:
    from collections.abc import Callable

Given = ParamSpec("Given")
Found = TypeVar("Found")

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
