"""How a process ends: all that is due at exit is done, and then it is over."""

import os
import subprocess
import sys

import pytest

LEAVING = (
    "import atexit, ctypes, sys, threading, weakref\n"
    "from lrfind.cli.main import LastExit\n"
    "atexit.register(lambda: sys.stderr and sys.stderr.write('as ever '))\n"
    "last_exit = LastExit()\n"
)


def python(code, *, shell=""):
    command = [sys.executable, "-c", LEAVING + code]
    if shell:
        command = ["bash", "-c", f'exec "$0" "$@" {shell}', *command]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_what_is_due_at_exit_is_done_and_nothing_else():
    ran = python(
        "atexit.register(sys.stderr.write, 'closed ')\n"
        "weakref.finalize(threading, sys.stderr.write, 'finalized ')\n"
        "threading.Timer(0.1, sys.stderr.write, ['thread ']).start()\n"
        "sys.stdout.write('python ')\n"
        "ctypes.CDLL(None).printf(b'C ')\n"
        "last_exit.code = 3\n"
        "sys.exit(3)\n"
    )
    assert (ran.returncode, ran.stderr) == (3, "thread finalized closed ")
    assert sorted(ran.stdout.split()) == ["C", "python"]


def test_without_a_code_python_ends_as_ever():
    ran = python("sys.exit(3)")
    assert (ran.returncode, ran.stderr) == (3, "as ever ")


@pytest.mark.parametrize("watch", ["settrace", "setprofile"])
def test_a_debugger_sees_the_end(watch):
    ran = python(f"last_exit.code = 0\nsys.{watch}(lambda *event: None)\n")
    assert (ran.returncode, ran.stderr) == (0, "as ever ")


def test_output_that_cannot_be_written_is_told_by_python():
    ran = python("sys.stdout.write('lost')\nlast_exit.code = 0\n", shell=">/dev/full")
    assert ran.returncode == 120
    assert "No space left on device" in ran.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_are_no_fault(closed):
    assert python("last_exit.code = 4\n", shell=closed).returncode == 4
