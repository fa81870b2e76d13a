"""The job of a command and what is put around it; its messages in keys, and what a sweeper is given of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lrfind.errors import UserError
from lrfind.report.output import Outcome, Show

if TYPE_CHECKING:
    from collections.abc import Iterable

    from omegaconf import DictConfig


Job = Callable[["DictConfig", Path, Show], Outcome]
"""Called with the composed config, the run directory, and what goes to stdout."""


def guarded(job: Job, trust: Sequence[str]) -> Job:
    """The job with all that is put around it.

    Whatever a model or a data set writes to stdout, only the results arrive there. The user's word on whose
    code is trusted stands in place of that of the config's files. Memory that runs out, workers that die and
    bugs of the user's own are told as his to mend.
    """

    def run(composed: DictConfig, directory: Path, show: Show) -> Outcome:
        from lrfind.config.targets import with_trust_of_the_user
        from lrfind.report.streams import stdout_kept_for_results

        with stdout_kept_for_results():
            try:
                return job(with_trust_of_the_user(composed, trust), directory, show)
            except UserError:
                raise
            except Exception as error:
                told = _told(error, composed)
                if told is None:
                    raise
                raise told from error

    return run


def _told(error: Exception, composed: DictConfig) -> UserError | None:
    """What the user can mend of an exception that nobody expected; None where it is a defect."""
    from lrfind.own_code import ends_in_own_code, own_frames, place_text, raised_text
    from lrfind.training.step_errors import dead_worker, no_memory_left, out_of_memory

    dead = dead_worker(error)
    if dead is not None:
        return dead
    if out_of_memory(error):
        size = composed.get("batch_size")
        told: UserError = no_memory_left(error, f"with batch_size={size}" if size else "with such batches")
        spell_in_keys(told)
        return told
    if not ends_in_own_code(error):
        return None
    frames = own_frames(error)
    said = f"code of yours raised {raised_text(error).rstrip('.')}{place_text(frames)}."
    return UserError(f"{said} --debug shows how it was called.", frames=frames)


def asks_for_loss(composed: DictConfig, overrides: Iterable[str]) -> bool:
    """Whether a sweeper is to be given the loss and not the rate; a refused config has no such key."""
    return str(composed.get("objective")) == "loss" or "objective=loss" in overrides


def warn_of_no_sweeper() -> None:
    """Says that the loss is asked for, and nobody is there to be given it."""
    from lrfind.report import console

    console.warn(
        "objective=loss changes nothing without -m: it is what a sweeper of Hydra is given of each job. The "
        "suggestion is a learning rate either way."
    )


def given_to_a_sweeper(outcome: Outcome | None, *, loss: bool) -> float:
    """The suggested rate, NaN where there is none; or the loss there, infinite where there is none.

    There is no outcome where the job could not be run.
    """
    if loss:
        found = None if outcome is None else outcome.loss
        return math.inf if found is None or math.isnan(found) else found
    return math.nan if outcome is None or outcome.lr is None else outcome.lr


KEYS = {
    "metric='accuracy'": "range.metric=accuracy",
    "metric='loss'": "range.metric=loss",
    "groups='each'": "range.groups=each",
    "criterion=None": "criterion=from_model",
    "such as reduction='mean'": "such as criterion.reduction=mean",
    "Use torch.nn.CrossEntropyLoss": "Use criterion=cross_entropy",
    "Use torch.nn.MSELoss for numbers, torch.nn.BCEWithLogitsLoss": (
        "Use criterion=mse for numbers, criterion=bce_with_logits"
    ),
    " outputs, or labels that start at 0": " outputs (model.num_outputs), or labels that start at 0",
    "deterministic algorithms cannot be kept to": "deterministic=true cannot be kept to",
    "Use torch.use_deterministic_algorithms(False)": "Use deterministic=false",
    "torch.compile failed": "compile=true failed",
    "Leave the model uncompiled": "Use compile=false",
    "freeze them (requires_grad=False) or leave them out": (
        "freeze them (requires_grad=False), leave them out, or use distributed=fsdp"
    ),
    "the device ran out of memory": "batch_size: the device ran out of memory",
    "smaller batches with accumulation_steps=2": "a smaller batch_size with accumulation_steps=2",
    "precision='bf16', smaller inputs,": "precision=bf16, a smaller data.image_size,",
    "paired=False does without": "range.paired=false does without",
    "the CPU names it": "device=cpu names it",
    "processes: one ended": "compare.processes: a process ended",
    "try processes=1": "try compare.processes=1",
}
"""What a message says to a caller in Python, and what it says on the command line."""


def in_keys(message: str) -> str:
    """A message as the command line says it."""
    for argument, key in KEYS.items():
        message = message.replace(argument, key)
    return message


def spell_in_keys(error: UserError) -> None:
    """Has an error say its message as the command line says it."""
    error.args = tuple(in_keys(message) for message in error.args)
    error.paragraphs = tuple(in_keys(paragraph) for paragraph in error.paragraphs)
