"""The worker processes that read data."""

import multiprocessing
import signal
import subprocess
import time

import pytest

from lrfind.tasks.data.fetching import _start_worker


def _read_for_ever(started):
    _start_worker(0)
    started.set()
    time.sleep(60)


@pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="no sigwaitinfo here")
def test_sigterm_ends_a_worker_where_its_parent_sends_it_alone():
    context = multiprocessing.get_context("fork")
    started = context.Event()
    worker = context.Process(target=_read_for_ever, args=(started,), daemon=True)
    worker.start()
    try:
        assert started.wait(20)
        subprocess.run(["kill", "-TERM", str(worker.pid)], check=True)
        worker.join(0.5)
        assert worker.is_alive()
        worker.terminate()
        worker.join(10)
        assert worker.exitcode == 0
    finally:
        worker.kill()
