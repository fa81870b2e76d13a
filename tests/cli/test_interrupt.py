"""Ctrl-C and SIGTERM: what was measured so far is written, marked interrupted."""

import json
import os
import signal
import time

import pytest

from tests.processes import Run

SLOW = """
import itertools, time, torch
calls = itertools.count(1)  # not an attribute of the class: that would be put back with the model
class Net(torch.nn.Linear):
    def __init__(self): super().__init__(64, 10)
    def forward(self, x):
        if next(calls) == 10: open("training", "w").close()
        time.sleep(0.02)
        return super().forward(x.flatten(1))
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_leaves_what_was_measured(tmp_path, number, code):
    (tmp_path / "slow.py").write_text(SLOW)
    words = ["-q", "model=custom", "model._target_=slow.Net", "trust=[slow]", "range.num_steps=5000",
             "hydra.run.dir=run"]  # fmt: skip
    run = Run(words, tmp_path).until((tmp_path / "training").exists)
    run.send(number)
    assert run.end() == code, run.said
    assert run.shown == ""
    assert "Traceback" not in run.said
    record = json.loads((tmp_path / "run" / "range.json").read_text())
    assert record["status"] == "interrupted"
    assert record["suggestion"] is None
    assert record["steps"] >= 3
    rows = (tmp_path / "run" / "range.csv").read_text().splitlines()
    assert len(rows) == record["steps"] + 1
    assert (tmp_path / "run" / "range.png").exists()


SLOW_DATA = """
import os, sys, time, torch
from torch.utils.data import DataLoader, Dataset
class Samples(Dataset):
    def __len__(self): return 10000
    def __getitem__(self, i):
        if i % 50 == 0: open("training", "w").close()
        time.sleep(0.005)
        return torch.randn(8), torch.tensor(i % 2)
def own(): return DataLoader(Samples(), batch_size=8, num_workers=2)
class Net(torch.nn.Linear):
    def __init__(self): super().__init__(8, 2)
"""


@pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="no sigwaitinfo here")
@pytest.mark.parametrize("target", ["slow.Samples", "slow.own"])
def test_sigterm_to_the_group_is_no_error_of_the_workers_that_read_data(tmp_path, target):
    (tmp_path / "slow.py").write_text(SLOW_DATA)
    words = ["-q", "model=custom", "model._target_=slow.Net", "data=custom", f"data._target_={target}",
             "trust=[slow]", "range.num_steps=5000", "hydra.run.dir=run"]  # fmt: skip
    words += ["num_workers=2", "batch_size=8"] if target == "slow.Samples" else []
    run = Run(words, tmp_path, group=True).until((tmp_path / "training").exists)
    time.sleep(1)
    os.killpg(run.process.pid, signal.SIGTERM)
    assert run.end() == 143, run.said
    assert "Traceback" not in run.said
    assert "num_workers" not in run.said
    assert json.loads((tmp_path / "run" / "range.json").read_text())["status"] == "interrupted"
    deadline = time.monotonic() + 20  # whoever adopts the workers waits for them in its own time
    while is_left(run.process.pid):
        assert time.monotonic() < deadline, "a process of the group is left"
        time.sleep(0.05)


TAKING = """
import itertools, multiprocessing.connection as connection, os, time
from slow import *
main, calls, greet = os.getpid(), itertools.count(1), connection.answer_challenge
def wait_and_greet(*args):
    if os.getpid() == main and next(calls) == 5:
        open("taking", "w").close()
        time.sleep(60)
    return greet(*args)
connection.answer_challenge = wait_and_greet
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(
    ("target", "number", "code"),
    [("taking.Samples", signal.SIGTERM, 143), ("taking.own", signal.SIGINT, 130)],
)
def test_an_interrupt_while_a_tensor_is_taken_leaves_workers_nothing_to_tell(tmp_path, target, number, code):
    (tmp_path / "slow.py").write_text(SLOW_DATA)
    (tmp_path / "taking.py").write_text(TAKING)
    words = ["-q", "model=custom", "model._target_=slow.Net", "data=custom", f"data._target_={target}",
             "trust=[slow,taking]", "range.num_steps=5000", "hydra.run.dir=run"]  # fmt: skip
    words += ["num_workers=2", "batch_size=8"] if target == "taking.Samples" else []
    run = Run(words, tmp_path, group=True).until((tmp_path / "taking").exists)
    os.killpg(run.process.pid, number)
    assert run.end() == code, run.said
    assert run.said.count("\n") == 1, run.said
    assert "Interrupted after " in run.said


def is_left(group):
    """Whether there is a process of a group still."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
