"""Independent jobs shared out over processes, or done one after another in this one: the same results."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
import typing
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from lrfind.errors import UserError
from lrfind.execution.failure import as_json, error_of
from lrfind.execution.launcher import chosen_launcher
from lrfind.execution.launcher_jobs import work_through_launcher
from lrfind.interrupts import OF_A_TERMINAL, interrupts_held

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from lrfind.execution.launcher import Codec

Say = Callable[[Any], None]
"""Takes a message of a job on its way, which must be picklable where there are processes."""

Work = Callable[[Any, Say], Any]
"""Does a job and returns its result; it is pickled to each process, where it may keep what it has read."""

_GRACE = 5.0
"""Seconds that a process is given to end."""


def work_through(
    work: Work,
    jobs: Sequence[Any],
    *,
    processes: int,
    codec: Codec,
    on_message: Callable[[int, Any], None],
    on_result: Callable[[int, Any], None],
    on_loss: Callable[[int], None] = lambda index: None,
    kept: Callable[[], str] = str,
) -> None:
    """Does all jobs: here, in processes of our own, or wherever the launcher of this run has them done.

    With several processes, each begins as a fresh interpreter (spawn), so that nothing depends on what this
    one has done so far; jobs are begun in their order, and one whose process is ended from outside is begun
    once again. Ctrl-C reaches this process alone, which ends the others. A launcher tells of no message.

    What job i says on its way goes to `on_message`, what it came to to `on_result`, and that it is begun
    again to `on_loss`, here. `codec` is how the processes of a launcher write that; `kept` says how one goes
    on with the results so far where the processes are lost.

    Raises:
        UserError: As a job raised it, or its process was ended from outside twice, or a launcher gave up.
        RuntimeError: A job failed otherwise; the message holds its traceback.
        KeyboardInterrupt: As it came; no process is left running.
    """
    launcher = chosen_launcher()
    if launcher is not None:
        work_through_launcher(launcher, work, jobs, codec, on_result, kept)
        return
    if processes == 1 or len(jobs) <= 1:
        for i, job in enumerate(jobs):
            on_result(i, work(job, partial(on_message, i)))
        return
    crew: dict[Any, tuple[SpawnProcess, int]] = {}
    waiting = iter(range(len(jobs)))
    lost: set[int] = set()

    def begin(index: int) -> None:
        with _terminal_held():  # until the process is one of those that are dismissed
            connection, process = _hired(work)
            crew[connection] = (process, index)
        _tell(connection, jobs[index])

    def begin_again(connection: Connection, index: int) -> None:
        if index in lost:
            raise _lost(crew[connection][0], kept())
        lost.add(index)
        del crew[connection]
        connection.close()
        on_loss(index)
        begin(index)

    try:
        for _ in range(min(processes, len(jobs))):
            begin(next(waiting))
        while crew:
            for connection in typing.cast("list[Connection]", wait(list(crew))):
                process, index = crew[connection]
                heard = _heard(connection)
                if heard is None:
                    begin_again(connection, index)
                    continue
                kind, content = heard
                if kind == "message":
                    on_message(index, content)
                    continue
                if kind == "failed":
                    raise error_of(content, "in a worker process")
                on_result(index, content)
                following = next(waiting, None)
                if following is None:
                    with contextlib.suppress(OSError):  # one that is gone already has nothing left to do
                        connection.send(None)
                    process.join(_GRACE)
                    del crew[connection]
                else:
                    crew[connection] = (process, following)
                    _tell(connection, jobs[following])
    finally:
        _dismissed(crew)


def _hired(work: Work) -> tuple[Connection, SpawnProcess]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, work))
    process.start()
    there.close()
    return here, process


@contextlib.contextmanager
def _terminal_held() -> Iterator[None]:
    """Signals wait until the end; a process that is started meanwhile knows nothing of those of a terminal.

    Ctrl-C, and SIGHUP when a terminal goes, are sent to every process of the group. A new one inherits what
    is blocked, and so is not ended by it before `_serve` ignores it; what reaches this one is kept, not lost.
    """
    with interrupts_held():
        if threading.current_thread() is not threading.main_thread() or not hasattr(
            signal, "pthread_sigmask"
        ):
            yield
            return
        resource_tracker.ensure_running()  # starting it would let signals through
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, OF_A_TERMINAL)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)  # what was blocked comes now, and waits


def _serve(connection: Connection, work: Work) -> None:
    """What a process does: job after job until there is none, or nobody who asks."""
    for number in OF_A_TERMINAL:
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, OF_A_TERMINAL)  # as it was held when this began
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while (job := connection.recv()) is not None:
            try:
                answer = ("result", work(job, lambda message: connection.send(("message", message))))
            except (EOFError, BrokenPipeError, ConnectionResetError):
                return
            except Exception as error:
                answer = ("failed", as_json(error))
            connection.send(answer)


def _heard(connection: Connection) -> tuple[str, Any] | None:
    """What a process says; None where it is gone."""
    try:
        kind, content = connection.recv()
    except (EOFError, ConnectionResetError):
        return None
    return kind, content


def _tell(connection: Connection, job: Any) -> None:
    # Of a pipe that nobody reads any more the next thing heard is its end.
    with contextlib.suppress(OSError):
        connection.send(job)


def _lost(process: SpawnProcess, kept: str) -> UserError:
    process.join(_GRACE)
    said = (
        f"processes: one ended with exit status {process.exitcode} before its run was finished, and so did "
        "the one that began it again. If the machine ran out of memory, try processes=1."
    )
    return UserError(f"{said} {kept}".rstrip())


def _dismissed(crew: dict[Any, tuple[SpawnProcess, int]]) -> None:
    for connection, (process, _) in crew.items():
        connection.close()
        process.terminate()
    for process, _ in crew.values():
        process.join(_GRACE)
        if process.is_alive():
            process.kill()
            process.join()
