"""Two ranks of a process group on this machine: how a script becomes them, and how a test runs it."""

import os
import signal
import sys
import traceback
import warnings
from contextlib import suppress
from pathlib import Path

from tests.processes import Run

ROOT = Path(__file__).parents[1]
RANKS = 2
SECONDS = 240
"""Long past what two ranks need on a busy machine."""


def run_script(module, folder):
    """Runs a script in a process of its own, and whatever it leaves running no longer than that.

    Args:
        module: Its dotted name; it ends with what `fork` returns.
        folder: Its argument, where each rank writes what it saw.
    """
    run = Run([str(folder)], folder, program=module, group=True, LRFIND_RANKS_TIMEOUT="60")
    try:
        code = run.end(SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(run.process.pid, signal.SIGKILL)
    assert code == 0, run.said


def numbers(table, column):
    """A column of a table; NaN where it is empty."""
    return [float(row[table["columns"].index(column)] or "nan") for row in table["rows"]]


def fork(main, folder):
    """Becomes two ranks; torch, which takes longest, is imported once. Returns the exit code of rank 1.

    Args:
        main: Called with the rank and the folder.
        folder: Where each rank writes what it saw.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads that wait for work are no matter here
        child = os.fork()
    if child:
        main(0, folder)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        main(1, folder)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)
