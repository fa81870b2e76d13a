"""Why a rank failed, left in the store through which the ranks found each other, for another one to say."""

from __future__ import annotations

import json
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING

from lrfind.errors import RankError, UserError
from lrfind.own_code import Frame

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch._C._distributed_c10d import Store


def tell(error: BaseException, rank: int, store: Store) -> None:
    """Leaves the message of a rank that has failed, for the others to say."""
    with suppress(RuntimeError):
        store.set(f"failure/{rank}", _as_text(error))


def told_by(ranks: Iterable[int], store: Store) -> Exception | None:
    """The message that the first of some ranks has left that has failed; None where there is none."""
    with suppress(RuntimeError):  # the store may be gone with the process that keeps it
        for rank in ranks:
            if store.check([key := f"failure/{rank}"]):
                return _from_text(store.get(key), rank)
    return None


def _as_text(error: BaseException) -> str:
    """An error, for another rank to say."""
    if isinstance(error, UserError):
        frames = [(frame.file, frame.line, frame.function) for frame in error.frames]
        return json.dumps({"paragraphs": error.paragraphs, "frames": frames})
    return json.dumps({"traceback": "".join(traceback.format_exception(error))})


def _from_text(text: bytes, rank: int) -> Exception:
    told = json.loads(text)
    if "traceback" in told:
        return RuntimeError(f"on rank {rank}:\n{told['traceback']}")
    first, *others = told["paragraphs"]
    return RankError(f"rank {rank}: {first}", *others, frames=[Frame(*each) for each in told["frames"]])
