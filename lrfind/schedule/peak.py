"""The peak rate of `lrfind schedule`: given, of an earlier run, or of a range test made for it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lrfind.report.formatting import listed
from lrfind.schedules.policy import Policy
from lrfind.schedules.schedule import as_peak
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lrfind.report.load import Earlier
    from lrfind.report.observers import Observer
    from lrfind.schedule.config import ScheduleConfig, ScheduleSettings
    from lrfind.schedules.schedule import Schedule
    from lrfind.suggestion import Suggestion
    from lrfind.tasks.data.dataset import Data

_RISING = (Policy.COSINE, Policy.ONE_CYCLE, Policy.WSD)
"""The policies that rise to a peak; `cyclic` has a bracket."""


@dataclass(frozen=True, slots=True)
class Peak:
    """The peak rate.

    Attributes:
        suggestion: The rate, as a suggestion.
        source: Where it comes from, in words: `suggested by lrfind range for mlp on digits, ...`; empty where
            it was given.
        steps: Training steps that it took here.
        skipped: Pictures that could not be read on the way.
        named: The peaks that come from there for a policy of their own, by policy.
        notes: Sentences that the user should know of.
        lacks_momentum: Whether the optimizer that it was found for is known to have no momentum.
    """

    suggestion: Suggestion
    source: str = ""
    steps: int = 0
    skipped: tuple[str, ...] = ()
    named: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    lacks_momentum: bool = False

    def of(self, policy: Policy) -> Suggestion:
        """The peak of a policy: the one that is named for it, else the suggestion."""
        return as_peak(self.suggestion, policy.value, self.named)

    def text(self, policies: Sequence[Policy]) -> str:
        """The rates: `0.4`, or `0.4, 0.8 for cosine`."""
        return peaks_text({policy: self.of(policy).lr for policy in policies})

    def is_reached_by(self, schedules: Iterable[Schedule]) -> bool:
        """Whether all go up to their rate, which `cyclic` may go beyond."""
        return all(each.lr == self.of(each.policy).lr for each in schedules)

    def origin(self, policies: Sequence[Policy]) -> str:
        """Where they come from, their brackets, and whether they are meant for these policies."""
        if not self.source:
            return ""
        found, peaks = self.suggestion, {policy: self.of(policy) for policy in policies}
        brackets = {peak.lr: f"{rate_text(peak.low)} to {rate_text(peak.high)}" for peak in peaks.values()}
        lrs = {policy: peak.lr for policy, peak in peaks.items()}
        said = f"bracket {_by_peak(lrs, brackets)}"
        if found.lr not in brackets:
            said += f"; {rate_text(found.lr)} for a constant rate"
        said = f"{self.source} ({said})"
        unnamed = [policy.value for policy in policies if policy in _RISING and policy not in self.named]
        if unnamed:
            said += f"; no peak of {listed(unnamed, 'or')} was measured for it: {rate_text(found.lr)} is used"
        return said


def peaks_text(peaks: Mapping[Policy, float]) -> str:
    """Peaks by policy in words, each rate once, rising: `0.4`, or `0.4, 0.8 for cosine and one_cycle`."""
    return _by_peak(peaks, {lr: rate_text(lr) for lr in peaks.values()})


def _by_peak(peaks: Mapping[Policy, float], words: Mapping[float, str]) -> str:
    """What is said of each peak, the lowest first, of the others with their policies."""
    lowest, *others = sorted(words)
    said = [words[lowest]]
    for lr in others:
        names = [policy.value for policy, other in peaks.items() if other == lr]
        said.append(f"{words[lr]} for {listed(names)}")
    return ", ".join(said)


def peak_of(config: ScheduleConfig, data: Data | None, observer: Observer) -> Peak:
    """Finds the peak rate.

    Args:
        config: Validated.
        data: What the task is trained on, where it is tried.
        observer: Told of the range test, and of an earlier run of another task.

    Raises:
        ConfigError: The earlier run, or the range test, suggests no rate.
        UserError: Something cannot be used as given.
        KeyboardInterrupt: The range test was stopped.
    """
    from lrfind.report.load import earlier_run
    from lrfind.suggestion import Suggestion

    settings = config.schedule
    if settings.from_ is not None:
        return _of_earlier(earlier_run(settings.from_, "schedule.from"), config, observer)
    if settings.lr is not None:
        lr = settings.lr
        return Peak(Suggestion(lr, lr, lr, "given", "Given as schedule.lr."))
    assert data is not None
    return _of_range_test(config, data, observer)


def with_bracket(settings: ScheduleSettings, peak: Peak) -> ScheduleSettings:
    """The settings with the bracket of the peak, where it has one, as the ends of `cyclic`.

    In a trial it has the peak of the others, so the upper end of the bracket is left out there.
    """
    found = peak.suggestion
    known = dataclasses.replace(settings)
    highest = found.lr if settings.try_ else found.high
    if peak.source and found.low < highest:
        known.base_lr = found.low if settings.base_lr is None else settings.base_lr
        known.max_lr = highest if settings.max_lr is None else settings.max_lr
    return known


def _of_earlier(earlier: Earlier, config: ScheduleConfig, observer: Observer) -> Peak:
    from lrfind.errors import ConfigError
    from lrfind.report.record import plain

    found = earlier.suggestion
    if found is None:
        raise ConfigError(
            f"schedule.from: the run of {earlier.path} suggests no learning rate; its record says why. Give "
            "a rate of your own, schedule.lr=LR, or a run that suggests one."
        )
    trained = f" for {earlier.task}" if earlier.task else ""
    # A search names the schedule that it judged its answer along; a range test's may be no higher than that.
    along = [policy for policy, lr in earlier.peaks.items() if lr == found.lr and earlier.command == "verify"]
    trained += f", as the peak of {listed(along)}" if along else ""
    reason = f"Taken from {earlier.path}. {found.reason}"
    notes: tuple[str, ...] = ()
    # A schedule that is not tried trains nothing, so the task of its config is nobody's word.
    differing = earlier.other_task(plain(config)) if config.schedule.try_ else ""
    if differing:
        notes = (f"{earlier.path} {differing}: its peak is tried on this task all the same.",)
        observer.warn(notes[0])  # before what may be a long training
    return Peak(
        dataclasses.replace(found, reason=reason),
        f"suggested by lrfind {earlier.command}{trained}",
        named=earlier.peaks,
        notes=notes,
        lacks_momentum=earlier.lacks_momentum,
    )


def _of_range_test(config: ScheduleConfig, data: Data, observer: Observer) -> Peak:
    """What `lrfind` would suggest for the task: on all the data, with the settings of `range`."""
    from lrfind.errors import ConfigError
    from lrfind.range_test.run import range_test_of
    from lrfind.schedule.config import tried_policies
    from lrfind.suggestion import Status

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
    peak = Peak(
        suggestion,
        f"suggested by a range test of {found.title}",
        found.steps,
        tuple(found.skipped),
        found.peaks,
    )
    observer.note(f"the range test suggests {peak.text(tried_policies(config.schedule))}.")
    return peak
