"""What an interrupt of the main process has its workers tell."""

import sys

import pytest

from lrfind.interrupts import hide_ended_connections


def raised_in(module, error):
    """An exception as the excepthook gets it, out of a function of a module of that name."""
    space = {"__name__": module, "error": error}
    exec("import sys\ntry:\n    raise error\nexcept Exception:\n    info = sys.exc_info()", space)
    return space["info"]


@pytest.fixture
def told(monkeypatch):
    """The exceptions that are shown."""
    shown = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: shown.append(error))
    hide_ended_connections()
    return shown


SHARER = "multiprocessing.resource_sharer"


@pytest.mark.parametrize("error", [EOFError(), ConnectionResetError(), BrokenPipeError()])
def test_that_nobody_is_there_to_take_a_tensor_is_not_told(told, error):
    sys.excepthook(*raised_in(SHARER, error))
    assert told == []


@pytest.mark.parametrize(
    ("module", "error"),
    [(SHARER, KeyError(3)), (SHARER, OSError("no descriptors left")), ("slow", ConnectionResetError())],
)
def test_whatever_else_nobody_caught_is_told(told, module, error):
    sys.excepthook(*raised_in(module, error))
    assert told == [error]
