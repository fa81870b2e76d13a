"""What a sweeper of Hydra is given of a job, to be made small."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from omegaconf import DictConfig

    from lrfind.report.output import Outcome


def asks_for_loss(composed: DictConfig, overrides: Iterable[str]) -> bool:
    """Whether it is the loss, and not the rate.

    Args:
        composed: The config of the job, which has no such key where it could not be composed.
        overrides: As given.
    """
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

    Args:
        outcome: How the job ended; None where it could not be run.
        loss: Which of the two.
    """
    if loss:
        found = None if outcome is None else outcome.loss
        return math.inf if found is None or math.isnan(found) else found
    return math.nan if outcome is None or outcome.lr is None else outcome.lr
