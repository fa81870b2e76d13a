"""What holds for every record, whatever is in it."""

import json
import math
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lrfind.report.load import earlier_run
from lrfind.report.record import plain, to_json


class Colour(str, Enum):
    RED = "red"


@dataclass
class Group:
    from_: Any
    rate: Any


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats()
    | st.text(max_size=10)
    | st.just(Colour.RED)
    | st.just(PurePosixPath("a/b"))
    | st.floats(width=32).map(np.float32)
    | st.lists(st.floats(), max_size=4).map(np.array)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
        | st.builds(Group, inner, inner)
    ),
    max_leaves=6,
)


@given(VALUES)
def test_what_is_made_plain_is_json_and_reads_back_as_it_is(value):
    made = plain(value)
    text = to_json({"value": made})
    assert text.isascii()
    assert text.endswith("\n")
    assert json.loads(text) == {"value": made}


@given(VALUES)
def test_what_is_plain_stays_as_it_is(value):
    made = plain(value)
    assert plain(made) == made


@given(st.floats())
def test_a_number_is_itself_to_the_last_bit_or_null(value):
    again = json.loads(to_json({"value": plain(value)}))["value"]
    assert again == value if math.isfinite(value) else again is None


RATES = st.floats(1e-12, 1e6)


@given(RATES, st.floats(0.01, 1), st.floats(1, 100), st.text(max_size=30))
def test_a_suggestion_is_read_back_from_the_record_to_the_last_bit(
    tmp_path_factory, lr, under, over, verdict
):
    path = tmp_path_factory.mktemp("run") / "range.json"
    suggestion = {"lr": lr, "low": lr * under, "high": lr * over, "rule": "centre", "reason": verdict}
    path.write_text(
        to_json({"command": "range", "suggestion": suggestion, "verdict": verdict}), encoding="utf-8"
    )
    found = earlier_run(str(path), "verify.from")
    assert plain(found.suggestion) == suggestion
    assert found.verdict == verdict
