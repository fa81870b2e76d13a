"""What a range test leaves for programs, and what it says on the screen."""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING, Any

from lrfind.range_test.horizon import STEPS, horizon_record, purpose_of
from lrfind.range_test.measured_regret import measured_in_words, measured_regret
from lrfind.range_test.peaks import peaks_record
from lrfind.range_test.reading import LOOKS_AT, Rule
from lrfind.range_test.trials import RULE as TRIALS
from lrfind.report.answer import NEARLY_AS_WELL, answer_lines
from lrfind.report.files import csv_text
from lrfind.report.table import Column, Row, Table
from lrfind.schedules.peaks import peaks_line
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lrfind.range_test.curve import Curve
    from lrfind.range_test.group_sweeps import EachGroup
    from lrfind.range_test.held_out_run import HeldOutRun
    from lrfind.range_test.reading import Reading
    from lrfind.range_test.repeats import Repeats
    from lrfind.range_test.trials import Trials
    from lrfind.report.answer import Lines
    from lrfind.report.files import Cell
    from lrfind.suggestion import Group


def range_csv(curve: Curve, repeats: Repeats | None = None) -> str:
    """Makes the text of `range.csv`: one row a step, counted from 0.

    `start_loss` (of the model as it was at the start, on the same batch), `accuracy`, `start_accuracy` and
    `validation_loss` are columns only where they were measured; between two measurements
    of the validation loss the cell is empty, and a validation loss that was measured as NaN reads the same.

    Args:
        curve: What was measured.
        repeats: Several sweeps: the rows of each, one below the other, and its `seed`, in place of the curve.
    """
    return _csv_of(_parts(curve, repeats, several=repeats is not None))


def _parts(curve: Curve, repeats: Repeats | None, *, several: bool) -> list[dict[str, Sequence[Cell]]]:
    """The columns of every sweep; where there are `several`, of this test or another, with its seed."""
    each = [(0, curve)] if repeats is None else zip(repeats.seeds, repeats.curves, strict=True)
    return [_columns(one) | ({"seed": [seed] * len(one)} if several else {}) for seed, one in each]


def _csv_of(parts: Sequence[dict[str, Sequence[Cell]]]) -> str:
    """The text of the columns of several sweeps, one below the other; a column that one lacks is empty."""
    header = list(dict.fromkeys(chain.from_iterable(parts)))
    rows = chain.from_iterable(
        zip(*(part.get(name, [None] * len(part["lr"])) for name in header), strict=True) for part in parts
    )
    return csv_text(header, rows)


def _columns(curve: Curve) -> dict[str, Sequence[Cell]]:
    """The columns of one sweep, by name."""
    columns: dict[str, Sequence[Cell]] = {
        "step": range(len(curve)),
        "lr": curve.lrs.tolist(),
        "loss": curve.losses.tolist(),
        "smoothed_loss": curve.smoothed.tolist(),
    }
    for name, values in (
        ("start_loss", curve.start_losses),
        ("accuracy", curve.accuracies),
        ("start_accuracy", curve.start_accuracies),
    ):
        if values is not None:
            columns[name] = values.tolist()
    if curve.validation_losses is not None:
        known = curve.validation_losses.tolist()
        columns["validation_loss"] = [None if math.isnan(loss) else loss for loss in known]
    return columns


def range_record(settings: dict[str, Any], reading: Reading, repeats: Repeats | None) -> dict[str, Any]:
    """What the record of `lrfind range` has beside that of the other commands.

    Args:
        settings: How the test was made, in plain values by name.
        reading: What was read from the curve.
        repeats: The several sweeps, or None for one.
    """
    chosen_by = None if reading.suggestion is None else reading.suggestion.rule
    was_measured = reading.holds_for_others and not reading.trained_before
    measured = measured_regret(settings, chosen_by) if was_measured else None
    content: dict[str, Any] = {"shape": reading.shape, "measured": measured}
    if peaks := peaks_record(reading, settings):
        content["peaks"] = peaks
    if reading.horizon is not None:
        content["horizon"] = horizon_record(reading.horizon)
    if reading.trials is not None:
        content["trials"] = trials_record(reading.trials)
    if reading.held_out is not None:
        content["held_out"] = held_out_record(reading.held_out)
    if repeats is not None:
        content["repeats"] = {
            "seeds": list(repeats.seeds),
            "lrs": list(repeats.lrs),
            "statuses": [curve.status.value for curve in repeats.curves],
            "factor": repeats.factor,
            "reason": repeats.reason,
        }
    return content


def trials_record(trials: Trials) -> dict[str, Any]:
    """The record's `trials`."""
    return {
        "steps": trials.steps,
        "start_loss": trials.start,
        "runs": [
            {"steps": runs.steps, "lr": lr, "loss": loss}
            for runs in trials.lengths
            for lr, loss in runs.losses.items()
        ],
        "steps_taken": trials.taken,
    }


def held_out_record(run: HeldOutRun) -> dict[str, Any]:
    """The record's `held_out`."""
    return {
        "lr": run.lr,
        "samples": run.samples,
        "steps": list(run.losses),
        "losses": list(run.losses.values()),
        "training_losses": list(run.training.values()),
        "turned": run.turned,
        "others": [{"lr": other.lr, "loss": other.last} for other in run.others],
        "factor": run.factor,
    }


