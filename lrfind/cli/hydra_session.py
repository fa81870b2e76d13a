"""What Hydra is given while it runs a command, and what is put back afterwards."""

from __future__ import annotations

import logging
import sys
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from lrfind.cli.overrides import ordered
from lrfind.execution.environment import variables_set

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from omegaconf import DictConfig

_SHOWING = ("-c", "--cfg", "-i", "--info", "--hydra-help")


@contextmanager
def inside_hydra(command: str, arguments: Sequence[str], trust: Sequence[str]) -> Iterator[None]:
    """Hydra reads these arguments, trusts no other code, and leaves the process as it was."""
    with ExitStack() as stack:
        for each in (
            _replaced(sys, "argv", ["lrfind", *ordered(arguments)]),
            # It raises what went wrong instead of printing it and leaving with exit code 1.
            variables_set({"HYDRA_FULL_ERROR": "1"}),
            _loggers_kept(),
            _configs_checked(command, arguments, trust),
        ):
            stack.enter_context(each)
        yield


@contextmanager
def shown_by_hydra(arguments: Sequence[str]) -> Iterator[None]:
    """What Hydra shows arrives at stdout, or it is said why not; a reader who has gone has seen enough."""
    asked = any(word.split("=")[0] in _SHOWING for word in arguments)
    if not asked or sys.stdout is None:
        yield
        return
    from lrfind.report.files import output_error
    from lrfind.report.streams import give_up

    lost: list[BaseException] = []

    def remember(handler: logging.Handler, record: logging.LogRecord) -> None:
        lost.append(sys.exc_info()[1] or OSError())

    # Some of it goes through Hydra's log, which tells of a full disk at every line and forgets it.
    try:
        with _replaced(logging.Handler, "handleError", remember):
            try:
                yield
            finally:
                sys.stdout.flush()
        if lost:
            raise lost[0]
    except BrokenPipeError:
        give_up(sys.stdout)
    except OSError as error:
        give_up(sys.stdout)
        raise output_error("standard output", error) from error


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Inside, an attribute of a module or a class is another."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def _loggers_kept() -> Iterator[None]:
    """Hydra's handlers write to the streams of one run; they must not outlive it in a longer process.

    What our own code warns of meanwhile is said on stderr, once.
    """
    from lrfind.report import console

    class ToScreen(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            console.warn_once(record.getMessage())

    root, own = logging.getLogger(), logging.getLogger("lrfind")
    handlers, level = root.handlers[:], root.level
    to_screen = ToScreen(logging.WARNING)
    own.addHandler(to_screen)
    try:
        with console.each_warning_once():
            yield
    finally:
        own.removeHandler(to_screen)
        root.handlers[:] = handlers
        root.setLevel(level)


@contextmanager
def _configs_checked(command: str, arguments: Sequence[str], trust: Sequence[str]) -> Iterator[None]:
    """Hydra composes no config that tells it to run what nobody trusts.

    Of the jobs of a multirun one that cannot be composed is a job that fails, unless all of them are.
    """
    import hydra._internal.hydra as user_of_it
    from hydra.plugins.sweeper import Sweeper

    from lrfind.cli.commands import COMMANDS
    from lrfind.cli.hydra_errors import composition_error
    from lrfind.cli.multirun import MultirunSummary
    from lrfind.config.hydra_loader import CheckedConfigLoader, require_a_job
    from lrfind.config.targets import with_trust_of_the_user

    loader = partial(
        CheckedConfigLoader,
        trust=trust,
        words=arguments,
        explain=partial(composition_error, command=command, arguments=arguments),
    )

    def check(composed: DictConfig) -> None:
        COMMANDS[command].check_job(with_trust_of_the_user(composed, trust))

    def validate_batch(sweeper: Any, batch: Sequence[Sequence[str]]) -> None:
        # Those of a sweeper that searches, or of batches, are not all known beforehand.
        whole = getattr(sweeper, "max_batch_size", 0) is None
        MultirunSummary.plan(len(batch) if whole else None)
        require_a_job(check, sweeper, batch, whole=whole)

    with (
        _replaced(user_of_it, "ConfigLoaderImpl", loader),
        _replaced(Sweeper, "validate_batch_is_legal", validate_batch),
    ):
        yield
