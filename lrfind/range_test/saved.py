"""A range test read back from its CSV: what it measured, and the line that its picture draws."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lrfind.range_test.curve import Curve
from lrfind.range_test.ladder import Spacing, unread_steps
from lrfind.range_test.repeats import median_curve, smoothed_median
from lrfind.suggestion import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lrfind.range_test.smoothed_curve import SmoothedCurve

    Floats = NDArray[np.float64]
    Rows = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True, eq=False)
class SavedTest:
    """The sweeps of all groups of parameters together, or of one alone.

    Attributes:
        group: Which one; empty for all together.
        curve: What was read of the sweeps: the last with an answer, or their median.
        smoothed: The line through it, with the one that the picture draws.
    """

    group: str
    curve: Curve
    smoothed: SmoothedCurve


def saved_tests(rows: Rows, record: Mapping[str, Any]) -> list[SavedTest]:
    """The tests of a CSV, all groups together first.

    Args:
        rows: Of `range.csv`, by column.
        record: The JSON record beside it.

    Raises:
        KeyError: A column or a setting is missing.
        ValueError: A cell is no number.
    """
    sweeps: dict[str, dict[str, list[Mapping[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        sweeps[row.get("group", "")][row.get("seed", "")].append(row)
    config = record["config"]
    settings = config["range"] if "range" in config else config["range_test"]  # of the function in Python
    found = []
    for group, by_seed in sweeps.items():
        repeats = None if group else record.get("repeats")
        statuses = (repeats or {}).get("statuses") or [record["status"]] * len(by_seed)
        each = zip(by_seed.values(), statuses, strict=True)
        curves = [_curve(one, Status(status), settings) for one, status in each]
        curve = _read(curves, repeats, settings["beta"])
        several = () if any(curve is each for each in curves) else curves
        found.append(SavedTest(group, curve, smoothed_median(curve, several)))
    return found


def _read(curves: Sequence[Curve], repeats: Mapping[str, Any] | None, beta: float) -> Curve:
    """The sweep that was read, or the median of those along one ladder."""
    if repeats is not None and repeats["reason"]:
        # Each slower than the one before: the last with an answer was read.
        answers = [curve for curve, lr in zip(curves, repeats["lrs"], strict=True) if lr is not None]
        return (answers or curves)[-1]
    if any(curve.planned_steps != curves[0].planned_steps for curve in curves):
        return curves[-1]  # of a group alone, whose answers are not in the record
    return median_curve(curves, beta=beta)


def _curve(rows: Rows, status: Status, settings: Mapping[str, Any]) -> Curve:
    def column(name: str) -> Floats | None:
        cells = [row.get(name, "") for row in rows]
        return np.array([float(cell) for cell in cells]) if all(cells) else None

    lrs, losses, smoothed = (
        np.array([float(row[name]) for row in rows]) for name in ("lr", "loss", "smoothed_loss")
    )
    planned = _planned_steps(lrs, settings)
    skip_start, skip_end = unread_steps(
        planned,
        paired=settings["paired"],
        skip_start=settings["skip_start"],
        skip_end=settings["skip_end"],
    )
    return Curve(
        lrs=lrs,
        losses=losses,
        smoothed=smoothed,
        status=status,
        planned_steps=planned,
        accuracies=column("accuracy"),
        start_losses=column("start_loss"),
        start_accuracies=column("start_accuracy"),
        skip_start=skip_start,
        skip_end=skip_end,
    )


def _planned_steps(lrs: Floats, settings: Mapping[str, Any]) -> int:
    """Steps of the whole ladder that these rates began, to the end that was set."""
    if len(lrs) < 2:
        return int(settings["num_steps"])
    scale = np.log if settings["spacing"] == Spacing.GEOMETRIC.value else np.asarray
    first, second, end = (float(scale(lr)) for lr in (lrs[0], lrs[1], settings["end_lr"]))
    return round((end - first) / (second - first)) + 1
