"""Whose an object is: data that a test may put back, or a part of Python, torch or the world outside."""

from __future__ import annotations

import io
import logging
import multiprocessing.process
import queue
import socket
import sys
import threading
from typing import Any

_LIVE = (
    io.IOBase,
    multiprocessing.process.BaseProcess,
    queue.Queue,
    socket.socket,
    threading.Thread,
    threading.Event,
    threading.Condition,
    threading.local,
    type(threading.Lock()),
    type(threading.RLock()),
)
_RESOURCES = (*_LIVE, logging.Logger, logging.Handler)

_PLATFORM = {*sys.stdlib_module_names, "torch", "torchvision", "numpy"}


def package_of(thing: object) -> str:
    """The top-level package that the class of an object was made in."""
    return str(getattr(type(thing), "__module__", "")).partition(".")[0]


def is_platform(thing: object) -> bool:
    """Whether its class is Python's, NumPy's or torch's own, whose insides are not ours to put back."""
    return package_of(thing) in _PLATFORM and type(thing).__module__ != "__main__"


def is_resource(thing: Any) -> bool:
    """Whether it stands for something outside, such as a file, a thread or a lock, or holds one of these."""
    if isinstance(thing, _RESOURCES):
        return True
    return any(isinstance(value, _LIVE) for value in getattr(thing, "__dict__", {}).values())
