"""The peak rate of `lrfind schedule`: given, of an earlier run, or of a range test made for it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lrfind.report.load import Earlier
    from lrfind.report.observers import Observer
    from lrfind.schedule.config import ScheduleConfig, ScheduleSettings
    from lrfind.suggestion import Suggestion
    from lrfind.tasks.data.dataset import Data


@dataclass(frozen=True, slots=True)
class Peak:
    """The peak rate.

    Attributes:
        suggestion: The rate, as a suggestion.
        source: Where it comes from, in words: `suggested by lrfind range for mlp on digits, ...`; empty where
            it was given.
        steps: Training steps that it took here.
        skipped: Pictures that could not be read on the way.
    """

    suggestion: Suggestion
    source: str = ""
    steps: int = 0
    skipped: tuple[str, ...] = ()


def peak_of(config: ScheduleConfig, data: Data | None, observer: Observer) -> Peak:
    """Finds the peak rate.

    Args:
        config: Validated.
        data: What the task is trained on, where it is tried.
        observer: Told of the range test.

    Raises:
        ConfigError: The earlier run, or the range test, suggests no rate.
        UserError: Something cannot be used as given.
        KeyboardInterrupt: The range test was stopped.
    """
    from lrfind.report.load import earlier_run
    from lrfind.suggestion import Suggestion

    settings = config.schedule
    if settings.from_ is not None:
        return _of_earlier(earlier_run(settings.from_, "schedule.from"))
    if settings.lr is not None:
        lr = settings.lr
        return Peak(Suggestion(lr, lr, lr, "given", "Given as schedule.lr."))
    assert data is not None
    return _of_range_test(config, data, observer)


def with_rates(settings: ScheduleSettings, peak: Peak) -> ScheduleSettings:
    """The settings with the peak, and with its bracket, where it has one, as the ends of `cyclic`.

    In a trial all policies have the same peak, so the upper end of the bracket is left out there.
    """
    found = peak.suggestion
    known = dataclasses.replace(settings, lr=found.lr)
    highest = found.lr if settings.try_ else found.high
    if peak.source and found.low < highest:
        known.base_lr = found.low if settings.base_lr is None else settings.base_lr
        known.max_lr = highest if settings.max_lr is None else settings.max_lr
    return known


def _of_earlier(earlier: Earlier) -> Peak:
    from lrfind.errors import ConfigError

    found = earlier.suggestion
    if found is None:
        raise ConfigError(
            f"schedule.from: the run of {earlier.path} suggests no learning rate. {earlier.verdict} Give a "
            "rate of your own, schedule.lr=LR."
        )
    trained = f" for {earlier.task}" if earlier.task else ""
    reason = f"Taken from {earlier.path}. {found.reason}"
    return Peak(dataclasses.replace(found, reason=reason), f"suggested by lrfind {earlier.command}{trained}")


def _of_range_test(config: ScheduleConfig, data: Data, observer: Observer) -> Peak:
    """What `lrfind` would suggest for the task: on all the data, with the settings of `range`."""
    from lrfind.errors import ConfigError
    from lrfind.range_test.run import range_test_of
    from lrfind.suggestion import Status, rate_text

    settings = config.range
    observer.note(
        f"no peak is given, so a range test finds one: {settings.num_steps:,} steps from "
        f"{rate_text(settings.start_lr)} to {rate_text(settings.end_lr)}."
    )
    found = range_test_of(config, observer=observer, data=data)
    if found.curve.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    suggestion = found.reading.suggestion
    if suggestion is None:
        raise ConfigError(
            f"schedule.lr: the range test of this task suggests no peak. {found.reading.verdict} Or give a "
            "rate of your own, schedule.lr=LR."
        )
    observer.note(f"the range test suggests {rate_text(suggestion.lr)}.")
    return Peak(suggestion, f"suggested by a range test of {found.title}", found.steps, tuple(found.skipped))
