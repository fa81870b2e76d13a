"""What each rate came to in the end, read back from the CSV of `refine`, `verify` or `compare`."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from lrfind.statistics import settled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lrfind.statistics import Floats

    Rows = Sequence[Mapping[str, str]]
    Ends = dict[tuple[float, str], float]
    """By rate and seed; NaN where it diverged."""


def ends_of(
    command: str, rows: Rows, record: Mapping[str, Any], *, last_round: bool = False
) -> dict[str, Ends]:
    """The losses by what tells their lines apart, as the pictures of the commands show them.

    `rows` are those of its CSV, `record` is the JSON record beside it; of `refine` the last round alone may
    be meant.

    Raises:
        KeyError: A column or a key is missing.
        ValueError: A cell is no number.
    """
    if command == "refine":
        return _of_refine(rows, repeated=bool(record.get("repeats")), last_round=last_round)
    if command == "verify":
        return _of_verify(rows, str(record["judged_after"]["steps"]))
    return _of_compare(rows)


def means_of(ends: Ends) -> tuple[Floats, Floats]:
    """Rates, rising, and the mean over the seeds at each, shapes (rates,); NaN where one diverged."""
    losses: dict[float, list[float]] = defaultdict(list)
    for (lr, _), loss in ends.items():
        losses[lr].append(loss)
    lrs = sorted(losses)
    return np.array(lrs), np.array([float(np.mean(losses[lr])) for lr in lrs])


def _run(row: Mapping[str, str]) -> tuple[float, str]:
    return float(row["lr"]), row.get("seed", "")


def _of_refine(rows: Rows, *, repeated: bool, last_round: bool) -> dict[str, Ends]:
    """A line a round; whole sweeps that are repeated have rounds of their own."""
    last = max(int(row["round"]) for row in rows)
    losses: dict[str, dict[tuple[float, str], list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if int(row["round"]) == last or not last_round:
            words = [f"round {row['round']}", f"seed {row['seed']}" if repeated else "", row.get("start", "")]
            losses[", ".join(filter(None, words))][_run(row)].append(float(row["loss"]))
    return {name: {run: settled(each) for run, each in runs.items()} for name, runs in losses.items()}


def _of_verify(rows: Rows, steps: str) -> dict[str, Ends]:
    """Without runs that were given up or left, of which only losses on the way are known."""
    ends = {
        _run(row): float(row["held_out_loss"])
        for row in rows
        if not row["loss"] and (row["step"] == steps or row["held_out_loss"] == "inf")
    }
    return {"": {run: loss if math.isfinite(loss) else math.nan for run, loss in ends.items()}}


def _of_compare(rows: Rows) -> dict[str, Ends]:
    """A line an optimizer and batch size; a rate that diverged with a seed has no row of its last reading."""
    lines: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for row in rows:
        name = " ".join(filter(None, (row.get("optimizer"), f"batch size {row['batch_size']}")))
        lines[name].append(row)
    found: dict[str, Ends] = {}
    for name, each in lines.items():
        last = max(int(row["step"]) for row in each)
        ends = {_run(row): float(row["loss"]) for row in each if int(row["step"]) == last}
        seeds = {seed for _, seed in ends}
        found[name] = {(float(row["lr"]), seed): math.nan for row in each for seed in seeds} | ends
    return found
