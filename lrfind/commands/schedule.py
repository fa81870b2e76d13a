"""`lrfind schedule`: learning-rate policies as curves, tables and PyTorch code. Nothing is trained."""

from __future__ import annotations

import dataclasses
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from lrfind.commands.finish import finish
from lrfind.launch import Outcome, Show, launch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from omegaconf import DictConfig

    from lrfind.config.schedule import ScheduleConfig, ScheduleSettings
    from lrfind.core.schedules import Course, Schedule
    from lrfind.core.suggest import Suggestion
    from lrfind.report.earlier import Earlier

FILES = ("schedule.csv", "schedule.json", "schedule.png")


def main(arguments: Sequence[str], show: Show) -> int:
    """Runs the command and returns the exit code of the process."""
    return launch("schedule", arguments, partial(run, show=show))


def run(composed: DictConfig, directory: Path, *, show: Show) -> Outcome:
    """The job: plans the schedules, works them out, writes the files, shows the result.

    Raises:
        UserError: Something cannot be used as given, or the results cannot be written.
    """
    from lrfind.config.door import validated
    from lrfind.config.schedule import ScheduleConfig
    from lrfind.core.curve import Status
    from lrfind.core.schedules import Course
    from lrfind.report import console
    from lrfind.report.drawing import png
    from lrfind.report.earlier import earlier_run
    from lrfind.report.records import to_json
    from lrfind.report.schedule_drawing import draw_schedules
    from lrfind.report.schedule_figure import schedule_figure
    from lrfind.report.schedules import schedule_csv, schedule_lines

    started = time.perf_counter()
    config = validated(composed, ScheduleConfig)
    settings = config.schedule
    earlier = None if settings.from_ is None else earlier_run(settings.from_, "schedule.from")
    schedules = planned(settings if earlier is None else with_rates(settings, earlier))
    courses = [Course.of(each) for each in schedules]
    suggestion = suggested(schedules[0].lr, settings, earlier)
    content = record_of(config, courses, suggestion, directory, time.perf_counter() - started)
    source = "" if earlier is None else origin(earlier)

    def table(files: list[Path]) -> None:
        console.show(schedule_lines(courses, suggestion, source, files))

    return finish(
        directory,
        {
            "schedule.csv": lambda: schedule_csv(courses),
            "schedule.json": lambda: to_json(content),
            "schedule.png": lambda: png(draw_schedules(schedule_figure(courses, suggestion.lr, source))),
        },
        content,
        suggestion=suggestion,
        status=Status.COMPLETED,
        show=show,
        show_table=table,
    )


def planned(settings: ScheduleSettings) -> list[Schedule]:
    """The schedules of settings whose rate is known.

    Raises:
        ConfigError: The rate and the other numbers do not go together.
    """
    from lrfind.config.schedule import parameters_of, policies_of, rate_problems
    from lrfind.core.policy_parameters import PARAMETERS
    from lrfind.core.schedules import schedule
    from lrfind.errors import ConfigError

    policies = policies_of(settings)
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


def with_rates(settings: ScheduleSettings, earlier: Earlier) -> ScheduleSettings:
    """The settings with an earlier run's rate as the peak, and its bracket as the ends of `cyclic`.

    Raises:
        ConfigError: It suggests no rate.
    """
    from lrfind.errors import ConfigError

    suggestion = earlier.suggestion
    if suggestion is None:
        raise ConfigError(
            f"schedule.from: the run of {earlier.path} suggests no learning rate. {earlier.verdict} Give a "
            "rate of your own, schedule.lr=LR."
        )
    known = dataclasses.replace(settings, lr=suggestion.lr)
    if suggestion.low < suggestion.high:
        known.base_lr = suggestion.low if settings.base_lr is None else settings.base_lr
        known.max_lr = suggestion.high if settings.max_lr is None else settings.max_lr
    return known


def suggested(lr: float, settings: ScheduleSettings, earlier: Earlier | None) -> Suggestion:
    """The peak rate as a suggestion: that of the earlier run, or the one given."""
    from lrfind.core.suggest import Suggestion

    if earlier is not None and earlier.suggestion is not None:
        return dataclasses.replace(
            earlier.suggestion, reason=f"Taken from {earlier.path}. {earlier.suggestion.reason}"
        )
    assert settings.lr is not None
    return Suggestion(settings.lr, settings.lr, settings.lr, "given", "Given as schedule.lr.")


def origin(earlier: Earlier) -> str:
    """Where the peak rate comes from, in words: `suggested by lrfind range for mlp on digits, ...`."""
    trained = f" for {earlier.task}" if earlier.task else ""
    return f"suggested by lrfind {earlier.command}{trained}"


def record_of(
    config: ScheduleConfig, courses: list[Course], suggestion: Suggestion, directory: Path, seconds: float
) -> dict[str, Any]:
    """The JSON record: that of every command, and `policies`."""
    from lrfind.core.curve import Status
    from lrfind.report.environment import environment
    from lrfind.report.records import plain, record
    from lrfind.report.schedules import policy_records, schedule_verdict

    whole = dataclasses.asdict(config)
    whole["schedule"] = {key.removesuffix("_"): value for key, value in whole["schedule"].items()}
    content = record(
        command="schedule",
        status=Status.COMPLETED,
        suggestion=suggestion,
        rules={},
        verdict=schedule_verdict(courses),
        steps=0,
        seconds=seconds,
        seed=config.seed,
        device="cpu",
        config=whole,
        environment=environment(),
        files=[directory / name for name in FILES],
    )
    content["policies"] = plain(policy_records(courses))
    return content
