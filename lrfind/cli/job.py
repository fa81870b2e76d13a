"""The job of a command, and what is put around it: whose code runs, where it writes, how it may fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lrfind.errors import UserError
from lrfind.report.output import Outcome

if TYPE_CHECKING:
    from omegaconf import DictConfig

Job = Callable[["DictConfig", Path], Outcome]
"""Called with the composed config and the run directory."""


def guarded(job: Job, trust: Sequence[str]) -> Job:
    """The job with all that is put around it.

    Args:
        job: What to do with the composed config.
        trust: Packages whose code the user lets run.
    """
    return _with_stdout_kept(_with_memory_told(_with_trust(job, trust)))


def _with_stdout_kept(job: Job) -> Job:
    """The job, with only its results on stdout, whatever a model or a data set writes there."""

    def run(composed: DictConfig, directory: Path) -> Outcome:
        from lrfind.report.streams import stdout_kept_for_results

        with stdout_kept_for_results():
            return job(composed, directory)

    return run


def _with_trust(job: Job, trust: Sequence[str]) -> Job:
    """The job, with the user's word on whose code is trusted in place of that of the config's files."""

    def run(composed: DictConfig, directory: Path) -> Outcome:
        from lrfind.config.trust import with_trust_of_the_user

        return job(with_trust_of_the_user(composed, trust), directory)

    return run


def _with_memory_told(job: Job) -> Job:
    """The job, with memory that runs out and workers that die, wherever, told as the user's to mend."""

    def run(composed: DictConfig, directory: Path) -> Outcome:
        try:
            return job(composed, directory)
        except UserError:
            raise
        except Exception as error:
            from lrfind.cli.keys import spell_in_keys
            from lrfind.training.objective import dead_worker, no_memory_left, out_of_memory

            dead = dead_worker(error)
            if dead is not None:
                raise dead from error
            if not out_of_memory(error):
                raise
            told = no_memory_left(error, f"with batch_size={composed.get('batch_size')}")
            spell_in_keys(told)
            raise told from error

    return run
