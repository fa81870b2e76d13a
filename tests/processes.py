"""lrfind, and scripts that use it, in processes of their own, to be ended in every way.

They are forked from a server that has imported everything, for importing torch takes longer than the tests.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

SMALL_REFINE = [
    *("refine", "-q", "model=mlp", "model.hidden_sizes=[4]", "batch_size=256", "refine.save_every=0"),
    *("refine.rounds=1", "refine.read=batch"),
    "refine.segments=[{start: 0.1, stop: 0.9, step: 0.1, iterations: 6}]",
]
SMALL_COMPARE = [
    *("compare", "-q", "model=mlp", "model.hidden_sizes=[4]", "compare.lrs=[0.03,0.3]"),
    *("compare.samples=2000", "compare.seeds=3", "compare.batch_sizes=[64,256]", "compare.processes=1"),
    "compare.readings=3",
    "compare.stacked=false",
]

READER_GONE = "a reader who has gone"

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.preload", __name__])


@dataclass(frozen=True)
class Kill:
    """Where a process kills itself: before or after the so manieth call of a function of a module."""

    module: str
    name: str
    call: int = 1
    after: bool = False


class Run:
    """A process under way.

    Args:
        words: The command line.
        cwd: Its working directory.
        program: A file or a module that is run in place of lrfind.
        logs: Where its streams go, in place of the working directory.
        kill: Where it kills itself.
        out: What its stdout is, in place of a file; READER_GONE: a pipe that nobody reads any more.
        group: Whether it leads a group of processes of its own.
        environment: Variables; FILE_SIZE is the most bytes that a file may have.
    """

    def __init__(
        self, words, cwd, *, program=None, logs=None, kill=None, out=None, group=False, **environment
    ):
        logs = Path(logs or cwd)
        self.out = Path(out or logs / "stdout.txt")
        self.err = logs / f"stderr{len(list(logs.iterdir()))}.txt"
        given = (list(words), str(cwd), program, str(self.out), str(self.err), environment, kill, group)
        self.process = _CONTEXT.Process(target=_main, args=given)
        self.process.start()
        atexit.register(self.process.kill)

    def send(self, number):
        os.kill(self.process.pid, number)

    def end(self, seconds=120):
        """The exit code, or less than 0 where a signal ended it."""
        self.process.join(seconds)
        atexit.unregister(self.process.kill)
        if self.process.is_alive():
            self.process.kill()
            raise AssertionError(f"it did not end within {seconds} s: {self.said}")
        return self.process.exitcode

    @property
    def said(self):
        """What is on stderr."""
        return self.err.read_text() if self.err.exists() else ""

    @property
    def shown(self):
        """What is on stdout."""
        return self.out.read_text()

    def until(self, true, seconds=60):
        """Waits until something is true, or the process has ended."""
        deadline = time.monotonic() + seconds
        while not true() and self.process.is_alive() and time.monotonic() < deadline:
            time.sleep(0.002)
        return self


def lrfind(words, cwd, **environment):
    """Runs it to its end: the exit code, and the run."""
    run = Run(words, cwd, **environment)
    return run.end(), run


def _main(words, cwd, program, out, err, environment, kill, group):
    # A process of a server begins its own as that does: workers of a loader would not be forked.
    multiprocessing.set_start_method(None, force=True)
    if group:
        os.setsid()
    os.chdir(cwd)
    os.environ.update(environment, NO_COLOR="1")
    for path, stream in ((out, sys.stdout), (err, sys.stderr)):
        if path == READER_GONE:
            reader, descriptor = os.pipe()
            os.close(reader)
        else:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
    sys.argv = ["lrfind"]
    import torch

    torch.set_num_threads(1)
    if "FILE_SIZE" in environment:  # a disk that has room for small files alone
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (int(environment["FILE_SIZE"]),) * 2)
    if kill is not None:
        _arm(kill)
    if program is None:
        _tell_of_training()
        from lrfind.cli.main import main

        code = main(words)
    else:
        code = _run(program, words)
    sys.stdout.flush()
    sys.exit(code)


def _run(program, words):
    """Runs a file, or a module whose warnings are errors, as Python does that is started with it."""
    sys.argv = [program, *words]
    if program.endswith(".py"):
        sys.path.insert(0, str(Path(program).parent))
        runpy.run_path(program, run_name="__main__")
    else:
        warnings.simplefilter("error")
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    return 0


def _tell_of_training():
    """A file `training` in the working directory once the fifth step was made."""
    from torch.optim import SGD

    real, calls = SGD.step, 0

    def step(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == 5:
            Path("training").touch()
        return real(*args, **kwargs)

    SGD.step = step


def _arm(kill):
    from importlib import import_module

    owner = import_module(kill.module)
    *path, name = kill.name.split(".")
    for each in path:
        owner = getattr(owner, each)
    real, calls = getattr(owner, name), 0

    def ending(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == kill.call and not kill.after:
            os.kill(os.getpid(), signal.SIGKILL)
        found = real(*args, **kwargs)
        if calls == kill.call:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    setattr(owner, name, ending)
