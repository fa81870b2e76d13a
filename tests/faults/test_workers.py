"""Data sets that hang, raise what nobody raises, or whose workers die: named, and ended in time."""

import threading
import time

import pytest
import torch
from torch.utils.data import IterableDataset

from lrfind.errors import BatchError, DataError, OptimizerError
from lrfind.tasks.data import failures
from lrfind.tasks.data.dataset import Data
from lrfind.tasks.data.loader import make_batches
from lrfind.tasks.data.machine import require_room
from lrfind.training.objective import Objective
from lrfind.training.step import StepOptions, train_step
from lrfind.training.step_errors import dead_worker, explained

CPU = torch.device("cpu")


class Samples:
    def __init__(self, at_last):
        self.at_last = at_last

    def __len__(self):
        return 32

    def __getitem__(self, index):
        if index == 31:
            self.at_last()
        return torch.zeros(3), 0


class Stream(IterableDataset):
    def __init__(self, at_last):
        self.at_last = at_last

    def __iter__(self):
        for index in range(32):
            if index == 20:
                self.at_last()
            yield torch.zeros(3), 0


class Batches:
    def __init__(self, at_last):
        self.at_last = at_last

    def __iter__(self):
        yield torch.zeros(4, 3), torch.zeros(4)
        self.at_last()


def raising(error):
    def at_last():
        raise error

    return at_last


def drawn(dataset, *, timeout=None, num_workers=None, batch_size=4):
    """All batches of two epochs, or how they ended."""
    loaders = make_batches(
        Data(dataset, "theirs", timeout=timeout), batch_size=batch_size, seed=0, device=CPU,
        num_workers=num_workers,
    )  # fmt: skip
    try:
        return [next(loaders.batches) for _ in range(16)]
    finally:
        loaders.close()


@pytest.mark.parametrize("kind", [Samples, Stream, Batches])
@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.parametrize(
    "error", [GeneratorExit(), StopIteration(), Exception("plain"), KeyError("x")], ids=repr
)
def test_whatever_a_data_set_raises_is_its_own(kind, num_workers, error):
    with pytest.raises(
        DataError, match=r"^data: the data set raised (GeneratorExit|RuntimeError|StopIter|Exc|Key)"
    ):
        drawn(kind(raising(error)), num_workers=num_workers)


@pytest.mark.parametrize("kind", [Samples, Stream, Batches])
@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_data_set_that_hangs_ends_where_the_user_says(monkeypatch, kind, num_workers):
    # How long torch waits for a worker to end before it ends it.
    monkeypatch.setattr(torch.utils.data._utils, "MP_STATUS_CHECK_INTERVAL", 0.5)
    started = time.monotonic()
    with pytest.raises(DataError, match=r"gave no batch within data\.timeout=0\.5 s"):
        drawn(kind(lambda: time.sleep(60)), timeout=0.5, num_workers=num_workers)
    assert time.monotonic() - started < 30


def test_a_data_set_that_swallows_exceptions_ends_all_the_same():
    def stubborn():
        while True:
            try:
                time.sleep(60)
            except Exception:
                continue

    with pytest.raises(DataError, match="gave no batch within"):
        drawn(Samples(stubborn), timeout=0.3)


def test_a_long_wait_is_told_of_once(monkeypatch, caplog):
    monkeypatch.setattr(failures, "TOLD_AFTER", 0.2)
    seen = []

    def slow():
        time.sleep(0.5)
        seen.append(len(caplog.records))

    assert len(drawn(Samples(slow))) == 16
    assert seen == [1, 2]
    assert caplog.messages[0].startswith("the data set has given no batch for 0.2 s. Ctrl-C ends the run")


def test_a_long_wait_is_told_of_and_then_ended(monkeypatch, caplog):
    monkeypatch.setattr(failures, "TOLD_AFTER", 0.2)
    with pytest.raises(DataError, match="gave no batch within"):
        drawn(Samples(lambda: time.sleep(60)), timeout=0.5)
    assert len(caplog.records) == 1


def test_a_timer_of_the_data_sets_own_is_left_alone():
    import signal

    before = signal.signal(signal.SIGALRM, lambda number, frame: None)
    try:
        signal.setitimer(signal.ITIMER_REAL, 60)
        assert len(drawn(Samples(lambda: None), timeout=5)) == 16
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 50
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_another_thread_just_waits():
    got = []
    thread = threading.Thread(target=lambda: got.append(drawn(Samples(lambda: None), timeout=5)))
    thread.start()
    thread.join()
    assert len(got[0]) == 16


