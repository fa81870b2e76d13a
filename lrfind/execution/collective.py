"""What the ranks of a process group exchange, so that all of them measure and decide the same.

All goes over a gloo group of its own on the CPU: it can neither meet a collective of the model's by mistake
nor make a GPU wait.
"""

from __future__ import annotations

import math
import os
import time
import zlib
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist

from lrfind.errors import RankError, UserError
from lrfind.execution.failure import as_json, error_of
from lrfind.own_code import first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from torch._C._distributed_c10d import Store


_GRACE = timedelta(seconds=4)
"""How long a rank that ends waits for the others to hear of it. They may be waiting for it themselves, inside
a collective of the model's: then only the end of its process, or their timeout, sets them free."""

_SLICE = timedelta(seconds=0.5)
"""How long a rank waits without looking up: Python hears of Ctrl-C in between alone."""

TIMEOUT = "LRFIND_RANKS_TIMEOUT"
"""Variable of the environment: seconds that a rank waits for the others."""

_TIMEOUT = 600.0

_HEADER = 3
"""Places at the start of a message: how many failed, how many were interrupted, the sum of their numbers."""

_VALUES = 5
"""Places behind it. Every message is as long, so that a rank that ends can answer whichever comes next."""


_OF_ITS_OWN = {"progress"}
"""Arguments that each rank may have otherwise."""

Given = TypeVar("Given")


class Ranks:
    """The ranks of the process group, as `lrfind.training.peers.Peers`.

    Args:
        store: Where a rank that fails leaves its message; None: nowhere, each says its own.
        ended: Says what is known of processes that have ended, a sentence, or None.

    Attributes:
        interrupted: Who was interrupted, where it was another rank.
        left: Whether this one meets the others no more.
    """

    def __init__(
        self,
        group: dist.ProcessGroup,
        *,
        store: Store | None = None,
        ended: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()
        self.interrupted = ""
        self.left = False
        self._group = group
        self._store = store
        self._ended = ended
        self._others_ended = False

    def agree(self) -> None:
        """Waits until every rank is here.

        Raises:
            RankError: Another rank has failed.
            KeyboardInterrupt: Another rank was interrupted.
        """
        self.mean(())

    def mean(self, values: Sequence[float]) -> tuple[float, ...]:
        """The mean of each value over the ranks; raises as `agree` does."""
        message = torch.zeros(_HEADER + _VALUES, dtype=torch.float64)
        message[_HEADER : _HEADER + len(values)] = torch.tensor(values, dtype=torch.float64)
        try:
            self._wait(self._group.allreduce([message]))
        except RuntimeError as error:
            self._others_ended = True
            raise self._lost(error) from error
        failed, interrupted, numbers, *sums = message.tolist()
        if failed or interrupted:
            self._others_ended = True
            who = f"rank {numbers:.0f}" if failed + interrupted == 1 else "several ranks"
            if not failed:
                self.interrupted = f"{who} was interrupted, so all ranks end here."
                raise KeyboardInterrupt(self.interrupted)
            raise self._told() or RankError(
                f"{who} failed, so all ranks end here. The message there says why."
            )
        return tuple(value / self.size for value in sums[: len(values)])

    def union(self, words: Sequence[str]) -> list[str]:
        """All that the ranks give, each once; every rank must call it."""
        return list(dict.fromkeys(word for each in self._of_each(list(words)) for word in each))

    def _of_each(self, value: Given) -> list[Given]:
        """What each rank gives, in their order."""
        found = [value] * self.size
        dist.all_gather_object(found, value, group=self._group)
        return found

    def check_same(self, arguments: Mapping[str, Any]) -> None:
        """Checks that every rank was called with the same arguments."""
        given = {name: repr(value) for name, value in arguments.items() if name not in _OF_ITS_OWN}
        own = float(zlib.crc32(repr(sorted(given.items())).encode()))
        low, high = divmod(own, 2.0**16)  # of which every sum is exact
        # Mean and mean square are those of one rank only where all are the same: every rank sees it.
        if self.mean((low, high, low * low, high * high)) != (low, high, low * low, high * high):
            of_each = self._of_each(given)
            names = dict.fromkeys(name for each in of_each for name in each)
            differing = [name for name in names if len({each.get(name) for each in of_each}) > 1]
            self._others_ended = True
            raise UserError(
                "the arguments must be the same on every rank, and some are not: "
                + ", ".join(differing)
                + "."
            )

    def end(self, error: BaseException) -> None:
        """Tells the other ranks that this one ends, where it is not they who ended first.

        Raises:
            RankError: They are gone, and an error here is most likely what came of it.
        """
        if self._others_ended:
            return
        if _timed_out(error):  # in a collective of the model's
            raise self._lost(error) from error
        if self._store is not None:
            if isinstance(error, KeyboardInterrupt):
                return  # a command's rank 0 alone is interrupted, and the others end with it
            leave_error(error, self.rank, self._store)
        message = torch.zeros(_HEADER + _VALUES, dtype=torch.float64)
        message[1 if isinstance(error, KeyboardInterrupt) else 0] = 1
        message[2] = self.rank
        options = dist.AllreduceOptions()
        options.timeout = _GRACE
        began = time.monotonic()
        try:
            self._group.allreduce([message], options).wait()
        except RuntimeError:  # they wait elsewhere, or are gone, which is known at once
            gone = time.monotonic() - began < _GRACE.total_seconds() / 2
            if gone and isinstance(error, Exception):
                raise self._lost(error) from error

    def _wait(self, work: dist.Work) -> None:
        while True:
            try:
                work.wait(_SLICE)
            except RuntimeError:
                if work.is_completed():  # with an error: the others are gone, or past their time
                    raise
            else:
                return

    def _lost(self, error: BaseException) -> Exception:
        told = self._told()
        if told is not None:
            return told
        if _timed_out(error):
            return RankError(
                f"another rank has not been heard of for {collective_timeout().total_seconds():g} s, so this "
                f"one ends. Where one may take as long, give {TIMEOUT}=SECONDS in the environment."
            )
        ended = self._ended()
        if ended is not None:
            return RankError(ended)
        return RankError(
            "another rank was lost, so this one ends, too; the message there says why. Here it showed as: "
            f"{first_line(error)}."
        )

    def _told(self) -> Exception | None:
        others = (rank for rank in range(self.size) if rank != self.rank)
        return None if self._store is None else error_left_by(others, self._store)


def collective_timeout() -> timedelta:
    """How long a rank waits for the others: ten minutes, or as `TIMEOUT` says."""
    given = os.environ.get(TIMEOUT, str(_TIMEOUT))
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise UserError(f"{TIMEOUT} must be a number of seconds greater than 0, got {given!r}.")
    return timedelta(seconds=seconds)


def _timed_out(error: BaseException) -> bool:
    return "Timed out waiting" in str(error)


def leave_error(error: BaseException, rank: int, store: Store) -> None:
    """Leaves the message of a rank that has failed, for the others to say."""
    with suppress(RuntimeError):
        store.set(f"failure/{rank}", as_json(error))


def error_left_by(ranks: Iterable[int], store: Store) -> Exception | None:
    """The message that the first of some ranks has left that has failed; None where there is none."""
    with suppress(RuntimeError):  # the store may be gone with the process that keeps it
        for rank in ranks:
            if store.check([key := f"failure/{rank}"]):
                error = error_of(store.get(key), f"on rank {rank}")
                if not isinstance(error, UserError):
                    return error
                first, *others = error.paragraphs
                return RankError(f"rank {rank}: {first}", *others, frames=error.frames)
    return None
