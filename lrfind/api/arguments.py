"""What a room says, with the arguments of its Python function in place of the keys of its command."""

from __future__ import annotations

import re

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
