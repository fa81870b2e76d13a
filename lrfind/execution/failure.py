"""What ended the work of a process, as JSON, for another process to raise."""

from __future__ import annotations

import json
import traceback

from lrfind.errors import UserError
from lrfind.own_code import Frame


def as_json(error: BaseException) -> str:
    """A message to the user with its kind and its frames, or the traceback of a defect."""
    if isinstance(error, UserError):
        kind = type(error).__name__
        return json.dumps({"type": kind, "paragraphs": error.paragraphs, "frames": error.frames})
    return json.dumps({"traceback": "".join(traceback.format_exception(error))})


def error_of(content: str | bytes, where: str) -> Exception:
    """The error that `as_json` was given; `where` stands before the traceback of a defect."""
    told = json.loads(content)
    if "traceback" in told:
        return RuntimeError(f"{where}:\n{told['traceback']}")
    kinds: dict[str, type[UserError]] = {kind.__name__: kind for kind in UserError.__subclasses__()}
    frames = [Frame(*each) for each in told["frames"]]
    return kinds.get(told["type"], UserError)(*told["paragraphs"], frames=frames)
