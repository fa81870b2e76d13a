"""Python's garbage collector, off while a process that runs one command loads what it needs.

Loading torch makes half a million objects that stay for good. Every full collection on the way, and the last
one, would look at all of them: a sixth of the time that a small range test takes.
"""

from __future__ import annotations

import gc

_off: list[bool] = []
"""Holds something from `collector_off` until `collector_on`."""


def collector_off() -> None:
    """No garbage is collected until `collector_on`: for the start of a process that is ours alone."""
    if gc.isenabled():
        gc.disable()
        _off.append(True)


def collector_is_off() -> bool:
    """Whether it is off because of us."""
    return bool(_off)


def collector_on() -> None:
    """Garbage is collected again, of what is made from now on; nothing where it was not off for loading."""
    if _off:
        _off.clear()
        gc.freeze()
        gc.enable()
