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
