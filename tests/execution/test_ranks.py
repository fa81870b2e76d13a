"""The processes of other ranks: what ends them, and what does not."""

import signal
import time
from functools import partial

import pytest

from lrfind.errors import RankError
from lrfind.execution import ranks
from lrfind.execution.ranks import started

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGCHLD"), reason="POSIX signals")


def gave_up(message, interrupted):
    raise AssertionError(message)


def running(work):
    return started(2, work, backend="gloo", arguments={}, give_up=gave_up)


def test_the_end_of_a_worker_that_loads_data_ends_no_rank(monkeypatch):
    """torch hears of it by a signal, as rank 0 does of Ctrl-C."""
    monkeypatch.setattr(ranks, "_GRACE", 0.2)
    before = signal.signal(signal.SIGCHLD, lambda number, frame: None)
    try:
        with running(partial(time.sleep, 1.0)) as own:
            signal.raise_signal(signal.SIGCHLD)
            time.sleep(0.8)
        assert (own.rank, own.size) == (0, 2)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_defect_on_another_rank_arrives_with_its_traceback():
    with (
        pytest.raises(RuntimeError, match=r"(?s)on rank 1:.*ZeroDivisionError"),
        running(partial(divmod, 1, 0)),
    ):
        pass


def test_what_a_rank_does_not_survive_is_named():
    with (
        pytest.raises(RankError, match="rank 1 was ended by SIGABRT"),
        running(partial(signal.raise_signal, signal.SIGABRT)),
    ):
        pass
