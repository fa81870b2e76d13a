"""The rate that `lrfind verify` checks: of a range test, of a record, or given."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lrfind.range_test.run import range_test_of
from lrfind.report.load import earlier_run
from lrfind.report.record import plain
from lrfind.schedules.schedule import as_peak
from lrfind.suggestion import Status, rate_text
from lrfind.verify.candidates import RANGE_TEST, Role
from lrfind.verify.plan import CONSTANT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lrfind.range_test.config import RangeSettings
    from lrfind.range_test.run import RangeTest
    from lrfind.report.observers import Observer
    from lrfind.suggestion import Suggestion
    from lrfind.tasks.data.dataset import Data
    from lrfind.verify.config import VerifyConfig, VerifySettings


@dataclass(frozen=True, slots=True)
class Checked:
    """What is checked, and where it comes from.

    Attributes:
        lr: The rate; None where nothing was suggested.
        role: Why that.
        suggestion: The suggestion it is of; None for a rate that was given.
        rules: Every rule's own answer, where a curve was read.
        source: Where it comes from, in words.
        verdict: What the curve showed.
        steps: Training steps that it took.
        interrupted: Whether the user stopped the range test.
        title: What was trained, where something was.
        warnings: What a reader of the answer should know.
        skipped: Pictures that could not be read.
        peaks: The peaks of schedules that come with the suggestion, by policy.
        whose: What suggested the rate, in words; empty: the user gave the suggestion.
        horizon: The steps of the training that the suggestion was extrapolated to, if it was.
    """

    lr: float | None
    role: Role
    suggestion: Suggestion | None = None
    rules: Mapping[str, float | None] = field(default_factory=dict)
    source: str = ""
    verdict: str = ""
    steps: int = 0
    interrupted: bool = False
    title: str = ""
    warnings: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    peaks: Mapping[str, float] = field(default_factory=dict)
    whose: str = RANGE_TEST
    horizon: int | None = None


def checked_rate(config: VerifyConfig, data: Data, observer: Observer, *, most_steps: int) -> Checked:
    """Finds the rate to check.

    Where nothing was suggested and a rate is pinned, that one is checked.

    Args:
        config: Validated.
        data: What the task is trained on.
        observer: Told of every step.
        most_steps: The most that a range test may take.

    Raises:
        ConfigError: The record that the config names cannot be used.
        UserError: Something cannot be used as given.
    """
    settings = config.verify
    if settings.around is not None:
        return Checked(settings.around, Role.GIVEN, source="given as verify.around")
    if settings.from_ is not None:
        found = _of_record(config, observer)
    else:
        # What `lrfind` would suggest, on all the data and with the settings of `range`, within the budget.
        announce_range_test(config.range, observer)
        found = suggested(range_test_of(config, observer=observer, data=data, most_steps=most_steps))
    return as_wanted(found, settings, observer)


def as_wanted(found: Checked, settings: VerifySettings, observer: Observer) -> Checked:
    """What was found, as the peak of the schedule that is trained along; the pinned rate where nothing was.

    Args:
        found: What a range test or an earlier run suggests, for a constant rate.
        settings: Of the search.
        observer: Told which rate is checked, where it is another than was suggested.
    """
    schedule, pinned = settings.schedule, settings.lr
    if found.lr is None and not found.interrupted and pinned is not None:
        return begun_at(found, pinned, Role.PINNED, f"verify.lr={pinned:g}", "given as verify.lr", observer)
    if schedule == CONSTANT or found.suggestion is None:
        return found
    peak = as_peak(found.suggestion, schedule, found.peaks)
    constant = f"{rate_text(found.suggestion.lr)} for a constant rate ({found.source})"
    if peak is found.suggestion and schedule in found.peaks:
        return found  # it was searched for along this schedule
    if peak is found.suggestion:
        observer.note(f"no peak of {schedule} was measured, so the search begins at {constant}.")
        return found
    observer.note(
        f"the search begins at {rate_text(peak.lr)}, the peak of {schedule} that goes with {constant}."
    )
    source = f"{found.source}, as the peak of {schedule}"
    return replace(found, lr=peak.lr, suggestion=peak, source=source)


def begun_at(found: Checked, lr: float, role: Role, name: str, source: str, observer: Observer) -> Checked:
    """Another rate to check, where nothing was suggested.

    Args:
        found: What a range test or an earlier run showed.
        lr: The rate.
        role: Why that.
        name: What it is called in a sentence.
        source: Where it comes from.
        observer: Told of it.
    """
    said = (
        f"{found.source} suggested no learning rate, so the search begins at {name}. {found.verdict}".rstrip()
    )
    observer.warn(said)
    return replace(
        found,
        lr=lr,
        role=role,
        source=f"{source} ({found.source} suggested none)",
        warnings=(*found.warnings, said),
    )


def announce_range_test(settings: RangeSettings, observer: Observer) -> None:
    """Says that a range test comes first."""
    observer.note(
        f"range test: {settings.num_steps:,} steps from {rate_text(settings.start_lr)} to "
        f"{rate_text(settings.end_lr)}."
    )


def suggested(found: RangeTest) -> Checked:
    """What a range test suggests, to be checked."""
    suggestion, horizon = found.reading.suggestion, found.reading.horizon
    return Checked(
        None if suggestion is None else suggestion.lr,
        Role.SUGGESTION,
        suggestion,
        found.reading.rules,
        "the range test",
        found.reading.verdict,
        found.steps,
        found.curve.status is Status.INTERRUPTED,
        found.title,
        tuple(found.notes),
        tuple(found.skipped),
        found.peaks,
        horizon=horizon.steps if horizon is not None and horizon.extrapolated else None,
    )


def _of_record(config: VerifyConfig, observer: Observer) -> Checked:
    """What a run before this one suggested.

    Raises:
        ConfigError: There is no record, more than one, or it is none of lrfind.
    """
    earlier = earlier_run(str(config.verify.from_), "verify.from")
    if earlier.suggestion is None:  # what it advises is for that run
        return Checked(None, Role.SUGGESTION, rules=earlier.rules, source=str(earlier.path))
    differing = earlier.other_task(plain(config))
    warnings = []
    if differing:
        warnings.append(f"{earlier.path} {differing}: its suggestion is checked on this task all the same.")
        observer.warn(warnings[0])  # before what may be a long search
    return Checked(
        earlier.suggestion.lr,
        Role.SUGGESTION,
        earlier.suggestion,
        earlier.rules,
        str(earlier.path),
        warnings=tuple(warnings),
        peaks=earlier.peaks,
        whose=RANGE_TEST if earlier.command == "range" else earlier.command,
        horizon=earlier.horizon,
    )
