"""`lrfind schedule`: learning-rate policies as curves, tables and PyTorch code, and tried where asked for."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from lrfind.report.output import Outcome, Show, finish, warnings_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from omegaconf import DictConfig

    from lrfind.report.observers import Observer
    from lrfind.schedule.config import ScheduleConfig, ScheduleSettings
    from lrfind.schedule.peak import Peak
    from lrfind.schedule.results import Tried
    from lrfind.schedule.schedule import Schedule, ScheduleTable
    from lrfind.schedule.trial import Trial
    from lrfind.suggestion import Status, Suggestion


def run(composed: DictConfig, directory: Path, *, show: Show) -> Outcome:
    """The job: works the schedules out, tries them where asked for, writes the files, shows the result.

    Raises:
        UserError: Something cannot be used as given, or the results cannot be written.
    """
    from lrfind.config.validate import validated
    from lrfind.report import console
    from lrfind.report.observers import Screen
    from lrfind.report.record import to_json
    from lrfind.schedule.config import ScheduleConfig
    from lrfind.schedule.peak import peak_of, with_rates
    from lrfind.schedule.report import schedule_csv, schedule_lines
    from lrfind.schedule.schedule import ScheduleTable
    from lrfind.schedule.trial_report import tried_csv, tried_lines

    started = time.perf_counter()
    config = validated(composed, ScheduleConfig)
    screen = Screen()
    trial = prepared(config, screen) if config.schedule.try_ else None
    peak = peak_of(config, None if trial is None else trial.data, screen)
    courses = [ScheduleTable.of(each) for each in planned(with_rates(config.schedule, peak))]
    tried = None if trial is None else trial.of(courses)
    status = status_of(tried)
    files: dict[str, Callable[[], str | bytes]] = {}
    if tried is not None:
        files["schedule_try.csv"] = lambda: tried_csv(tried)
    files["schedule.csv"] = lambda: schedule_csv(courses)
    files["schedule.json"] = lambda: to_json(content)
    files["schedule.png"] = partial(_picture, courses, peak)
    if trial is not None and tried is not None and tried.seeds:
        files["schedule_try.png"] = partial(_picture_of_trial, tried, peak, trial.title)
    suggestion = suggested(peak, tried)
    content = record_of(
        config,
        courses,
        peak,
        suggestion,
        status,
        [directory / name for name in files],
        time.perf_counter() - started,
        trial,
        tried,
    )

    def table(written: list[Path]) -> None:
        measured = [] if tried is None else tried_lines(tried)
        console.show(schedule_lines(courses, peak.suggestion, peak.source, written, trial=measured))

    return finish(
        directory,
        files,
        content,
        suggestion=suggestion,
        status=status,
        show=show,
        show_table=table,
    )


def prepared(config: ScheduleConfig, observer: Observer) -> Trial:
    """What is to be trained, with its data; says so where a baseline is tried beside the policy named."""
    from lrfind.schedule.config import BASELINE, policies_of
    from lrfind.schedule.trial import Trial

    policies = policies_of(config.schedule)
    if len(policies) == 1:
        observer.note(
            f"schedule.policy names {policies[0].value} alone: {BASELINE.value} is tried beside it, as the "
            "baseline."
        )
    return Trial(config, observer)


def planned(settings: ScheduleSettings) -> list[Schedule]:
    """The schedules of settings whose rate is known.

    Raises:
        ConfigError: The rate and the other numbers do not go together.
    """
    from lrfind.errors import ConfigError
    from lrfind.schedule.config import parameters_of, rate_problems, tried_policies
    from lrfind.schedule.policy_parameters import PARAMETERS
    from lrfind.schedule.schedule import schedule

    policies = tried_policies(settings)
    problems = rate_problems(settings, policies)
    if problems:
        raise ConfigError("\n".join(problems))
    assert settings.lr is not None
    given = parameters_of(settings)
    return [
        schedule(
            policy,
            lr=settings.lr,
            num_steps=settings.num_steps,
            **{name: given[name] for name in PARAMETERS[policy]},
        )
        for policy in policies
    ]


def status_of(tried: Tried | None) -> Status:
    """How it ended: a schedule that is only worked out is completed."""
    from lrfind.suggestion import Status

    if tried is None:
        return Status.COMPLETED
    if tried.interrupted:
        return Status.INTERRUPTED
    return Status.DIVERGED if tried.best is None else Status.COMPLETED


def suggested(peak: Peak, tried: Tried | None) -> Suggestion | None:
    """The peak; None where every policy diverged with it."""
    if tried is not None and not tried.interrupted and tried.best is None:
        return None
    return peak.suggestion


def record_of(
    config: ScheduleConfig,
    courses: list[ScheduleTable],
    peak: Peak,
    suggestion: Suggestion | None,
    status: Status,
    files: list[Path],
    seconds: float,
    trial: Trial | None,
    tried: Tried | None,
) -> dict[str, Any]:
    """The JSON record: that of every command, `policies`, and `tried` where they were."""
    from lrfind.report.environment import environment
    from lrfind.report.record import plain, record
    from lrfind.schedule.report import policy_records, schedule_verdict
    from lrfind.schedule.trial_report import tried_record

    device_name = None
    if trial is not None:
        from lrfind.tasks.devices import name_of

        device_name = name_of(trial.device)
    verdict = schedule_verdict(courses)
    content = record(
        command="schedule",
        status=status,
        suggestion=suggestion,
        rules={},
        verdict=verdict if tried is None else f"{tried.verdict} {verdict}",
        steps=peak.steps + (0 if tried is None else tried.steps_taken),
        seconds=seconds,
        seed=config.seed,
        device="cpu" if trial is None else str(trial.device),
        config=plain(config),
        environment=environment() if device_name is None else environment(device_name),
        files=files,
        warnings=[]
        if trial is None
        else trial.notes + warnings_of(list(dict.fromkeys([*peak.skipped, *trial.skipped]))),
    )
    content["policies"] = plain(policy_records(courses))
    if trial is not None and tried is not None:
        content["held_out_samples"] = trial.held_out
        content["tried"] = tried_record(tried)
    return content


def _picture(courses: list[ScheduleTable], peak: Peak) -> bytes:
    from lrfind.plotting.draw import png
    from lrfind.plotting.schedule_drawing import draw_schedules
    from lrfind.schedule.plot import schedule_figure

    return png(draw_schedules(schedule_figure(courses, peak.suggestion.lr, peak.source)))


def _picture_of_trial(tried: Tried, peak: Peak, title: str) -> bytes:
    from lrfind.plotting.draw import png
    from lrfind.plotting.trial_drawing import draw_tried
    from lrfind.schedule.trial_plot import tried_figure

    return png(draw_tried(tried_figure(tried, peak.suggestion.lr, title)))
