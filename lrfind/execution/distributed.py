"""The process group of torch.distributed that a command or a call runs in, and who is in it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch.distributed as dist

from lrfind.execution.collective import Ranks, collective_timeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch._C._distributed_c10d import Store

_joined: list[Ranks] = []
"""Those of the command that runs in this process: one or none."""


def joined_ranks() -> Ranks | None:
    """The ranks of the command that runs here; None where it runs in one process."""
    return _joined[-1] if _joined else None


@contextmanager
def joined(
    store: Store,
    rank: int,
    size: int,
    *,
    backend: str,
    arguments: Mapping[str, Any],
    ended: Callable[[], str | None] = lambda: None,
) -> Iterator[Ranks]:
    """Makes this process a rank of a command, with a process group of torch.distributed of its own.

    Raises:
        RankError: Another rank failed or was lost, or was started otherwise.
    """
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=collective_timeout())
    with all_ranks(arguments, store=store, ended=ended) as ranks:
        assert ranks is not None
        _joined.append(ranks)
        try:
            yield ranks
        finally:
            _joined.remove(ranks)
    if not ranks.left:  # else what is under way would be waited for
        dist.destroy_process_group()


def num_ranks() -> int:
    """Ranks of the process group of torch.distributed; 1 where none is initialised."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


@contextmanager
def all_ranks(
    arguments: Mapping[str, Any],
    *,
    store: Store | None = None,
    ended: Callable[[], str | None] = lambda: None,
) -> Iterator[Ranks | None]:
    """Keeps all ranks of the process group in step inside; None where there are no others.

    Every rank must come here, with the same arguments. Whatever ends one inside, an exception or Ctrl-C, ends
    all of them: there as it came, elsewhere with a message.

    Raises:
        RankError: Another rank failed.
        UserError: Another rank was called otherwise.
        KeyboardInterrupt: Another rank was interrupted.
    """
    if num_ranks() == 1:
        yield None
        return
    group = dist.new_group(backend="gloo", timeout=collective_timeout())
    assert isinstance(group, dist.ProcessGroup)  # not the number of those who are no members: all are
    ranks = Ranks(group, store=store, ended=ended)
    try:
        ranks.check_same(arguments)
        yield ranks
        if not ranks.left:
            ranks.agree()
    except BaseException as error:
        ranks.end(error)
        if isinstance(error, KeyboardInterrupt) and ranks.interrupted:
            raise KeyboardInterrupt(ranks.interrupted) from None
        raise
    finally:
        if not ranks.left:
            dist.destroy_process_group(group)
