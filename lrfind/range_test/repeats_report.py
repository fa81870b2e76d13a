"""What several sweeps of one task leave and say: the CSV, the record's part, a line for the screen."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from lrfind.report.files import csv_text
from lrfind.report.formatting import rate_text
from lrfind.report.record import range_columns

if TYPE_CHECKING:
    from lrfind.range_test.repeats import Repeats


def repeats_csv(repeats: Repeats) -> str:
    """Makes the text of `range.csv` of several sweeps: that of each, one below the other, and its `seed`."""
    parts = []
    for seed, curve in zip(repeats.seeds, repeats.curves, strict=True):
        columns = range_columns(curve)
        parts.append(columns | {"seed": [seed] * len(curve)})
    header = list(parts[0])
    rows = chain.from_iterable(zip(*(part[name] for name in header), strict=True) for part in parts)
    return csv_text(header, rows)


def repeats_record(repeats: Repeats | None) -> dict[str, Any]:
    """The part of the JSON record that only several sweeps have."""
    if repeats is None:
        return {}
    return {
        "repeats": {"seeds": list(repeats.seeds), "lrs": list(repeats.lrs), "factor": repeats.factor},
    }


def repeats_line(repeats: Repeats | None) -> str:
    """How far the answers of the sweeps lie apart, in a sentence; empty for one sweep."""
    if repeats is None:
        return ""
    found = sorted(lr for lr in repeats.lrs if lr is not None)
    count = len(repeats.lrs)
    if not found:
        return f"None of {count} sweeps alone has an answer."
    said = f"{len(found)} of {count} sweeps alone" if len(found) < count else f"{count} sweeps, each alone,"
    said += f" answer {rate_text(found[0])} to {rate_text(found[-1])}"
    factor = repeats.factor
    if factor is None:
        return f"{said}."
    return f"{said}; one standard deviation is times or divided by {factor:.2g}."
