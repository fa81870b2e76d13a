"""The ranks of a command: this process is one of them, and torchrun, or this process, has started the others.

Rank 0 alone heeds signals, writes and speaks. The others are told nothing of Ctrl-C: they end with it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import threading
import time
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

from lrfind.errors import RankError
from lrfind.execution.collective import collective_timeout, error_left_by, leave_error
from lrfind.execution.distributed import joined
from lrfind.execution.environment import environment_of, silence
from lrfind.interrupts import ENDING, interrupts_held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from multiprocessing.context import SpawnProcess

    from torch._C._distributed_c10d import Store

    from lrfind.execution.collective import Ranks

    Work = Callable[[], object]
    GiveUp = Callable[[str, bool], None]

_GRACE = 5.0
"""Seconds that a process is given to end, and this one to notice that another has."""

_START = 600.0
"""Seconds that the others are given to import torch."""


@contextmanager
def of_torchrun(*, backend: str, arguments: Mapping[str, Any]) -> Iterator[Ranks]:
    """This process as one of the ranks that torchrun has started."""
    store, rank, size = next(
        iter(dist.rendezvous("env://", timeout=collective_timeout()))  # type: ignore[attr-defined]
    )
    if rank:
        for number in ENDING:  # torchrun sends them to all, and rank 0 says what comes of it
            signal.signal(number, lambda number, frame: os._exit(0))
    restarts = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    own = dist.PrefixStore(f"lrfind/{restarts}", store)  # type: ignore[attr-defined]
    with joined(own, rank, size, backend=backend, arguments=arguments, ended=_torchrun_ended) as ranks:
        yield ranks


def _torchrun_ended() -> str:
    time.sleep(1.0)  # where torchrun is about to end this process too, its signal comes now
    return (
        "another rank has ended without a word, so the run was given up: torchrun says how. One that is "
        "killed has mostly run out of memory."
    )


@contextmanager
def started(
    size: int,
    work: Work,
    *,
    backend: str,
    arguments: Mapping[str, Any],
    give_up: GiveUp,
) -> Iterator[Ranks]:
    """Starts the other ranks on this machine, and makes this process rank 0; at the end none is left.

    `work` is what the others do, and is pickled; `backend` is that of the model's own collectives;
    `arguments` are compared with those of the other ranks. `give_up` is called on a thread, with a message
    and whether there was an interrupt, where this process waits for good for a rank that is gone, as a GPU
    may: it ends the process.
    """
    with tempfile.TemporaryDirectory(prefix="lrfind-ranks-") as folder, environment_of(0, size):
        path = str(Path(folder) / "store")
        others = _Others(size, path, work, backend, arguments)
        try:
            with _cores_shared(size), others.watched(give_up):
                store = dist.FileStore(path, size)  # type: ignore[attr-defined]
                others.wait_for(store)
                with joined(store, 0, size, backend=backend, arguments=arguments, ended=others.said) as ranks:
                    yield ranks
                if not ranks.left:
                    others.join()
        finally:
            with interrupts_held():
                others.kill()
                if dist.is_initialized() and backend == "gloo":  # nothing is waited for any more
                    dist.destroy_process_group()


class _Others:
    """The processes of the other ranks."""

    def __init__(self, size: int, path: str, work: Work, backend: str, arguments: Mapping[str, Any]) -> None:
        context = multiprocessing.get_context("spawn")
        self._path = path
        self._processes: list[SpawnProcess] = []
        with interrupts_held():
            for rank in range(1, size):
                process = context.Process(
                    target=_serve, args=(rank, size, path, work, backend, dict(arguments))
                )
                process.start()
                self._processes.append(process)

    def wait_for(self, store: Store) -> None:
        """Waits until all of them are there, which takes as long as importing torch."""
        keys = [f"ready/{rank}" for rank, _ in enumerate(self._processes, 1)]
        until = time.monotonic() + _START
        while not store.check(keys):
            ended = self._ended()
            if ended is not None:
                raise RankError(ended)
            if time.monotonic() > until:
                raise RankError("the other ranks did not start in time, so the run was given up.")
            time.sleep(0.02)

    def said(self) -> str | None:
        """What is known of those that have ended, once it is."""
        until = time.monotonic() + _GRACE
        while (ended := self._ended()) is None and time.monotonic() < until:
            time.sleep(0.02)
        return ended

    def join(self) -> None:
        """Waits for their own end."""
        until = time.monotonic() + _GRACE
        for process in self._processes:
            process.join(max(until - time.monotonic(), 0))

    def kill(self) -> None:
        """Ends those that have not ended."""
        for process in self._processes:
            if process.is_alive():
                process.kill()
        for process in self._processes:
            process.join()
            process.close()

    @contextmanager
    def watched(self, give_up: GiveUp) -> Iterator[None]:
        """Inside, neither a rank that dies nor a signal finds this process waiting for good.

        It may wait where Python hears of nothing, inside a collective of the model's. Another rank's end
        frees it there on the CPU, so after a signal the others are ended; on a GPU nothing does.
        """
        over, heard = multiprocessing.Pipe(duplex=False)
        woken_by, before = None, -1
        if threading.current_thread() is threading.main_thread():
            woken_by, waker = os.pipe()
            os.set_blocking(waker, False)
            before = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        thread = threading.Thread(target=self._watch, args=(over, woken_by, give_up), daemon=True)
        thread.start()
        try:
            yield
        finally:
            heard.close()
            thread.join()
            over.close()
            if woken_by is not None:
                signal.set_wakeup_fd(before)
                os.close(woken_by)
                os.close(waker)

    def _watch(self, over: Any, woken_by: int | None, give_up: GiveUp) -> None:
        signals = [] if woken_by is None else [woken_by]
        sentinels = {process.sentinel: process for process in self._processes}
        while sentinels or signals:
            ready = wait([over, *signals, *sentinels])
            if over in ready:
                return
            if woken_by in ready and not ENDING.isdisjoint(os.read(signals[0], 64)):  # and not a worker's end
                signals = []
                if wait([over], _GRACE):
                    return
                for process in self._processes:
                    process.kill()
                if not wait([over], _GRACE):
                    give_up("interrupted, while the device waited for another rank.", True)
            for sentinel in [each for each in ready if each in sentinels]:
                del sentinels[sentinel]
                if not wait([over], 2 * _GRACE):
                    give_up(self._last_words(), False)

    def _last_words(self) -> str:
        store = dist.FileStore(self._path, len(self._processes) + 1)  # type: ignore[attr-defined]
        told = error_left_by(range(1, len(self._processes) + 1), store)
        return str(told) if told is not None else self._ended() or "another rank has ended before this one."

    def _ended(self) -> str | None:
        for rank, process in enumerate(self._processes, 1):
            code = process.exitcode
            if code is not None and code < 0:
                name = signal.Signals(-code).name
                why = (
                    " The system kills what takes too much memory: fewer ranks or smaller batches take less."
                    if name == "SIGKILL"
                    else ""
                )
                return f"rank {rank} was ended by {name}, so the run was given up.{why}"
            if code:
                return f"rank {rank} ended with exit code {code}, so the run was given up."
        return None


def _serve(rank: int, size: int, path: str, work: Work, backend: str, arguments: Mapping[str, Any]) -> None:
    """What the process of another rank does."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    silence()
    # Workers that load data begin as they do elsewhere, and not as this process did.
    multiprocessing.set_start_method(None, force=True)
    tempfile.tempdir = str(Path(path).parent)  # where rank 0 clears up, also after one that is killed
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with environment_of(rank, size), _cores_shared(size):
        store = dist.FileStore(path, size)  # type: ignore[attr-defined]
        store.set(f"ready/{rank}", "")
        try:
            with joined(store, rank, size, backend=backend, arguments=arguments):
                work()
        except RankError:
            pass
        except Exception as error:
            leave_error(error, rank, store)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _cores_shared(size: int) -> Iterator[None]:
    """Each rank computes with its part of the cores, unless the environment says with how many."""
    before = torch.get_num_threads()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, before // size))
    try:
        yield
    finally:
        torch.set_num_threads(before)
