"""Signals, and a terminal that goes: what was measured is written, marked interrupted."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lrfind.interrupts import Terminated, signals_as_interrupts
from tests.processes import SMALL_COMPARE, SMALL_REFINE, Run

ROOT = Path(__file__).parents[2]
TINY = ["-q", "model=mlp", "model.hidden_sizes=[4]"]
LONG = {
    "range": ["range", *TINY, "range.num_steps=100000", "range.end_lr=1e-4"],
    "refine": [*SMALL_REFINE, "refine.segments=[{start: 0.1, stop: 0.2, step: 0.1, iterations: 1000000}]"],
    "compare": [*SMALL_COMPARE, "compare.samples=10000000"],
    "verify": ["verify", *TINY, "verify.around=0.1", "verify.steps=1000000"],
    "schedule": ["schedule", *TINY, "schedule.try=true", "schedule.lr=0.1", "schedule.num_steps=1000000"],
}
CODES = {signal.SIGHUP: 129, signal.SIGINT: 130, signal.SIGTERM: 143}


def status(folder, command):
    return json.loads((folder / "run" / f"{command}.json").read_text())["status"]


@pytest.mark.parametrize(
    ("command", "number"),
    [
        pytest.param(
            command,
            number,
            marks=[]
            if (command, number) in {("range", signal.SIGHUP), ("refine", signal.SIGTERM)}
            else pytest.mark.slow,
        )
        for command in LONG
        for number in CODES
    ],
)
def test_a_signal_leaves_what_was_measured(tmp_path, command, number):
    run = Run([*LONG[command], "hydra.run.dir=run"], tmp_path)
    run.until((tmp_path / "training").exists)
    time.sleep(0.5)
    run.send(number)
    if number == signal.SIGHUP:
        time.sleep(0.02)
        run.send(number)  # a terminal that goes says so more than once
    assert run.end() == CODES[number], run.said
    assert "Traceback" not in run.said
    assert status(tmp_path, command) == "interrupted"


def test_the_end_of_a_worker_that_comes_together_with_a_signal_is_not_told(monkeypatch):
    """Both before Python has handled either, as on a busy machine."""
    told, both = [], {signal.SIGTERM, signal.SIGCHLD}
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    before = signal.signal(signal.SIGCHLD, lambda *_: told.append("torch"))
    try:
        with signals_as_interrupts() as came:
            signal.pthread_sigmask(signal.SIG_BLOCK, both)
            for number in both:  # to this thread, as another one would take them at once
                signal.pthread_kill(threading.get_ident(), number)
            with pytest.raises(Terminated):
                signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
        assert came == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert told == []


def test_under_nohup_it_goes_on(tmp_path):
    words = [*LONG["range"], "range.num_steps=300", "hydra.run.dir=run"]
    script = (
        "import signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from lrfind.interrupts import signals_as_interrupts\n"
        "with signals_as_interrupts() as came:\n"
        "    signal.raise_signal(signal.SIGHUP)\n"
        "    print(len(came), len(sys.argv))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words], text=True, capture_output=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.split() == ["0", str(len(words) + 1)]


def test_a_terminal_that_goes_leaves_what_was_measured(tmp_path):
    """As when ssh drops: SIGHUP, and every write to the terminal fails."""
    master, slave = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-m", "lrfind", *LONG["range"][:1], *LONG["range"][2:], "hydra.run.dir=run"],
        cwd=tmp_path, env=environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        preexec_fn=_own_terminal,
    )  # fmt: skip
    os.close(slave)
    deadline = time.monotonic() + 60
    seen = b""
    while b"step " not in seen and time.monotonic() < deadline:
        seen += os.read(master, 1024)
    os.close(master)
    assert process.wait(60) == 129
    assert status(tmp_path, "range") == "interrupted"


def _own_terminal():
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