def range_lines(
    reading: Reading,
    repeats: Repeats | None,
    files: Sequence[Path],
    *,
    groups: Sequence[Group] = (),
    peaks: Sequence[dict[str, Any]] = (),
    measured: dict[str, Any] | None = None,
) -> Lines:
    """Works out what is written to stdout: the suggestion, the verdict, every rule's answer, the files.

    Args:
        reading: What was read from the curve.
        repeats: The several sweeps, or None for one.
        files: Paths of the files.
        groups: The optimizer's groups with their rates.
        peaks: The record's `peaks`.
        measured: The record's `measured`.
    """
    suggestion = reading.suggestion
    if suggestion is None:
        return answer_lines(suggestion, reading.verdict, files)
    meanings = rules_in_words(reading.metric)
    horizon = reading.horizon
    read = suggestion if horizon is None or horizon.read is None else horizon.read
    if reading.held_out is not None and reading.held_out.factor != 1:
        meanings[suggestion.rule] += f"; {rate_text(read.lr)} after the run with samples held out"
    if horizon is not None and horizon.extrapolated:
        longer = f"{rate_text(suggestion.lr)} for {horizon.steps:,} steps"
        meanings[suggestion.rule] += f", here for {STEPS} steps; {longer}"
    rules = Table(
        [Column("rule", words=True), Column("lr"), Column("looks at", words=True)],
        [
            Row(
                [name, "none" if lr is None else rate_text(lr), meanings.get(name, "")],
                chosen=name == suggestion.rule,
            )
            for name, lr in reading.rules.items()
        ],
    )
    verdict = f"{repeats_line(repeats)} {reading.verdict}".strip()
    more = [] if measured is None else [measured_in_words(measured, reading.rules.get(Rule.MINIMUM.value))]
    more += [peaks_line(peaks)] if peaks else []
    purpose = purpose_of(reading)
    bracket = (
        NEARLY_AS_WELL if suggestion.rule in (Rule.CENTRE, TRIALS) else f"where the {reading.metric} falls"
    )
    if not reading.holds_for_others:
        bracket = "by the loss of the batches alone"
    return answer_lines(
        suggestion,
        verdict,
        files,
        groups,
        purpose=purpose,
        bracket=bracket,
        more=more,
        details=[rules],
    )


def rules_in_words(metric: str) -> dict[str, str]:
    """What each answer of the record's `rules` looks at, by its name.

    Args:
        metric: What it is read from, `loss` or `accuracy`.
    """
    found = {rule.value: words.replace("loss", metric) for rule, words in LOOKS_AT.items()}
    return {TRIALS: "training at constant rates", **found}


def repeats_line(repeats: Repeats | None) -> str:
    """Why there are several sweeps, and how far their answers lie apart, in a sentence; empty for one."""
    if repeats is None:
        return ""
    if repeats.reason is None:
        return _spread_in_words(repeats)
    first, slower = ("has no answer" if lr is None else f"answers {rate_text(lr)}" for lr in repeats.lrs)
    if not any(repeats.lrs):
        alone = "Neither of the two has an answer"
    else:
        alone = f"The first {first}, the slower one {slower}"
    return f"A slower sweep followed, since {repeats.reason}. {alone}."


def _spread_in_words(repeats: Repeats) -> str:
    found = sorted(lr for lr in repeats.lrs if lr is not None)
    count = len(repeats.lrs)
    if not found:
        return (
            f"None of {count} sweeps alone has an answer; this one is read from their median, and is no more "
            "than a hint."
        )
    said = f"{len(found)} of {count} sweeps alone" if len(found) < count else f"{count} sweeps, each alone,"
    said += f" answer {rate_text(found[0])} to {rate_text(found[-1])}"
    factor = repeats.factor
    if factor is None:
        return f"{said}."
    if factor < 1.005:
        return f"{said}, the same within half a percent."
    return f"{said}; one standard deviation is a factor of {factor:.{2 if factor >= 1.1 else 3}g}."


def each_csv(found: EachGroup) -> str:
    """Makes the text of `range.csv`: the rows of all groups together, then of each alone, and whose they are.

    `group` is empty where all groups are swept together. There `start_loss` is the loss of the model as it
    was at the start, and of a group alone that of its control. Else the columns are those of `range_csv`; a
    cell is empty where the sweep has no such column.
    """
    tests = [(None, found.together), *((each.group.name, each.test) for each in found.alone)]
    several = any(test.repeats is not None for _, test in tests)
    return _csv_of(
        [
            {"group": [group] * len(part["lr"])} | part
            for group, test in tests
            for part in _parts(test.curve, test.repeats, several=several)
        ]
    )


def each_record(found: EachGroup) -> dict[str, Any]:
    """What the record has of every group's own sweeps, beside its rate (`groups`).

    `shape` and `repeats` are those of all groups together; what such answers are worth is in no benchmark of
    the rule (`measured`).
    """
    return range_record({}, found.together.reading, found.together.repeats) | {
        "each": [
            {
                "group": each.group.name,
                "status": each.test.curve.status,
                "suggestion": each.test.reading.suggestion,
                "rules": each.test.reading.rules,
                "sweeps": 1 if each.test.repeats is None else len(each.test.repeats.curves),
                "verdict": each.test.reading.verdict,
            }
            for each in found.alone
        ],
        "together": found.together.reading.suggestion,
    }


def each_lines(found: EachGroup, files: Sequence[Path]) -> Lines:
    """Works out what is written to stdout: the rate of each group, the verdict, the files."""
    verdict = f"{repeats_line(found.together.repeats)} {found.verdict}".strip()
    return answer_lines(found.suggestion, verdict, files, found.groups)
