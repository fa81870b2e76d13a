"""Ctrl-C and SIGTERM: what was measured so far is written, marked interrupted."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
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
    process = subprocess.Popen(
        [sys.executable, "-m", "lrfind", *words], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (tmp_path / "training").exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert out == ""
    assert "Traceback" not in err
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
    process = subprocess.Popen(
        [sys.executable, "-m", "lrfind", *words], cwd=tmp_path, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (tmp_path / "training").exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert "Traceback" not in err
    assert "num_workers" not in err
    assert json.loads((tmp_path / "run" / "range.json").read_text())["status"] == "interrupted"
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
