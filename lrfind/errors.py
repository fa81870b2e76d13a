"""What a user can get wrong, and the exit code of each.

Every message is one paragraph: the dotted key or the path, what is wrong, what to do.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.own_code import Frame


class ExitCode(IntEnum):
    """What the process returns; the contract with shell scripts."""

    SUGGESTED = 0
    DEFECT = 1
    UNUSABLE = 2
    NO_SUGGESTION = 3
    NOT_SENSIBLE = 4
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


class UserError(ValueError):
    """Something given by the user cannot be used; the message says what, and what to do instead.

    The subclasses name what was at fault, so that a caller in Python can tell them apart. On the command
    line all of them end in exit code 2.

    Args:
        *paragraphs: The message; where several things are wrong, a paragraph each.
        frames: Where code of the user's own raised the exception that is its cause, which a caller in Python
            then gets itself.
    """

    exit_code = ExitCode.UNUSABLE

    def __init__(self, *paragraphs: str, frames: Sequence[Frame] = ()) -> None:
        super().__init__("\n".join(paragraphs))
        self.paragraphs = paragraphs
        self.frames = tuple(frames)


class ConfigError(UserError):
    """A key, a value or a `_target_` of the config, or a word of the command line."""


class DeviceError(UserError):
    """The device is not there, or its memory does not suffice."""


class DataError(UserError):
    """The data set is missing, empty, unreadable or does not fit the model."""


class ModelError(UserError):
    """The model or its checkpoint cannot be used as given."""


class BatchError(UserError):
    """A batch that the model or the loss cannot take; the message says the shapes."""


class OptimizerError(UserError):
    """The optimizer refuses its arguments or has nothing to optimize."""


class RankError(UserError):
    """Another rank of the same run failed or was lost, so this one cannot go on."""


class OutputError(UserError):
    """The results cannot be written where they should go."""


class RestoreError(UserError):
    """Something that a test changed refuses to be put back; it is named, and all else was put back."""


def extra_missing(what: str, extra: str, error: object) -> str:
    """The message where an optional package is not installed.

    `what` is what needs it, as the user has typed it; `error` is what is missing, or what Python says of it.
    """
    return f"{what} needs a package that is not installed ({error}): pip install 'lrfind[{extra}]'."
