"""The peaks of schedules that go with a rate that was searched for."""

import json
from pathlib import Path

import jsonschema
import pytest

from lrfind.report import record as records
from lrfind.report.load import earlier_run
from lrfind.suggestion import Suggestion
from lrfind.verify.peaks import search_peaks
from lrfind.verify.plan import Plan
from lrfind.verify.report import verify_record

FOUND = Suggestion(0.3, 0.2, 0.4, "verify", "It ended lowest.")
PLAN = Plan(300, 2000, 0, "constant")


def test_twice_a_searched_rate_is_named_in_the_record_and_read_back(tmp_path):
    peaks = search_peaks(PLAN, FOUND, searched=True)
    record = verify_record(None, None, plan=PLAN, checked={}, pinned=None, held_out=7, peaks=peaks)
    schema = json.loads((Path(records.__file__).parent / "record.schema.json").read_text())
    jsonschema.validate(record["peaks"], schema["properties"]["peaks"] | {"$defs": schema["$defs"]})
    suggestion = {"lr": 0.3, "low": 0.2, "high": 0.4, "rule": "verify", "reason": ""}
    whole = record | {"command": "verify", "suggestion": suggestion, "verdict": ""}
    (tmp_path / "verify.json").write_text(json.dumps(whole))
    assert earlier_run(str(tmp_path), "schedule.from").peaks == {"cosine": 0.6, "one_cycle": 0.6}


@pytest.mark.parametrize(
    ("plan", "suggestion", "searched"),
    [
        (Plan(200, 2000, 0, "constant"), FOUND, True),
        (Plan(300, 999, 0, "constant"), FOUND, True),
        (Plan(300, 2000, 0, "one_cycle"), FOUND, True),
        (PLAN, None, True),
        (PLAN, FOUND, False),
    ],
)
def test_of_other_searches_no_peak_is_named(plan, suggestion, searched):
    assert search_peaks(plan, suggestion, searched=searched) == []
    record = verify_record(None, None, plan=plan, checked={}, pinned=None, held_out=7)
    assert "peaks" not in record
