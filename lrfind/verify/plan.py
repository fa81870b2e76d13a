"""How long a run of `lrfind verify` is, and how many training steps all may take together."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrfind.errors import ConfigError
from lrfind.report.formatting import counted
from lrfind.schedules.schedule import POLICIES, policy_of

if TYPE_CHECKING:
    from lrfind.range_test.config import RangeSettings
    from lrfind.verify.config import VerifySettings

CONSTANT = "constant"
"""A rate that stays what it is."""

DEFAULT_STEPS = 300
"""Steps of a run: the tasks on which the search was measured were judged after so many."""

DEFAULT_RUNS = 8
"""So many whole runs, beside the range test, is the budget where none is given."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be trained, before any of it is.

    Attributes:
        num_steps: Steps of a run.
        budget: The most training steps in all.
        range_steps: The most of these that a range test takes; 0 where there is none.
        schedule: What the rate does during a run.
        enough: The least budget with which a search was measured to find better rates than the range test
            before it; 0 where there is none, or along a schedule.
    """

    num_steps: int
    budget: int
    range_steps: int
    schedule: str
    enough: int = 0

    @property
    def horizon(self) -> str:
        """For how long, and at what kind of rate: `300 steps at a constant rate`."""
        return f"{counted(self.num_steps, 'step')} {horizon_text(self.schedule)}"


def horizon_text(schedule: str) -> str:
    """What the rate does during a run, in words."""
    return "at a constant rate" if schedule == CONSTANT else f"of {schedule} with the rate as its peak"


def epochs_of(text: str) -> float | None:
    """The number of `3 epochs`; None where it says none."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*epochs?\s*", text, re.IGNORECASE)
    return float(found[1]) if found and float(found[1]) > 0 else None


def plan_of(settings: VerifySettings, range_test: RangeSettings | None, *, per_epoch: float | None) -> Plan:
    """Works out the plan.

    Of a small budget the range test is allowed what a whole run, and one of the pinned rate, leave: at least
    its sweeps.

    Args:
        settings: Of the search.
        range_test: Settings of the range test; None where none is made.
        per_epoch: Updates an epoch; None where that is not known.

    Raises:
        ConfigError: Epochs are asked for where their length is not known, the policy needs more steps, or the
            budget is too small.
    """
    steps = settings.steps if settings.num_steps is None else settings.num_steps
    if isinstance(steps, str):
        epochs = epochs_of(steps)
        assert epochs is not None
        if per_epoch is None:
            raise ConfigError(
                f"verify.steps={steps}: the length of an epoch of these data is not known. Give a number of "
                "steps, verify.steps=300."
            )
        steps = max(math.ceil(epochs * per_epoch), 1)
    if settings.schedule != CONSTANT:
        # The rate is the search's to choose; a policy may need more steps than there are.
        problems = POLICIES[policy_of(settings.schedule)].problems_of(1.0, steps, {})
        if problems:
            raise ConfigError(
                f"verify.schedule={settings.schedule} does not go with verify.steps={steps}: {problems[0]}"
            )
    at_least, at_most = (range_test.least_steps, range_test.most_steps) if range_test else (0, 0)
    whole = at_most + DEFAULT_RUNS * steps
    budget = whole if settings.budget is None else settings.budget
    kept = 2 * steps if settings.trains_pinned else steps
    if budget < at_least + kept:
        sweep = f"the range test takes {at_least:,} steps at least, " if at_least else ""
        pinned = ", and verify.lr takes another" if settings.trains_pinned else ""
        raise ConfigError(
            f"verify.budget={budget} is too small: {sweep}one run takes {steps:,} (verify.steps){pinned}. "
            f"The smallest that would do is {at_least + kept:,}; a search takes {whole:,}, the default "
            "(verify.budget=null). Or lower verify.steps."
        )
    enough = at_least + kept + steps if range_test and settings.schedule == CONSTANT else 0
    return Plan(steps, budget, min(at_most, budget - kept), settings.schedule, enough)
