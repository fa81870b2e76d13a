"""Jobs shared out over processes: results, messages, failures, and nobody left behind."""

import importlib
import multiprocessing
import os
import signal
from multiprocessing.context import SpawnProcess

import pytest

from lrfind.errors import ConfigError, UserError
from lrfind.execution import executors as workers
from lrfind.execution.executors import work_through
from lrfind.execution.launcher import Codec

CODEC = Codec(lambda result: str(result).encode(), int)

WORK = """
import os
from lrfind.errors import ConfigError

def work(job, say):
    say(("at", job))
    if job == "refuse":
        raise ConfigError("model: cannot be.")
    if job == "divide":
        return 1 / 0
    if job == "die":
        os._exit(9)
    return job * 2
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    (tmp_path / "work_of_test.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("work_of_test").work
    assert multiprocessing.active_children() == []


def done(work, jobs, processes):
    results, messages = {}, []
    work_through(
        work, jobs, processes=processes, codec=CODEC,
        on_message=lambda i, message: messages.append((i, message)), on_result=results.__setitem__,
    )  # fmt: skip
    return results, sorted(messages)


@pytest.mark.parametrize("processes", [1, 2, 9])
def test_every_result_and_message_comes_with_its_job(work, processes):
    results, messages = done(work, [1, 2, 3], processes)
    assert results == {0: 2, 1: 4, 2: 6}
    assert messages == [(0, ("at", 1)), (1, ("at", 2)), (2, ("at", 3))]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_message_to_the_user_is_passed_on_as_it_is(work, processes):
    with pytest.raises(ConfigError, match=r"^model: cannot be\.$"):
        done(work, [1, "refuse"], processes)


def test_a_defect_keeps_its_traceback(work):
    with pytest.raises(
        RuntimeError, match=r"(?s)in a worker process:.*return 1 / 0.*ZeroDivisionError"
    ) as raised:
        done(work, ["divide", 1], 2)
    assert not isinstance(raised.value, UserError)


def test_a_process_that_is_ended_from_outside_is_told(work):
    with pytest.raises(UserError, match=r"processes: one ended with exit status 9 before"):
        done(work, [1, "die"], 2)


def test_a_job_whose_process_is_ended_once_is_begun_again(tmp_path, monkeypatch):
    source = WORK.replace(
        'if job == "die":', "if job == 2 and not os.path.exists('died'):\n        open('died', 'w').close()"
    )
    (tmp_path / "dies_once.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    work = importlib.import_module("dies_once").work
    results, lost = {}, []
    work_through(
        work, [1, 2, 3], processes=2, codec=CODEC, on_message=lambda *_: None,
        on_result=results.__setitem__, on_loss=lost.append,
    )  # fmt: skip
    assert results == {0: 2, 1: 4, 2: 6}
    assert lost == [1]


def test_a_process_that_dies_before_it_is_told_its_next_job_is_told(work, monkeypatch):
    told = workers._tell

    def late(connection, job):
        if job == "late":
            for process in multiprocessing.active_children():
                process.kill()
                process.join()
        told(connection, job)

    monkeypatch.setattr(workers, "_tell", late)
    with pytest.raises(UserError, match=r"processes: one ended with exit status -9 before"):
        done(work, [1, 2, "late"], 2)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("others", [False, True], ids=["masked", "taken by another thread"])
def test_an_interrupt_while_a_process_is_started_is_not_lost(work, monkeypatch, others):
    start = SpawnProcess.start
    crew = []

    def interrupted(process):
        start(process)
        crew.append(process)
        if not others:
            os.kill(os.getpid(), signal.SIGINT)
        elif callable(handling := signal.getsignal(signal.SIGINT)):
            handling(signal.SIGINT, None)

    monkeypatch.setattr(SpawnProcess, "start", interrupted)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        done(work, [1, 2, 3], 2)
    assert len(crew) == 1
    assert signal.getsignal(signal.SIGINT) is handler
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_an_interrupt_in_between_leaves_no_process_behind(work):
    def stop(index, result):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work_through(work, [1, 2, 3], processes=2, codec=CODEC, on_message=lambda *_: None, on_result=stop)