def test_a_worker_that_is_killed_is_called_by_its_name():
    import os
    import signal

    with pytest.raises(
        DataError, match=r"^num_workers: the worker process \d+ that reads data (was killed|ended)"
    ):
        drawn(Samples(lambda: os.kill(os.getpid(), signal.SIGKILL)), num_workers=1)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "DataLoader worker (pid 7) is killed by signal: Killed. ",
            "7 that reads data was killed by signal Killed",
        ),
        ("DataLoader worker (pid 7) is killed by signal: Bus error. It is", "a full /dev/shm ends a process"),
        ("DataLoader worker (pid(s) 7, 8) exited unexpectedly", "7, 8 that reads data ended"),
    ],
)
def test_a_dead_worker_is_told_wherever_torch_says_so(said, told):
    error = RuntimeError(said)
    assert told in str(dead_worker(error))
    for part in ("model", "criterion", "backward"):
        assert told in str(explained(error, part, (torch.zeros(2), torch.zeros(2))))
    assert dead_worker(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) is None
    assert isinstance(explained(RuntimeError("x"), "model", torch.zeros(2)), BatchError)


@pytest.mark.parametrize(
    "error", [Exception("plain"), KeyError("x"), StopIteration(), ZeroDivisionError()], ids=repr
)
def test_whatever_an_optimizer_raises_is_its_own(error):
    class Odd(torch.optim.SGD):
        def step(self, closure=None):
            raise error

    model = torch.nn.Linear(3, 2)
    objective = Objective(model, torch.nn.CrossEntropyLoss())
    batches = iter([(torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64))])
    with pytest.raises(OptimizerError, match=r"^optimizer: Odd\.step\(\) raised"):
        train_step(objective, Odd(model.parameters(), lr=0.1), batches, StepOptions())


def test_workers_whose_batches_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr("lrfind.tasks.data.machine.shared_bytes", lambda: 10 << 20)
    require_room(5 << 20, 2)
    with pytest.raises(
        DataError, match=r"num_workers=3: batches of 5\.0 MiB .* Use num_workers=2, a smaller"
    ):
        require_room(5 << 20, 3)
    with pytest.raises(
        DataError, match=r"10\.0 MiB that are free in /dev/shm.* Use num_workers=0, a smaller"
    ):
        require_room(11 << 20, 1)


@pytest.mark.parametrize("kind", [Samples, Stream])
def test_a_batch_that_does_not_fit_is_told_by_the_worker_instead_of_killing_it(monkeypatch, kind):
    monkeypatch.setattr("lrfind.tasks.data.machine.shared_bytes", lambda: 40)
    with pytest.raises(DataError, match=r"num_workers=1: batches of 0\.0 MiB do not fit"):
        drawn(kind(lambda: None), num_workers=1)
    assert len(drawn(kind(lambda: None), num_workers=0)) == 16


SLOW = """
import time
from torch.utils.data import Dataset
import torch

class Slow(Dataset):
    def __init__(self, timeout=None):
        self.timeout = timeout
    def __len__(self):
        return 64
    def __getitem__(self, index):
        time.sleep(60 if self.timeout is None else 0)
        return torch.zeros(3), index % 2

class Hangs(Slow):
    def __init__(self):
        super().__init__()
"""


def test_the_command_takes_a_timeout(lrfind, own):
    own("slow", SLOW)
    words = ["data=custom", "model=custom", "model._target_=torch.nn.Linear", "+model.in_features=3",
             "device=cpu", "+model.out_features=2", "trust=[slow]", "batch_size=8",
             "range.num_steps=6"]  # fmt: skip
    ran = lrfind(*words, "data._target_=slow.Hangs", "data.timeout=1")
    assert ran.code == 2
    assert "gave no batch within data.timeout=1 s" in ran.err
    ran = lrfind(*words, "data._target_=slow.Slow", "data.timeout=7")  # an argument of their own
    assert ran.code in (0, 3), ran.err
    for bad in ("0", "soon", "-1", "true"):
        ran = lrfind(*words, "data._target_=slow.Hangs", f"data.timeout={bad}")
        assert ran.code == 2
        assert "data.timeout must be a finite number of seconds greater than 0" in ran.err
