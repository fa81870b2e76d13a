"""What the environment tells a process of its rank, and a rank of others; it loads no torch."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager


_GLOO = "GLOO_SOCKET_IFNAME"
"""Variable that names the interface gloo listens on."""


def launched_ranks() -> tuple[int, int]:
    """This process's rank and the number of ranks, as torchrun set them; (0, 1) where it did not.

    The number of ranks alone is no sign: clusters set it for whatever they run.
    """
    if not under_torchrun():
        return 0, 1
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def under_torchrun() -> bool:
    """Whether torchrun has started this process, alone or with others."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def local_rank() -> int:
    """Which of the ranks on this machine the process is."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def environment_of(rank: int, size: int) -> AbstractContextManager[None]:
    """What torchrun tells a rank of one machine through the environment, for code that asks for it.

    And, beyond it: the ranks hear each other inside the machine alone.
    """
    told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size}
    variables = {name: str(value) for name, value in told.items()}
    if sys.platform == "linux":
        variables[_GLOO] = os.environ.get(_GLOO, "lo")
    return variables_set(variables)


@contextmanager
def variables_set(values: Mapping[str, str]) -> Iterator[None]:
    """Inside, the environment has these variables; afterwards they are as they were."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def silence() -> None:
    """What this process would say goes nowhere: rank 0 says it."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
