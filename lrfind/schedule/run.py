"""The schedules of a config, and what came of trying them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrfind.errors import ConfigError
from lrfind.schedule.config import BASELINE, parameters_of, policies_of, rate_problems, tried_policies
from lrfind.schedule.peak import peak_of, with_bracket
from lrfind.schedule.report import schedule_verdict
from lrfind.schedules.schedule import PARAMETERS, ScheduleTable, schedule
from lrfind.suggestion import Status

if TYPE_CHECKING:
    from lrfind.report.observers import Observer
    from lrfind.schedule.config import ScheduleConfig, ScheduleSettings
    from lrfind.schedule.peak import Peak
    from lrfind.schedule.results import Tried
    from lrfind.schedule.trial import Trial
    from lrfind.schedules.policy import Policy
    from lrfind.schedules.schedule import Schedule
    from lrfind.suggestion import Suggestion


@dataclass(frozen=True, slots=True, eq=False)
class Worked:
    """Schedules as they were worked out.

    Attributes:
        tables: The rates of each, step by step.
        peak: Where their rates come from.
        trial: What was trained under them; None where they were not to be tried.
        tried: What that showed.
    """

    tables: list[ScheduleTable]
    peak: Peak
    trial: Trial | None
    tried: Tried | None

    @property
    def status(self) -> Status:
        """How it ended: a schedule that is only worked out is completed."""
        if self.tried is None:
            return Status.COMPLETED
        if self.tried.interrupted:
            return Status.INTERRUPTED
        return Status.DIVERGED if self.tried.diverged else Status.COMPLETED

    @property
    def suggestion(self) -> Suggestion | None:
        """The peak of the policy that was best in a trial, else of the first; None where none was.

        None was best where all diverged, or nothing was learnt; of a trial that was cut off it is not known.
        """
        best = 0 if self.tried is None or self.tried.interrupted else self.tried.best
        return None if best is None else self.peak.of(self.tables[best].schedule.policy)

    @property
    def policies(self) -> list[Policy]:
        """Their policies."""
        return [table.schedule.policy for table in self.tables]

    @property
    def verdict(self) -> str:
        """What the trial showed, where there was one, and what the rates do."""
        verdict = schedule_verdict(self.tables)
        return verdict if self.tried is None else f"{self.tried.verdict} {verdict}"

    @property
    def steps(self) -> int:
        """Training steps taken."""
        return self.peak.steps + (0 if self.tried is None else self.tried.steps_taken)


def work_out(config: ScheduleConfig, observer: Observer) -> Worked:
    """Finds the peak, works the schedules out, and trains under them where that is asked for.

    Raises:
        UserError: Something cannot be used as given.
    """
    trial = _trial(config, observer) if config.schedule.try_ else None
    peak = peak_of(config, None if trial is None else trial.data, observer)
    tables = [ScheduleTable.of(each) for each in _planned(with_bracket(config.schedule, peak), peak)]
    if trial is None:
        return _for_optimizer(tables, peak)
    tried = trial.run(tables)
    return Worked(list(tried.courses), peak, trial, tried)


def _for_optimizer(tables: list[ScheduleTable], peak: Peak) -> Worked:
    """The schedules for the optimizer of the earlier run, without a momentum that it lacks."""
    moving = [table.schedule.policy.value for table in tables if table.momenta is not None]
    if not moving or not peak.lacks_momentum:
        return Worked(tables, peak, None, None)
    note = (
        f"{moving[0]} leaves the momentum alone here (cycle_momentum=False), for the optimizer of the "
        "earlier run has none: with a momentum the peak would be too high."
    )
    peak = dataclasses.replace(peak, notes=(*peak.notes, note))
    return Worked([table.without_momentum() for table in tables], peak, None, None)


def _trial(config: ScheduleConfig, observer: Observer) -> Trial:
    """What is to be trained, with its data; says so where a baseline is tried beside the policy named."""
    from lrfind.schedule.trial import Trial  # which imports torch

    policies = policies_of(config.schedule)
    if len(policies) == 1:
        observer.note(
            f"schedule.policy names {policies[0].value} alone: {BASELINE.value} is tried beside it, as the "
            "baseline."
        )
    return Trial.of(config, observer)


def _planned(settings: ScheduleSettings, peak: Peak) -> list[Schedule]:
    """The schedules with these peaks.

    Raises:
        ConfigError: The rate and the other numbers do not go together.
    """
    lrs = {policy: peak.of(policy).lr for policy in tried_policies(settings)}
    problems = rate_problems(settings, lrs)
    if problems:
        raise ConfigError(*problems)
    given = parameters_of(settings)
    return [
        schedule(
            policy,
            lr=lr,
            num_steps=settings.num_steps,
            **{name: given[name] for name in PARAMETERS[policy]},
        )
        for policy, lr in lrs.items()
    ]
