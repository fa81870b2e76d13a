"""Others that run the same sweep at the same time, each on data of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class Peers(Protocol):
    """Keeps those who train at the same time in step; whoever trains does not know who they are.

    All of them call the same methods in the same order. Where one has ended, both methods raise for all.
    """

    def agree(self) -> None:
        """Waits until all are here, unharmed: before what nobody could leave while the others wait in it."""

    def mean(self, values: Sequence[float]) -> tuple[float, ...]:
        """The mean of each value over all of them, the same number for all."""


def mean_of(peers: Peers | None, values: Sequence[float]) -> tuple[float, ...]:
    """The mean of each value over all who run the same; without peers the values themselves."""
    return tuple(values) if peers is None else peers.mean(values)
