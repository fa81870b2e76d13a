"""What a rank of a torch.distributed process group does, so that all ranks measure and decide the same.

All goes over a gloo group of its own on the CPU: it can neither meet a collective of the model's by mistake
nor make a GPU wait.
"""

from __future__ import annotations

import time
import zlib
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

from lrfind.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_GRACE = timedelta(seconds=4)
"""How long a rank that ends waits for the others to hear of it. They may be waiting for it themselves, inside
a collective of the model's: then only the end of its process, or their timeout, sets them free."""

_HEADER = 3
"""Places at the start of a message: how many failed, how many were interrupted, the sum of their numbers."""

_VALUES = 5
"""Places behind it. Every message is as long, so that a rank that ends can answer whichever comes next."""


class Ranks:
    """The ranks of the process group, as `lrfind.training.peers.Peers`.

    Args:
        group: All of them, over gloo.

    Attributes:
        interrupted: Who was interrupted, where it was another rank.
    """

    def __init__(self, group: dist.ProcessGroup) -> None:
        self._group = group
        self._size = dist.get_world_size()
        self._others_ended = False
        self.interrupted = ""

    def agree(self) -> None:
        """Waits until every rank is here.

        Raises:
            UserError: Another rank has failed.
            KeyboardInterrupt: Another rank was interrupted.
        """
        self.mean(())

    def mean(self, values: Sequence[float]) -> tuple[float, ...]:
        """The mean of each value over the ranks; raises as `agree` does."""
        message = torch.zeros(_HEADER + _VALUES, dtype=torch.float64)
        message[_HEADER : _HEADER + len(values)] = torch.tensor(values, dtype=torch.float64)
        try:
            self._group.allreduce([message]).wait()
        except RuntimeError as error:
            self._others_ended = True
            raise _lost(error) from error
        failed, interrupted, numbers, *sums = message.tolist()
        if failed or interrupted:
            self._others_ended = True
            who = f"rank {numbers:.0f}" if failed + interrupted == 1 else "several ranks"
            if not failed:
                self.interrupted = f"{who} was interrupted, so all ranks end here."
                raise KeyboardInterrupt(self.interrupted)
            raise UserError(f"{who} failed, so all ranks end here. The message there says why.")
        return tuple(value / self._size for value in sums[: len(values)])

    def check_same(self, arguments: Mapping[str, Any]) -> None:
        """Checks that every rank was called with the same arguments.

        Raises:
            UserError: They differ.
        """
        own = float(zlib.crc32(repr(sorted(arguments.items())).encode()))
        low, high = divmod(own, 2.0**16)  # of which every sum is exact
        # Mean and mean square are those of one rank only where all are the same: every rank sees it.
        if self.mean((low, high, low * low, high * high)) != (low, high, low * low, high * high):
            self._others_ended = True
            raise UserError(
                "the arguments must be the same on every rank (rates, steps, what is measured, how often): "
                "they differ."
            )

    def end(self, error: BaseException) -> None:
        """Tells the other ranks that this one ends, where it is not they who ended first.

        Raises:
            UserError: They are gone, and an error here is most likely what came of it.
        """
        if self._others_ended:
            return
        message = torch.zeros(_HEADER + _VALUES, dtype=torch.float64)
        message[1 if isinstance(error, KeyboardInterrupt) else 0] = 1
        message[2] = dist.get_rank()
        options = dist.AllreduceOptions()
        options.timeout = _GRACE
        began = time.monotonic()
        try:
            self._group.allreduce([message], options).wait()
        except RuntimeError:  # they wait elsewhere, or are gone, which is known at once
            gone = time.monotonic() - began < _GRACE.total_seconds() / 2
            if gone and isinstance(error, Exception):
                raise _lost(error) from error


def num_ranks() -> int:
    """Ranks of the process group of torch.distributed; 1 where none is initialised."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


@contextmanager
def all_ranks(arguments: Mapping[str, Any]) -> Iterator[Ranks | None]:
    """Keeps all ranks of the process group in step inside; None where there are no others.

    Every rank must come here, with the same arguments. Whatever ends one inside, an exception or Ctrl-C, ends
    all of them: there as it came, elsewhere with a message.

    Args:
        arguments: Compared with those of the other ranks.

    Raises:
        UserError: Another rank failed, or was called otherwise.
        KeyboardInterrupt: Another rank was interrupted.
    """
    if num_ranks() == 1:
        yield None
        return
    group = dist.new_group(backend="gloo")
    assert isinstance(group, dist.ProcessGroup)  # not the number of those who are no members: all are
    ranks = Ranks(group)
    try:
        ranks.check_same(arguments)
        yield ranks
        ranks.agree()
    except BaseException as error:
        ranks.end(error)
        if isinstance(error, KeyboardInterrupt) and ranks.interrupted:
            raise KeyboardInterrupt(ranks.interrupted) from None
        raise
    finally:
        dist.destroy_process_group(group)


def _lost(error: Exception) -> UserError:
    first_line = (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")
    return UserError(
        "another rank was lost, so this one ends, too; the message there says why. Here it showed as: "
        f"{first_line}."
    )
